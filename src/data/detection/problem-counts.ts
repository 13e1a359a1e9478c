import type { SkippedFile } from '../dataset.ts'

/** Number of names listed per kind; the others are only counted. */
const named = 5

/** Counts what a policy skips or changes, by kind, with the first few names of each. */
export class ProblemCounts {
  readonly #kinds = new Map<string, { count: number; first: string[] }>()

  /** @param kind - what happens to them, as `boxes outside of their image, left out` */
  add(kind: string, name: string): void {
    const entry = this.#kinds.get(kind) ?? { count: 0, first: [] }
    entry.count++
    if (entry.first.length < named) entry.first.push(name)
    this.#kinds.set(kind, entry)
  }

  get empty(): boolean {
    return this.#kinds.size === 0
  }

  /** One sentence for each kind: how many, and the first few. */
  sentences(): readonly string[] {
    return [...this.#kinds].map(([kind, { count, first }]) => {
      const more = count > first.length ? ` and ${count - first.length} more` : ''
      return `${count} ${kind}: ${first.join(', ')}${more}`
    })
  }

  /** As a dataset's report. */
  skipped(path: string): readonly SkippedFile[] {
    return this.sentences().map(reason => ({ path, reason }))
  }
}
