import type { FileHandle } from 'node:fs/promises'
import type { MetricsLine } from '../run/metrics-line.ts'
import {
  addStepLine,
  alarmRow,
  epochRow,
  hasNonFinite,
  stepCurves,
  type TestExamples,
  testExamples,
  type Wanted,
} from './log-content.ts'
import { LogReader, type Reading } from './log-reader.ts'
import type { AlarmRow, EpochRow, RunDetails, StepCurves } from './protocol.ts'
import { StepBuckets } from './step-buckets.ts'

/** Buckets of a run: about as many as a screen has columns. */
export const mostBuckets = 512

/** Epochs, alarms and tests that are kept; of more, every second is left out. */
const mostRecords = 1000

let generations = 0

/** All of a run's log in bounded memory, read on whenever it has grown. */
export class RunLog {
  #buckets = new StepBuckets(mostBuckets)
  #generation = ++generations
  #epochs: EpochRow[] = []
  #alarms: AlarmRow[] = []
  #tests: TestExamples[] = []
  #step = 0
  #nonFinite = 0
  #repeated = 0
  #isWhole = false
  #last: Promise<unknown> = Promise.resolve()
  readonly #reader: LogReader

  constructor(open: () => Promise<FileHandle | undefined>) {
    this.#reader = new LogReader(open, {
      line: line => this.#take(line),
      restarted: () => this.#forget(),
    })
  }

  /** Reads at most so many bytes of what is new; one call after the other. */
  read(most: number): Promise<Reading> {
    const next = this.#last.then(async () => {
      const reading = await this.#reader.read(most)
      this.#isWhole = reading !== 'more'
      return reading
    })
    this.#last = next.catch(() => undefined)
    return next
  }

  /** Whether the log has been read to its end. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get generation(): number {
    return this.#generation
  }

  get width(): number {
    return this.#buckets.width
  }

  get epochs(): readonly EpochRow[] {
    return this.#epochs
  }

  get alarms(): readonly AlarmRow[] {
    return this.#alarms
  }

  get tests(): readonly TestExamples[] {
    return this.#tests
  }

  get facts(): RunDetails['log'] {
    const { lines, damaged, damagedLines } = this.#reader
    const [nonFinite, repeated] = [this.#nonFinite, this.#repeated]
    return { isWhole: this.#isWhole, lines, damaged, damagedLines: [...damagedLines], nonFinite, repeated }
  }

  /** About as much memory as it holds. */
  get bytes(): number {
    const records = this.#epochs.length + this.#alarms.length + this.#tests.length
    return this.#buckets.bytes + 1200 * records
  }

  curves(wanted: Wanted): StepCurves {
    const [generation, isWhole] = [this.#generation, this.#isWhole]
    const tests = this.#epochs
      .filter(({ split }) => split !== 'train')
      .map(({ step, split, loss, measures }) => ({ step, split, loss, measures }))
    return stepCurves(this.#buckets, { generation, isWhole, tests }, wanted)
  }

  #take(line: MetricsLine): void {
    if (hasNonFinite(line)) this.#nonFinite += 1
    if (line.kind === 'step') {
      if (line.step <= this.#step) this.#rewind(line.step)
      this.#step = line.step
      addStepLine(this.#buckets, line)
      return
    }
    keep(this.#epochs, epochRow(line))
    keep(this.#alarms, alarmRow(line))
    keep(this.#tests, testExamples(line))
  }

  /** A step that is taken again, in a log that a resume has not cut: what was after it before has not happened. */
  #rewind(step: number): void {
    this.#repeated += this.#step - step + 1
    this.#buckets.rewind(step)
    this.#generation = ++generations
    const isBefore = (row: { readonly step: number }): boolean => row.step < step
    this.#epochs = this.#epochs.filter(isBefore)
    this.#alarms = this.#alarms.filter(isBefore)
    this.#tests = this.#tests.filter(isBefore)
  }

  #forget(): void {
    this.#buckets = new StepBuckets(mostBuckets)
    this.#generation = ++generations
    this.#epochs = []
    this.#alarms = []
    this.#tests = []
    this.#step = 0
    this.#nonFinite = 0
    this.#repeated = 0
    this.#isWhole = false
  }
}

function keep<Row>(rows: Row[], row: Row | undefined): void {
  if (row === undefined) return
  rows.push(row)
  if (rows.length <= mostRecords) return
  const thinned = rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1)
  rows.splice(0, rows.length, ...thinned)
}
