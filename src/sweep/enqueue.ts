import { join } from 'node:path'
import { isThere } from '../files/disk.ts'
import type { Outcome } from './outcome.ts'
import type { PlannedRun, SweepPlan } from './plan-sweep.ts'
import { type JobFacts, jobId, type OpenQueue } from './queue.ts'
import { writeRecipe } from './run-sweep.ts'
import { requireQueueId, type SweepRecord } from './sweep-folder.ts'

/** Options of queueing. */
export interface EnqueueOptions {
  /** Of the sweep, absolute. */
  readonly folder: string
  readonly plan: SweepPlan
  readonly record: SweepRecord
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Number of retries of a failed run. */
  readonly retries: number
}

/** Runs that are queued, by the ids of their jobs. */
export type QueuedRuns = ReadonlyMap<string, PlannedRun>

const atOnce = 1000
const secondsKept = 30 * 24 * 3600

/**
 * Queues every run that is not finished. One that is waiting or being trained is unchanged; one that has failed is
 * requeued. Its recipe is written to `recipes/` in the sweep's folder, where workers find it.
 *
 * @throws MoietyError `disk`
 */
export async function enqueue(open: OpenQueue, options: EnqueueOptions): Promise<QueuedRuns> {
  const { folder, plan, record, outcomes } = options
  const id = requireQueueId(folder)
  const todo = plan.runs.filter(run => outcomes.get(run.name)?.status !== 'done')
  for (const run of todo) {
    const isBegun = isThere(join(folder, run.name, 'config.json'))
    // Each worker chooses its number of threads.
    if (!isBegun) writeRecipe(join(folder, 'recipes', `${run.name}.json`), run, { threads: null, record })
  }
  const runs = new Map(todo.map(run => [jobId({ id, hash: run.hash }), run]))
  const ended = await open.queue.getRanges(['failed', 'completed'], 0, -1)
  for (const job of ended) if (runs.has(job)) await open.queue.remove(job)
  await add(open, runs, id, options)
  return runs
}

/** Adds jobs; existing ones are unchanged. */
export async function add(
  { queue }: OpenQueue,
  runs: QueuedRuns,
  id: string,
  { folder, retries }: Pick<EnqueueOptions, 'folder' | 'retries'>,
): Promise<void> {
  const jobs = Array.from(runs, ([job, run]) => {
    const data: JobFacts = { format: 1, folder, id, run: run.name, hash: run.hash }
    return {
      name: run.name,
      data,
      opts: {
        jobId: job,
        attempts: 1 + retries,
        // Finished runs are determined from the disk.
        removeOnComplete: true,
        removeOnFail: { age: secondsKept },
      },
    }
  })
  for (let at = 0; at < jobs.length; at += atOnce) await queue.addBulk(jobs.slice(at, at + atOnce))
}
