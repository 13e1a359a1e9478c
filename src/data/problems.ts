import { basename, relative } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import type { SkippedFile } from './dataset.ts'
import { factsOf, type MeasureChange, type Problem, type ProblemKind } from './problem-kinds.ts'

/** Number of examples of each kind; the others are only counted. */
const shown = 3

interface Found {
  count: number
  readonly examples: string[]
}

/** What of a data set is refused. */
export type RefusedPart = 'record' | 'whole'

/** Called with an error that would end the opening of a data set. */
export type OnRefusal = (part: RefusedPart, error: MoietyError) => void

/** Collects the problems of a data set by kind and by the file or folder that they are in. */
export class Problems {
  readonly #found = new Map<ProblemKind, Map<string, Found>>()
  readonly #onRefusal: OnRefusal | undefined

  /** @param onRefusal - called with each error that {@link unlessRefused} goes on after; by default it does not */
  constructor(onRefusal?: OnRefusal) {
    this.#onRefusal = onRefusal
  }

  /**
   * What `work` gives; undefined where it refuses the data, in a check that goes on.
   *
   * @param part - what is refused: a record, which can be left out, or the data as a whole
   */
  unlessRefused<T>(part: RefusedPart, work: () => T): T | undefined {
    try {
      return work()
    } catch (cause) {
      return this.orRefused(part)(cause)
    }
  }

  /** {@link unlessRefused} for `catch` of a promise. */
  orRefused(part: RefusedPart): (cause: unknown) => undefined {
    return cause => {
      if (this.#onRefusal === undefined || !(cause instanceof MoietyError) || cause.kind !== 'data')
        throw cause
      this.#onRefusal(part, cause)
      return undefined
    }
  }

  /**
   * Counts a problem.
   *
   * @param where - the annotation file or folder
   * @param example - the record, as `annotations[17]`
   * @param count - of problems of this kind at once
   */
  add(kind: ProblemKind, where: string, example: string, count = 1): void {
    const places = this.#found.get(kind) ?? new Map<string, Found>()
    const found = places.get(where) ?? { count: 0, examples: [] }
    found.count += count
    if (found.examples.length < shown) found.examples.push(example)
    this.#found.set(kind, places.set(where, found))
  }

  /** How many problems of a kind were found so far. */
  count(kind: ProblemKind): number {
    return [...(this.#found.get(kind)?.values() ?? [])].reduce((sum, found) => sum + found.count, 0)
  }

  get empty(): boolean {
    return this.#found.size === 0
  }

  /** One entry a kind, in the order in which kinds were first found. Where there are several files, examples name theirs. */
  list(root: string): readonly Problem[] {
    return [...this.#found].map(([kind, places]) => {
      const isOne = places.size === 1
      const examples = [...places].flatMap(([where, found]) =>
        found.examples.map(example => (isOne ? example : `${relative(root, where) || '.'}: ${example}`)),
      )
      const count = this.count(kind)
      return { kind, count, examples: examples.slice(0, shown), handled: factsOf(kind).handled }
    })
  }

  /** As a data set's report: one sentence a kind, with the file if there is only one. */
  skipped(root: string): readonly SkippedFile[] {
    return this.list(root).map(problem => {
      const places = [...this.#found.get(problem.kind)!.keys()]
      return { path: places.length === 1 ? places[0]! : root, reason: inWords(problem, 'handled') }
    })
  }

  /** For an error: what was found, without what would have been done. */
  sentences(root: string): readonly string[] {
    return this.list(root).map(problem => inWords(problem, 'found'))
  }

  /** What was changed in one file or folder that changes measures of it. */
  changes(where: string): readonly MeasureChange[] {
    return [...this.#found].flatMap(([kind, places]) => {
      const found = places.get(where)
      const { changes, what, handled } = factsOf(kind)
      if (found === undefined || changes === undefined) return []
      return [{ measure: changes, text: `${found.count} ${what}: ${handled} (in ${basename(where)})` }]
    })
  }

  /** Refuses repairs. @throws MoietyError of kind `data` that lists them */
  refuseRepairs(root: string): void {
    const repairs = this.list(root).filter(({ kind }) => factsOf(kind).isRepair)
    if (repairs.length === 0) return
    fail({
      kind: 'data',
      message: `expected data without mistakes, because data.strict is true; got ${repairs.map(each => inWords(each, 'found')).join('; ')}`,
      where: root,
      help: 'correct them, or set data.strict to false: they are then repaired and reported',
    })
  }
}

function inWords({ kind, count, examples, handled }: Problem, end: 'handled' | 'found'): string {
  const { what, isConvention } = factsOf(kind)
  const found = `${count} ${what}${end === 'handled' ? `, ${handled}` : ''}`
  if (isConvention) return found
  const more = count > examples.length ? ` and ${count - examples.length} more` : ''
  return `${found}: ${examples.join(', ')}${more}`
}
