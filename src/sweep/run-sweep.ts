import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { fail } from '../base/errors.ts'
import { ignoringErrors, makeFolders, writeAtomically } from '../files/atomic-write.ts'
import { isThere, nodeDisk } from '../files/disk.ts'
import { removeAbandoned } from '../files/temporary-name.ts'
import { acquireLock, type LockOwner } from '../run/lock.ts'
import { type LockWait, untilTakeover, watchLock } from '../run/lock-watch.ts'
import { type Score, scoreOf } from '../tasks/measures.ts'
import { createPlannedCheck } from './identity.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { PlannedRun, SweepPlan } from './plan-sweep.ts'
import { readFailures, type SweepRecord, writeFailure, writeRecord } from './sweep-folder.ts'
import { startTrainer, type Trainer, type TrainerCommand, type TrainerProgress } from './trainer.ts'

/** A run for watchers. */
export interface WatchedRun {
  readonly name: string
  readonly config: { readonly training: { readonly epochs: number } }
}

/** Events of a sweep. */
export type SweepEvent =
  | { readonly kind: 'started'; readonly run: WatchedRun; readonly isResumed: boolean }
  | { readonly kind: 'progress'; readonly run: WatchedRun; readonly progress: TrainerProgress }
  | {
      readonly kind: 'done'
      readonly run: WatchedRun
      readonly score: Score | null
      readonly seconds: number | null
    }
  | {
      readonly kind: 'failed'
      readonly run: WatchedRun
      readonly message: string
      readonly isTriedAgain: boolean
    }
  | { readonly kind: 'stopped'; readonly run: WatchedRun }
  /** Another process trains there, such as one whose sweep was killed: the sweep waits for it. */
  | { readonly kind: 'waiting'; readonly run: WatchedRun; readonly owner: LockOwner }

/** Options of a sweep. */
export interface RunSweepOptions {
  readonly folder: string
  readonly plan: SweepPlan
  readonly record: SweepRecord
  /** Number of concurrent trainings, and threads for each that does not specify its own. */
  readonly jobs: number
  readonly threads: number
  readonly retries: number
  readonly command: TrainerCommand
  /** Stops all trainings, each after a checkpoint; its reason is the signal to send. */
  readonly signal: AbortSignal
  readonly onEvent: (event: SweepEvent) => void
}

/** The result of a sweep. */
export interface SweepEnd {
  readonly isInterrupted: boolean
  readonly failed: readonly { readonly run: string; readonly message: string }[]
}

/**
 * Opens a sweep's folder for work: locks it and writes `sweep.json`. The caller releases the lock. The lock of a sweep that ended in
 * another container or on another machine is taken over, see `untilTakeover`.
 *
 * @param onWait - called while the heartbeat of such a lock is watched
 * @throws MoietyError `usage` if another sweep is running there; `disk`
 */
export async function openSweep(
  folder: string,
  record: SweepRecord,
  onWait?: (wait: LockWait) => void,
): Promise<{ release(): void }> {
  makeFolders(nodeDisk, folder)
  await untilTakeover(folder, { what: 'sweep', ...(onWait === undefined ? {} : { onWait }) })
  const lock = acquireLock(folder, nodeDisk, 'sweep')
  try {
    writeRecord(folder, record)
    ignoringErrors(() => removeAbandoned(nodeDisk, folder, join(folder, 'sweep.json')))
    for (const name of ['logs', 'recipes']) makeFolders(nodeDisk, join(folder, name))
    return lock
  } catch (cause) {
    lock.release()
    throw cause
  }
}

/** The outcome of every run of a sweep, by name. @throws MoietyError `disk` */
export function outcomesOf(
  folder: string,
  runs: readonly { readonly name: string; readonly hash: string }[],
): ReadonlyMap<string, Outcome> {
  return new Map(eachOutcome(folder, runs))
}

/** The same; a signal aborts between two runs with its reason. There may be thousands, on a slow network disk. */
export async function outcomesUnless(
  signal: AbortSignal,
  folder: string,
  runs: readonly { readonly name: string; readonly hash: string }[],
): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  for (const [name, outcome] of eachOutcome(folder, runs)) {
    outcomes.set(name, outcome)
    await nextTurn()
    signal.throwIfAborted()
  }
  return outcomes
}

function* eachOutcome(
  folder: string,
  runs: readonly { readonly name: string; readonly hash: string }[],
): Generator<[name: string, outcome: Outcome]> {
  const failures = readFailures(folder)
  const isPlanned = createPlannedCheck()
  for (const run of runs) yield [run.name, outcomeOf(folder, run, failures.get(run.name), { isPlanned })]
}

/** @throws MoietyError `usage` that names runs whose folders hold something else than was planned */
export function refuseAltered(folder: string, outcomes: ReadonlyMap<string, Outcome>): void {
  const altered = [...outcomes].flatMap(([name, outcome]) =>
    outcome.status === 'altered' ? [{ name, message: outcome.message }] : [],
  )
  const [first] = altered
  if (first === undefined) return
  const more = altered.length === 1 ? '' : `, and of ${altered.length - 1} more runs likewise`
  fail({
    kind: 'usage',
    message: `${first.message}${more}`,
    where: join(folder, first.name),
    help: 'move that folder away, and the sweep trains this run again',
  })
}

/**
 * Trains what is not finished yet, several runs at once, each in its own process. Its state is read from the
 * runs' folders: a finished run is not started, one with a configuration is resumed. A failed run is written to
 * `failures.jsonl` and is retried after all others, up to `retries` times.
 *
 * @throws MoietyError `disk`; trainings are stopped before
 */
export async function runSweep(options: RunSweepOptions): Promise<SweepEnd> {
  const { folder, plan, jobs, signal } = options
  const outcomes = outcomesOf(folder, plan.runs)
  const queue = plan.runs.filter(run => outcomes.get(run.name)?.status !== 'done')
  const attempts = new Map<string, number>()
  const failed = new Map<string, string>()
  const trainers = new Set<Trainer>()
  const active = new Set<Promise<void>>()
  const stop = (): void => {
    const sent = signal.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM'
    for (const trainer of trainers) trainer.stop(sent)
  }
  const begin = async (run: PlannedRun): Promise<void> => {
    await untilFree(join(folder, run.name), signal, owner => options.onEvent({ kind: 'waiting', run, owner }))
    if (signal.aborted) return
    const message = await trainOnce(run, options, trainers)
    if (message === undefined) return
    const count = (attempts.get(run.name) ?? 0) + 1
    attempts.set(run.name, count)
    writeFailure(folder, { run: run.name, ...message, attempt: count, when: new Date().toISOString() })
    const isTriedAgain = count <= options.retries && !signal.aborted
    if (isTriedAgain) queue.push(run)
    else failed.set(run.name, message.message)
    options.onEvent({ kind: 'failed', run, message: message.message, isTriedAgain })
  }
  signal.addEventListener('abort', stop)
  try {
    for (;;) {
      while (active.size < jobs && !signal.aborted) {
        const run = queue.shift()
        if (run === undefined) break
        const work = begin(run).finally(() => active.delete(work))
        active.add(work)
      }
      if (active.size === 0) break
      await Promise.race(active)
    }
  } catch (cause) {
    stop()
    await Promise.allSettled(active)
    throw cause
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return {
    isInterrupted: signal.aborted,
    failed: Array.from(failed, ([run, message]) => ({ run, message })),
  }
}

const secondsBetweenLooks = 0.25
/** How long another machine's lock must be without a heartbeat before it is removed. */
export const secondsOfSilence = 120

/**
 * Waits until a run's folder is not locked, or until the signal. Another machine's lock without a heartbeat is removed.
 *
 * @param silence - seconds without a heartbeat
 * @param onOwner - called once with its owner, if any
 */
export async function untilFree(
  run: string,
  signal: AbortSignal,
  onOwner: (owner: LockOwner) => void,
  silence = secondsOfSilence,
): Promise<void> {
  const look = watchLock(run, { silence })
  for (let isReported = false; !signal.aborted; isReported = true) {
    const owner = look()
    if (owner === undefined) return
    if (!isReported) onOwner(owner)
    await pause(1000 * secondsBetweenLooks)
  }
}

/** Trains a run to its end, or until it is stopped; what went wrong, or undefined. */
async function trainOnce(
  run: PlannedRun,
  options: RunSweepOptions,
  trainers: Set<Trainer>,
): Promise<{ exitCode: number | null; signal: string | null; message: string } | undefined> {
  const { folder, command, signal, onEvent } = options
  const path = join(folder, run.name)
  const recipe = join(folder, 'recipes', `${run.name}.json`)
  const before = outcomeOf(folder, run, undefined)
  // The previous owner may have finished it.
  if (before.status === 'done') {
    onEvent({ kind: 'done', run, score: scoreOf(before.measures), seconds: before.seconds })
    return undefined
  }
  const isResumed = isThere(join(path, 'config.json'))
  if (!isResumed) writeRecipe(recipe, run, options)
  const words = isResumed ? resumeWords(run, path, options) : ['train', recipe, '--out', path]
  const trainer = startTrainer(command, words, join(folder, 'logs', `${run.name}.log`), progress =>
    onEvent({ kind: 'progress', run, progress }),
  )
  trainers.add(trainer)
  onEvent({ kind: 'started', run, isResumed })
  const end = await trainer.ended
  trainers.delete(trainer)
  // The run's folder has the configuration by now; where it has none, the next attempt writes this file again.
  ignoringErrors(() => nodeDisk.remove(recipe))
  const after = end.exitCode === 0 ? outcomeOf(folder, run, undefined) : undefined
  if (after?.status === 'done') {
    onEvent({ kind: 'done', run, score: scoreOf(after.measures), seconds: after.seconds })
    return undefined
  }
  if (signal.aborted && (end.signal !== null || [129, 130, 143].includes(end.exitCode ?? 0))) {
    onEvent({ kind: 'stopped', run })
    return undefined
  }
  return end
}

/** The run's configuration as a recipe, so that exactly the plan is trained. */
export function writeRecipe(
  file: string,
  { config, name }: PlannedRun,
  { threads, record }: { readonly threads: number | null; readonly record: SweepRecord },
): void {
  const recipe = {
    name: record.recipe,
    title: name,
    description: `one run of the sweep ${record.name}`,
    config: { ...config, engine: { ...config.engine, threads: config.engine.threads ?? threads } },
    reached: null,
  }
  writeAtomically(nodeDisk, file, `${JSON.stringify(recipe, null, 2)}\n`)
}

function resumeWords({ config }: PlannedRun, path: string, { threads }: RunSweepOptions): string[] {
  const { directory } = config.data
  return [
    'train',
    '--resume=auto',
    '--out',
    path,
    '--threads',
    String(config.engine.threads ?? threads),
    ...(directory === null ? [] : ['--set', `data.directory=${JSON.stringify(directory)}`]),
  ]
}
