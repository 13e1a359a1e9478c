import type { Job } from 'bullmq'
import { scoreOf } from '../tasks/measures.ts'
import { add, type EnqueueOptions, type QueuedRuns } from './enqueue.ts'
import { outcomeOf } from './outcome.ts'
import type { PlannedRun } from './plan-sweep.ts'
import { type OpenQueue, progressSchema } from './queue.ts'
import type { SweepEnd, SweepEvent } from './run-sweep.ts'
import { requireQueueId } from './sweep-folder.ts'

/** Options of following a queue. */
export interface FollowOptions extends EnqueueOptions {
  readonly runs: QueuedRuns
  readonly signal: AbortSignal
  readonly onEvent: (event: SweepEvent) => void
  /** Called with runs that had disappeared from the queue unfinished, and were requeued. */
  readonly onLost: (count: number) => void
}

/** The state of a run at the last poll. */
interface Seen {
  isActive: boolean
  attempts: number
  /** Number of consecutive polls without it in the queue. */
  absent: number
}

const secondsBetweenLooks = 1

/**
 * Watches queued runs until all of them have ended. It polls the queue once a second instead of listening to its events:
 * changes during an outage of Redis are seen at the next poll. A run that is neither queued nor finished, as when Redis lost
 * its memory, is queued again.
 *
 * @throws MoietyError `disk`
 */
export async function followQueue(open: OpenQueue, options: FollowOptions): Promise<SweepEnd> {
  const { signal } = options
  const left = new Map(options.runs)
  const seen = new Map<string, Seen>()
  const failed: { run: string; message: string }[] = []
  const stopped = new Promise<'stopped'>(resolve => {
    if (signal.aborted) resolve('stopped')
    signal.addEventListener('abort', () => resolve('stopped'), { once: true })
  })
  while (left.size > 0 && !signal.aborted) {
    // During an outage of Redis the poll waits, but Ctrl-C works.
    const looked = await Promise.race([look(open, left, seen, failed, options), stopped])
    if (looked === 'stopped' || left.size === 0) break
    await Promise.race([new Promise(resolve => setTimeout(resolve, 1000 * secondsBetweenLooks)), stopped])
  }
  return { isInterrupted: signal.aborted, failed }
}

async function look(
  open: OpenQueue,
  left: Map<string, PlannedRun>,
  seen: Map<string, Seen>,
  failed: { run: string; message: string }[],
  options: FollowOptions,
): Promise<void> {
  const { queue } = open
  const active = new Map<string, Job>()
  for (const job of await queue.getActive(0, -1)) if (job?.id !== undefined) active.set(job.id, job)
  const waiting = new Set(await queue.getRanges(['waiting', 'prioritized', 'delayed', 'active'], 0, -1))
  const ended = new Set(await queue.getRanges(['failed'], 0, -1))
  const lost = new Map<string, PlannedRun>()
  for (const [id, run] of left) {
    const before = seen.get(id) ?? { isActive: false, attempts: 0, absent: 0 }
    seen.set(id, before)
    const job =
      active.get(id) ??
      (ended.has(id) || (before.isActive && waiting.has(id)) ? await queue.getJob(id) : undefined)
    if (ended.has(id)) {
      const message = job?.failedReason ?? 'it failed'
      failed.push({ run: run.name, message })
      left.delete(id)
      options.onEvent({ kind: 'failed', run, message, isTriedAgain: false })
    } else if (job !== undefined || waiting.has(id)) {
      before.absent = 0
      if (job !== undefined) tell(run, job, active.has(id), before, options)
    } else if (isDone(run, options)) left.delete(id)
    else {
      // It may have been moving between two of the lists.
      before.absent += 1
      if (before.absent > 2) lost.set(id, run)
    }
  }
  if (lost.size === 0) return
  await add(open, lost, requireQueueId(options.folder), options)
  options.onLost(lost.size)
}

/** Events of a run that is being trained, or was at the last poll. */
function tell(run: PlannedRun, job: Job, isActive: boolean, before: Seen, { onEvent }: FollowOptions): void {
  if (job.attemptsMade > before.attempts) {
    before.attempts = job.attemptsMade
    before.isActive = false
    onEvent({ kind: 'failed', run, message: job.failedReason ?? 'it failed', isTriedAgain: true })
  } else if (!isActive && before.isActive) {
    before.isActive = false
    onEvent({ kind: 'stopped', run })
  }
  const parsed = progressSchema.safeParse(job.progress)
  if (!isActive || !parsed.success) return
  if (!before.isActive) onEvent({ kind: 'started', run, isResumed: parsed.data.isResumed })
  before.isActive = true
  if (parsed.data.progress !== null) onEvent({ kind: 'progress', run, progress: parsed.data.progress })
}

/** Whether it is finished according to the disk, which is then reported. */
function isDone(run: PlannedRun, { folder, onEvent }: FollowOptions): boolean {
  const outcome = outcomeOf(folder, run, undefined)
  if (outcome.status !== 'done') return false
  onEvent({ kind: 'done', run, score: scoreOf(outcome.measures), seconds: outcome.seconds })
  return true
}
