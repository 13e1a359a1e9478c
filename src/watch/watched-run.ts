import { type FileHandle, lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MoietyError } from '../base/errors.ts'
import { isJsonObject } from '../files/json.ts'
import { findLock, isLockName, nameOfOwner } from '../run/lock.ts'
import { scoreOf } from '../tasks/measures.ts'
import { leavesOf } from './differences.ts'
import { HeartbeatWatch } from './heartbeat-watch.ts'
import { alarmRow, epochRow } from './log-content.ts'
import { readEnd } from './log-parts.ts'
import { jsonInside, openInside } from './open-inside.ts'
import type { EpochRow, RowScore, RunRow, RunState } from './protocol.ts'
import { StepRate } from './rate.ts'
import { RunLog } from './run-log.ts'
import { Strips } from './strips.ts'

/** A modification time may be as coarse as this many milliseconds: what was changed since then is looked at again. */
const coarse = 2000

/** How far back in a log the newest test is looked for, in bytes. */
const farthest = 8 << 20

/** Where a run is. */
export interface RunPlace {
  readonly id: string
  readonly name: string
  /** The watched folder that it is in, without links. */
  readonly root: string
  readonly path: string
}

/** What a sweep says of a run. */
export interface Planned {
  /** Values of its axes, by their labels. */
  readonly values: Readonly<Record<string, string>>
  /** Its last failure. */
  readonly failure: string | undefined
}

interface Totals {
  readonly epochs: number | null
  readonly batch: number | null
  readonly evaluateEvery: number
}

/** A run that is watched: what the list shows of it, and on demand its log and pictures. Nothing in its folder is changed. */
export class WatchedRun {
  config: ReadonlyMap<string, string> = new Map()
  environment: ReadonlyMap<string, string> = new Map()
  planned: Planned | undefined
  log: RunLog | undefined
  readonly #rate = new StepRate()
  readonly #pulse = new HeartbeatWatch()
  #strips: Strips | undefined
  #names: readonly string[] = []
  #listed = ''
  #logged = ''
  #totals: Totals = { epochs: null, batch: null, evaluateEvery: 1 }
  #configState: 'none' | 'read' | 'damaged' = 'none'
  #stepsPerEpoch: number | null = null
  #summary: { readonly score: RowScore | null } | undefined
  #size = 0
  #step = 0
  #loss: number | null = null
  #trained: EpochRow | undefined
  #tested: EpochRow | undefined
  #alarm: string | null = null
  #lastStepAt = 0

  constructor(readonly place: RunPlace) {}

  /** Opens one of its files. */
  readonly open = (name: string): Promise<FileHandle | undefined> =>
    openInside(this.place.root, join(this.place.path, name))

  get names(): readonly string[] {
    return this.#names
  }

  /** Bytes of its log. */
  get size(): number {
    return this.#size
  }

  get hasFolder(): boolean {
    return this.#configState !== 'none'
  }

  /** Begins to keep its log. */
  keepLog(): RunLog {
    this.log ??= new RunLog(() => this.open('metrics.jsonl'))
    return this.log
  }

  /** Pictures of tests, as far as the folder has them. */
  async strips(): Promise<Strips> {
    this.#strips ??= new Strips(this.open)
    await this.#strips.update(this.#names)
    return this.#strips
  }

  /** Looks at its folder. @param now - seconds */
  async look(now: number): Promise<RunRow> {
    await this.#list()
    await this.#readLog(now)
    return this.#row(now)
  }

  /** The files, when any was made, replaced or removed. */
  async #list(): Promise<void> {
    const { path } = this.place
    const found = await lstat(path).catch(() => undefined)
    const listed = found === undefined ? '' : `${found.dev} ${found.ino} ${found.mtimeMs}`
    if (found !== undefined && listed === this.#listed && Date.now() - found.mtimeMs > coarse) return
    this.#listed = listed
    // A link that has taken the folder's place may lead anywhere.
    this.#names = found?.isDirectory() === true ? await readdir(path).catch(() => []) : []
    const [config, environment, plan, summary] = await Promise.all(
      ['config.json', 'environment.json', 'plan.json', 'summary.json'].map(name => this.#json(name)),
    )
    this.#configState = config === undefined ? 'none' : isJsonObject(config) ? 'read' : 'damaged'
    // The same object for the same configuration: most changes of a folder are checkpoints and locks.
    const leaves = isJsonObject(config) ? leavesOf(config) : new Map<string, string>()
    if (JSON.stringify([...leaves]) !== JSON.stringify([...this.config])) this.config = leaves
    this.environment = isJsonObject(environment) ? leavesOf(environment) : new Map()
    this.#totals = totalsOf(config)
    this.#stepsPerEpoch = isJsonObject(plan) ? positive(plan.stepsPerEpoch) : null
    this.#summary = summaryOf(summary)
  }

  async #json(name: string): Promise<unknown> {
    if (!this.#names.includes(name)) return undefined
    return await jsonInside(this.place.root, join(this.place.path, name))
  }

  async #readLog(now: number): Promise<void> {
    if (!this.#names.includes('metrics.jsonl')) return this.#forgetLog()
    const found = await stat(join(this.place.path, 'metrics.jsonl')).catch(() => undefined)
    if (found === undefined) return this.#forgetLog()
    const logged = `${found.ino} ${found.size} ${found.mtimeMs}`
    if (logged === this.#logged) return
    const file = await this.open('metrics.jsonl')
    if (file === undefined) return this.#forgetLog()
    try {
      const { size } = await file.stat()
      // What is known of the newest test holds until a newer one is found, unless the log was cut.
      const isCut = size < this.#size
      if (isCut) this.#forgetLog()
      const { step: last, others } = await readEnd(file, size, this.#tested === undefined ? farthest : 0)
      this.#logged = logged
      this.#size = size
      this.#step = last?.step ?? others.at(-1)?.step ?? 0
      this.#loss = typeof last?.loss === 'number' ? last.loss : null
      const epochs = others.flatMap(line => epochRow(line) ?? [])
      this.#trained = epochs.findLast(({ split }) => split === 'train') ?? this.#trained
      const tested = epochs.findLast(({ split }) => split !== 'train')
      if (tested !== undefined) {
        this.#tested = tested
        const alarms = others.flatMap(line => alarmRow(line) ?? [])
        const alarm = alarms.find(({ step }) => step >= tested.step)
        this.#alarm = alarm === undefined ? null : `${alarm.layer}: ${alarm.message}`
      }
      this.#rate.see(this.#step, now)
      this.#lastStepAt = now
    } finally {
      await file.close()
    }
  }

  #forgetLog(): void {
    this.#logged = ''
    this.#size = 0
    this.#step = 0
    this.#loss = null
    this.#trained = undefined
    this.#tested = undefined
    this.#alarm = null
  }

  async #state(now: number): Promise<{ readonly state: RunState; readonly why: string | null }> {
    if (this.#configState === 'none') return { state: 'planned', why: null }
    if (this.#configState === 'damaged') return { state: 'failed', why: 'config.json cannot be read' }
    const { path } = this.place
    const isLocked = this.#names.some(isLockName)
    let crash: string | undefined
    if (isLocked) {
      const lock = lockIn(path)
      if (lock === undefined) crash = 'its process ended without releasing the run'
      else {
        const age =
          Date.now() / 1000 - (await lstat(lock.path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs / 1000
        const pulse = this.#pulse.look(lock, age, now)
        if (pulse === 'silent') crash = `no heartbeat of ${nameOfOwner(lock.owner)}`
        else {
          const why = pulse === 'unknown' ? `waiting for a heartbeat of ${nameOfOwner(lock.owner)}` : null
          return { state: this.#step === 0 ? 'preparing' : 'training', why }
        }
      }
    }
    if (this.#summary !== undefined) return { state: 'finished', why: null }
    if (crash !== undefined) return { state: 'crashed', why: crash }
    const failure = this.planned?.failure
    if (failure !== undefined) return { state: 'failed', why: failure }
    return { state: 'stopped', why: null }
  }

  async #row(now: number): Promise<RunRow> {
    const { state, why } = await this.#state(now)
    const { id, name } = this.place
    const isRunning = state === 'training'
    const rate = isRunning ? this.#stepsPerSecond(now) : null
    const { batch, epochs } = this.#totals
    const perEpoch = this.#perEpoch
    const steps = epochs === null || perEpoch === null ? null : epochs * perEpoch
    return {
      ...{ id, name, state, why, steps, epochs },
      step: this.#step,
      epoch: perEpoch === null ? (this.#trained?.epoch ?? -1) + 1 : Math.floor(this.#step / perEpoch),
      score: this.#score,
      loss: this.#loss,
      imagesPerSecond: rate === null || batch === null ? null : Number((rate * batch).toPrecision(3)),
      secondsLeft: rate === null || steps === null ? null : this.#secondsLeft(steps, rate),
      alarm: this.#alarm,
      hasReport: this.#names.includes('report.html'),
      size: this.#size,
      values: {},
    }
  }

  /** As the plan says; without one, as epochs were long. */
  get #perEpoch(): number | null {
    if (this.#stepsPerEpoch !== null) return this.#stepsPerEpoch
    const row = this.#trained ?? this.#tested
    return row === undefined || row.step === 0 ? null : Math.round(row.step / (row.epoch + 1))
  }

  get #score(): RowScore | null {
    if (this.#tested === undefined) return this.#summary?.score ?? null
    const score = scoreOf(this.#tested.measures)
    if (score === null) return null
    return { name: score.name, label: score.label, value: score.value, split: this.#tested.split }
  }

  /** As it is seen, and before that, as the last whole epoch was. */
  #stepsPerSecond(now: number): number | null {
    const seen = this.#rate.perSecond
    // A step that takes long makes the rate lower while it is waited for.
    if (seen !== undefined) return Math.min(seen, 4 / Math.max(now - this.#lastStepAt, 1e-3))
    const [row, perEpoch] = [this.#trained, this.#perEpoch]
    return row?.seconds && perEpoch !== null ? perEpoch / row.seconds : null
  }

  #secondsLeft(steps: number, rate: number): number {
    const { epochs, evaluateEvery } = this.#totals
    const left = Math.max(0, (epochs ?? 0) - (this.#tested === undefined ? 0 : this.#tested.epoch + 1))
    const tests = (this.#tested?.seconds ?? 0) * Math.ceil(left / evaluateEvery)
    return Math.round(Math.max(0, steps - this.#step) / rate + tests)
  }
}

function lockIn(path: string): ReturnType<typeof findLock> {
  try {
    return findLock(path)
  } catch (error) {
    // It was removed while it was looked at, or cannot be read.
    if (error instanceof MoietyError) return undefined
    throw error
  }
}

const positive = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null

function totalsOf(config: unknown): Totals {
  const training = isJsonObject(config) && isJsonObject(config.training) ? config.training : {}
  return {
    epochs: positive(training.epochs),
    batch: positive(training.batch),
    evaluateEvery: positive(training.evaluateEvery) ?? 1,
  }
}

/** The score in the summary of a finished training, for a run whose log has no test. */
function summaryOf(summary: unknown): { readonly score: RowScore | null } | undefined {
  if (!isJsonObject(summary)) return undefined
  const measures = isJsonObject(summary.measures) ? summary.measures : {}
  const numbers = Object.entries(measures).flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, value] as const] : [],
  )
  const score = scoreOf(Object.fromEntries(numbers))
  const split = typeof summary.split === 'string' ? summary.split : ''
  return {
    score: score === null ? null : { name: score.name, label: score.label, value: score.value, split },
  }
}
