import type { Run } from '../run.ts'

/** Steps that a share is averaged over. */
const window = 10

/** Each expert's share over the last steps, averaged as steps come, since a share of one batch says little. */
export class RecentShares {
  #run: Run | undefined
  #shares: (readonly number[])[] = []

  /** By step and expert. */
  of(run: Run): readonly (readonly number[])[] {
    if (run !== this.#run || this.#shares.length > run.steps.length) this.#shares = []
    this.#run = run
    for (let i = this.#shares.length; i < run.steps.length; i++) {
      const recent = run.steps.slice(Math.max(0, i + 1 - window), i + 1)
      const own = recent.map(({ layers }) => layers[run.shown]?.importance ?? [])
      this.#shares.push(
        Array.from(
          { length: run.experts },
          (_, e) => own.reduce((sum, one) => sum + (one[e] ?? 0), 0) / own.length,
        ),
      )
    }
    return this.#shares
  }
}
