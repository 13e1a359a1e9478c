import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Job } from 'bullmq'
import { exitCodes, MoietyError } from '../base/errors.ts'
import { ignoringErrors } from '../files/atomic-write.ts'
import { isThere, nodeDisk } from '../files/disk.ts'
import { lockOwner, takenForDead } from '../run/lock.ts'
import { scoreOf } from '../tasks/measures.ts'
import { outcomeOf } from './outcome.ts'
import {
  isAnswer,
  type JobFacts,
  type JobProgress,
  jobSchema,
  loadBullmq,
  type OpenQueue,
  queueNames,
  refusalOf,
} from './queue.ts'
import { type Beginning, beginningOf, createSweepFinder, type MachinePlaces } from './queued-run.ts'
import { type SweepEvent, secondsOfSilence, untilFree } from './run-sweep.ts'
import { writeFailure } from './sweep-folder.ts'
import { startTrainer, type TrainerCommand, type TrainerEnd } from './trainer.ts'

/** How a worker works. */
export interface WorkOptions {
  /** How many runs at once, and on how many threads each that begins here. */
  readonly jobs: number
  readonly threads: number
  readonly places: MachinePlaces
  /** Seconds for which a worker may be silent before its runs are given to others; the same for all workers. */
  readonly patience: number
  /** Ends when nothing waits and nothing is being trained anywhere. */
  readonly isUntilEmpty: boolean
  readonly command: TrainerCommand
  /** Hands all runs back, each after a checkpoint; its reason is the signal that trainings are sent. */
  readonly signal: AbortSignal
  readonly onEvent: (event: SweepEvent) => void
  readonly onSay: (text: string) => void
}

/** How often a run may lose its worker before it is taken for the cause. */
const mostVanished = 3
/** BullMQ's word for that. */
const vanished = 'job stalled more than allowable limit'
const secondsForGoodbye = 5
const millisecondsBetweenTellings = 1000

/**
 * Trains queued runs, each in a process of its own: a training in this one would keep it from telling Redis that it lives.
 * Redis says whose turn it is; the lock in the run's folder keeps two trainings apart, whatever Redis believes.
 *
 * @throws MoietyError `usage` or `data` where this machine lacks what a run needs; the run is counted as failed, and others go on with it
 */
export async function workQueue(open: OpenQueue, options: WorkOptions): Promise<void> {
  const { bullmq } = await loadBullmq()
  const { jobs, patience, signal, onSay } = options
  const ending = new AbortController()
  const worker = new Work(open, options, bullmq, ending.signal, trouble => end(trouble))
  let trouble: MoietyError | undefined
  const end = (reason: MoietyError | string): void => {
    if (reason instanceof MoietyError) trouble ??= reason
    ending.abort(reason instanceof MoietyError ? 'SIGTERM' : reason)
  }
  const stopped = new Promise<undefined>(resolve =>
    ending.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )
  const onAbort = (): void => end(String(signal.reason))
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()

  const { prefix, name } = queueNames
  const taker = new bullmq.Worker(name, (job, token) => worker.train(job, token ?? ''), {
    prefix,
    connection: open.connection,
    concurrency: jobs,
    name: worker.name,
    lockDuration: 1000 * patience,
    stalledInterval: (1000 * patience) / 2,
    maxStalledCount: mostVanished,
    drainDelay: Math.min(5, patience),
    runRetryDelay: 1000,
  })
  const reported = new Set<string>()
  taker.on('error', error => {
    if (ending.signal.aborted) return
    if (isAnswer(error)) return end(refusalOf(error, open.address))
    // The message alone: the error has commands with it.
    if (!reported.has(error.message)) onSay(`the queue: ${error.message}`)
    reported.add(error.message)
  })
  taker.on('lockRenewalFailed', ids => worker.lose(ids))
  taker.on('failed', (job, error) => {
    if (job !== undefined && error.message === vanished) worker.tellVanished(job)
  })
  try {
    while (!ending.signal.aborted) {
      await pause(1000, undefined, { signal: ending.signal }).catch(() => undefined)
      if (options.isUntilEmpty && !ending.signal.aborted && (await isEmpty(open, stopped))) end('SIGTERM')
    }
    // Takes no more; those that are being trained hand back what they have. Where Redis is away, BullMQ waits for the end of
    // a connection that is still trying to reconnect, and does not come to an end itself.
    const closing = taker.close().catch(() => undefined)
    await worker.ended()
    await Promise.race([closing, pause(1000 * secondsForGoodbye, undefined, { ref: false })])
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (open.connection.status !== 'ready')
      onSay('Redis could not be reached: it returns the runs to the queue after a while')
  }
  if (trouble !== undefined) throw trouble
}

/** @param stopped - ends the look, which otherwise waits for a Redis that is away */
async function isEmpty({ queue }: OpenQueue, stopped: Promise<undefined>): Promise<boolean> {
  const looked = queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized').catch(() => undefined)
  const counts = await Promise.race([looked, stopped])
  return counts !== undefined && Object.values(counts).every(count => count === 0)
}

/** Whether a training ended because another process has the run's lock. */
function isAnothers(run: string, { exitCode, message }: TrainerEnd): boolean {
  if (exitCode === exitCodes.disk) return message.startsWith(takenForDead)
  return exitCode === exitCodes.usage && lockOwner(run) !== undefined
}

/** The runs that one worker trains. */
class Work {
  readonly name = `${hostname()}.${process.pid}`
  readonly #finder
  readonly #running = new Map<
    string,
    { readonly run: string; readonly lost: AbortController; readonly work: Promise<void> }
  >()

  constructor(
    readonly open: OpenQueue,
    readonly options: WorkOptions,
    readonly bullmq: Awaited<ReturnType<typeof loadBullmq>>['bullmq'],
    readonly signal: AbortSignal,
    readonly onTrouble: (error: MoietyError) => void,
  ) {
    this.#finder = createSweepFinder(options.places)
  }

  /** What BullMQ calls for a job: done when it returns, failed when it throws. */
  async train(job: Job, token: string): Promise<void> {
    const lost = new AbortController()
    const work = this.#train(job, token, lost)
    const id = job.id ?? ''
    this.#running.set(id, { run: job.name, lost, work: work.catch(() => undefined) })
    try {
      await work
    } finally {
      this.#running.delete(id)
    }
  }

  async ended(): Promise<void> {
    await Promise.all(Array.from(this.#running.values(), ({ work }) => work))
  }

  /** Redis has given these away: another waits for their folders. */
  lose(ids: readonly string[]): void {
    for (const id of ids) {
      const one = this.#running.get(id)
      if (one === undefined || one.lost.signal.aborted) continue
      this.options.onSay(`lost     ${one.run}: this worker was not heard of, and another continues with it`)
      one.lost.abort()
    }
  }

  tellVanished(job: Job): void {
    const facts = jobSchema.safeParse(job.data)
    if (!facts.success) return
    ignoringErrors(() => {
      const folder = this.#finder.find(facts.data)
      if (folder !== undefined)
        this.#writeFailure(folder, facts.data, job.attemptsMade, {
          exitCode: null,
          signal: null,
          message: `more than ${mostVanished} workers vanished while they trained it`,
        })
    })
    this.options.onSay(
      `failed   ${facts.data.run}: more than ${mostVanished} workers vanished while they trained it`,
    )
  }

  async #train(job: Job, token: string, lost: AbortController): Promise<void> {
    const parsed = jobSchema.safeParse(job.data)
    if (!parsed.success) throw new this.bullmq.UnrecoverableError('this is no job of moiety sweep')
    const facts = parsed.data
    const folder = this.#find(facts, job)
    if (folder === undefined)
      throw new this.bullmq.UnrecoverableError('the sweep on the disk does not plan this run')
    const stop = AbortSignal.any([this.signal, lost.signal])
    const run = { name: facts.run, config: { training: { epochs: 0 } } }
    const silence = Math.max(secondsOfSilence / 4, Math.min(secondsOfSilence, 2 * this.options.patience))
    const path = join(folder, facts.run)
    await untilFree(path, stop, owner => this.options.onEvent({ kind: 'waiting', run, owner }), silence)
    if (stop.aborted) return await this.#giveUp(job, token, lost)
    const before = outcomeOf(folder, { name: facts.run, hash: facts.hash }, undefined)
    // The previous owner may have finished it.
    if (before.status === 'done') return
    if (before.status === 'altered') throw new this.bullmq.UnrecoverableError(before.message)
    await this.#trainHere(folder, facts, job, token, lost)
  }

  async #trainHere(
    folder: string,
    facts: JobFacts,
    job: Job,
    token: string,
    lost: AbortController,
  ): Promise<void> {
    const { command, onEvent } = this.options
    const start = await this.#begin(folder, facts, job)
    const { watched: run, isResumed } = start
    const tell = this.#teller(job, isResumed)
    const trainer = startTrainer(command, start.words, join(folder, 'logs', `${facts.run}.log`), progress => {
      onEvent({ kind: 'progress', run, progress })
      tell(progress)
    })
    onEvent({ kind: 'started', run, isResumed })
    tell(null)
    const stop = AbortSignal.any([this.signal, lost.signal])
    const onStop = (): void => trainer.stop(this.signal.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM')
    stop.addEventListener('abort', onStop)
    if (stop.aborted) onStop()
    const end = await trainer.ended
    stop.removeEventListener('abort', onStop)
    if (isThere(join(folder, facts.run, 'config.json'))) ignoringErrors(() => nodeDisk.remove(start.recipe))
    const after =
      end.exitCode === 0 ? outcomeOf(folder, { name: facts.run, hash: facts.hash }, undefined) : undefined
    if (after?.status === 'done')
      return onEvent({ kind: 'done', run, score: scoreOf(after.measures), seconds: after.seconds })
    const isStopped = stop.aborted && (end.signal !== null || [129, 130, 143].includes(end.exitCode ?? 0))
    // However the training of a run ended that is another's by now, it is no failure of the run.
    if (isStopped || lost.signal.aborted || isAnothers(join(folder, facts.run), end)) {
      onEvent({ kind: 'stopped', run })
      return await this.#giveUp(job, token, lost)
    }
    // The next run's data is likely to be missing here too. That this one is counted all the same ends a run whose data is nowhere.
    if (end.exitCode === exitCodes.data)
      this.onTrouble(
        new MoietyError({
          kind: 'data',
          message: `on this machine the data of a run cannot be read: ${end.message}`,
          where: facts.run,
          help: 'where the data has another path here, give --data DIR; the run comes again, as often as its sweep says',
        }),
      )
    return this.#fail(folder, facts, job, end)
  }

  /** Another machine may have the folder, so the run comes again; but the folder may be gone for good, so it is counted. */
  #find(facts: JobFacts, job: Job): string | undefined {
    try {
      return this.#finder.find(facts)
    } catch (cause) {
      if (!(cause instanceof MoietyError)) throw cause
      // Where not even the disk with the sweeps is there, this machine would fail every run of the queue.
      if (!isThere(dirname(this.#finder.placeOf(facts)))) this.onTrouble(cause)
      return this.#tellFailed(facts.run, job, `${cause.message}, at ${cause.where}`)
    }
  }

  async #begin(folder: string, facts: JobFacts, job: Job): Promise<Beginning> {
    const { places, threads } = this.options
    try {
      return await beginningOf(folder, facts, { data: places.data, threads })
    } catch (cause) {
      if (!(cause instanceof MoietyError)) throw cause
      const { exitCode, message } = cause
      return this.#fail(folder, facts, job, { exitCode, signal: null, message })
    }
  }

  /** It comes again after the others, as often as was said when it was queued. */
  #fail(folder: string, facts: JobFacts, job: Job, end: TrainerEnd): never {
    this.#writeFailure(folder, facts, job.attemptsMade, end)
    return this.#tellFailed(facts.run, job, end.message)
  }

  #tellFailed(name: string, job: Job, message: string): never {
    const isTriedAgain = job.attemptsMade + 1 < (job.opts.attempts ?? 1)
    const run = { name, config: { training: { epochs: 0 } } }
    this.options.onEvent({ kind: 'failed', run, message, isTriedAgain })
    throw new Error(message)
  }

  /** A training reports several times a second; Redis is updated once. */
  #teller(job: Job, isResumed: boolean): (progress: JobProgress['progress']) => void {
    let last = Number.NEGATIVE_INFINITY
    return progress => {
      const isDue = performance.now() - last >= millisecondsBetweenTellings
      if (this.open.connection.status !== 'ready' || (!isDue && progress !== null)) return
      if (progress !== null) last = performance.now()
      const report: JobProgress = { worker: this.name, isResumed, progress }
      job.updateProgress(report).catch(() => undefined)
    }
  }

  async #giveUp(job: Job, token: string, lost: AbortController): Promise<void> {
    if (!lost.signal.aborted) return await this.#handBack(job, token)
    throw new this.bullmq.WaitingError()
  }

  /** Makes the run the next in the queue; where Redis is away, it finds out by itself. */
  async #handBack(job: Job, token: string): Promise<never> {
    await Promise.race([
      job.moveToWait(token).catch(() => undefined),
      pause(1000 * secondsForGoodbye, undefined, { ref: false }),
    ])
    throw new this.bullmq.WaitingError()
  }

  #writeFailure(
    folder: string,
    { run }: JobFacts,
    attempts: number,
    { exitCode, signal, message }: TrainerEnd,
  ): void {
    const failure = { run, exitCode, signal, message, attempt: attempts + 1, when: new Date().toISOString() }
    writeFailure(folder, failure, { machine: hostname() })
  }
}
