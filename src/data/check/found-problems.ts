import { isAbsolute, relative, sep } from 'node:path'
import type { MoietyError } from '../../base/errors.ts'
import { type Problem, type ProblemKind, problemKinds } from '../problem-kinds.ts'

/** What only a check finds, and what training does with it. A sentence that begins with `refused` is about data that cannot be trained on. */
const checkKinds = {
  refused: 'refused: training does not begin until it is corrected',
  'bad-row': 'refused: training stops at the first such row; --repair leaves them out',
  'bad-record': 'refused: training stops at the first such record; --repair leaves them out',
  'empty-class': 'refused: every class needs images; remove the folder or fill it',
  'class-without-training-images': 'refused: nothing can be learned about it; add training images',
  'unknown-class': 'refused: a class of val or test needs training images',
  'misplaced-file': 'refused: every image belongs into the folder of its class',
  'implausible-boxes': 'refused; data.implausibleBoxes=accept uses them as they are',
  'image-in-two-splits': 'refused: training and testing on one file; take it out of one split',
  'other-size': 'training stops at such an image; left out with data.unreadable=skip',
  junk: 'skipped: not part of the data',
  'duplicate-across-splits':
    'used in both: scores count images that were trained on; --repair keeps the first, in the order train, val, test',
  'duplicate-in-split': 'used each time; --repair keeps the first',
  'conflicting-labels': 'used with each of its labels; --repair leaves all copies out',
  'untrained-class': 'not learned: there is no training object of it',
} as const

/** Kinds that training with the usual `data.unreadable`, which is `stop`, does not leave out by itself. */
const stops = 'training stops at such an image; left out with data.unreadable=skip'
const policies: Partial<Record<ProblemKind, string>> = {
  missing: stops,
  'leads-out': stops,
  'not-a-file': stops,
  unreadable: stops,
}

/** Kinds of problems that a check reports. */
export type FoundKind = ProblemKind | keyof typeof checkKinds

/** All problems of one kind that a check found. */
export interface FoundProblem {
  readonly kind: FoundKind
  readonly count: number
  /** The first three; paths are relative to the data set's folder. */
  readonly examples: readonly string[]
  /** What training does with them. */
  readonly handled: string
}

const shown = 3

function handledOf(kind: FoundKind): string {
  if (kind in checkKinds) return checkKinds[kind as keyof typeof checkKinds]
  return policies[kind as ProblemKind] ?? problemKinds[kind as ProblemKind].handled
}

/** Collects problems by kind; whatever they are found in, no path outside of the data set's folder is shown. */
export class FoundProblems {
  readonly #found = new Map<FoundKind, { count: number; readonly examples: string[] }>()
  readonly #roots: readonly string[]

  /** @param roots - the data set's folder as it was given, and with its links followed */
  constructor(...roots: readonly string[]) {
    this.#roots = roots
  }

  add(kind: FoundKind, example: string, count = 1): void {
    const found = this.#found.get(kind) ?? { count: 0, examples: [] }
    found.count += count
    if (found.examples.length < shown) found.examples.push(this.shownText(example))
    this.#found.set(kind, found)
  }

  addAll(problems: readonly Problem[]): void {
    for (const { kind, count, examples } of problems) {
      for (const example of examples) this.add(kind, example)
      this.#found.get(kind)!.count += count - examples.length
    }
  }

  /** An error that would end the opening of the data set, or a row of a table. */
  addError(kind: FoundKind, error: MoietyError): void {
    const place = error.where === undefined ? '' : ` (${this.pathOf(error.where)})`
    this.add(kind, `${error.message}${place}`)
  }

  get isRefused(): boolean {
    return this.list().some(({ handled }) => handled.startsWith('refused'))
  }

  list(): readonly FoundProblem[] {
    return [...this.#found].map(([kind, { count, examples }]) => ({
      ...{ kind, count, examples },
      handled: handledOf(kind),
    }))
  }

  /** A path relative to the folder. */
  pathOf(path: string): string {
    for (const root of this.#roots) {
      if (path === root) return '.'
      const below = relative(root, path)
      if (isAbsolute(path) && below !== '..' && !below.startsWith(`..${sep}`)) return below
    }
    return this.shownText(path)
  }

  /** A text without the folder's own path. */
  shownText(text: string): string {
    return this.#roots.reduce(
      (rest, root) => rest.replaceAll(`${root}${sep}`, '').replaceAll(root, '.'),
      text,
    )
  }
}
