import { availableParallelism, hostname } from 'node:os'
import { openQueue, refusal } from '../sweep/queue.ts'
import { workQueue } from '../sweep/work-queue.ts'
import type { WorkerFlags } from './flags.ts'
import { dataOverrides } from './plan.ts'
import { queueOf, stateTexts } from './queue-flags.ts'
import { wholeNumber } from './run-flags.ts'
import { clean, wrap } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import { trainingCommand } from './sweep-plan.ts'
import { createSweepProgress } from './sweep-progress.ts'

const defaultPatience = 60
const millisecondsToEnd = 1000

/** `moiety worker`; returns the exit code. */
export async function runWorker(flags: WorkerFlags): Promise<number> {
  const jobs = wholeNumber(flags.jobs, '--jobs', 1, 'for example --jobs 2') ?? 1
  const threads =
    wholeNumber(flags.threads, '--threads', 1, 'for example --threads 4') ??
    Math.max(1, Math.floor(availableParallelism() / jobs))
  const patience =
    wholeNumber(flags.patience, '--patience', 2, 'for example --patience 60') ?? defaultPatience
  const address = queueOf(flags)
  const data = await dataOverrides(flags.data)
  const progress = createSweepProgress(process.stderr, {
    runs: [],
    done: new Map(),
    jobs,
    secondsPerEpoch: undefined,
  })
  const refused = new AbortController()
  const open = await openQueue(address, state => {
    if (state === 'refused') refused.abort('SIGTERM')
    else progress.say(stateTexts[state])
  })
  try {
    progress.say(
      wrap(
        `Worker ${clean(hostname())}.${process.pid} of ${address.shown}: ${jobs} run${jobs === 1 ? '' : 's'} at once on ${threads} thread${threads === 1 ? '' : 's'} each`,
      ),
    )
    const { signal } = await interruptible(
      async abort =>
        await workQueue(open, {
          jobs,
          threads,
          patience,
          places: { sweeps: flags.sweeps, data },
          isUntilEmpty: flags.untilEmpty === true,
          command: trainingCommand(),
          signal: AbortSignal.any([abort, refused.signal]),
          onEvent: progress.show,
          onSay: text => progress.say(clean(text)),
        }),
      () => progress.say('handing the runs back after a checkpoint each; once more ends at once'),
    )
    if (refused.signal.aborted) refusal(new Error('NOAUTH'), address)
    return signal === undefined ? 0 : exitCodeOf(signal)
  } finally {
    progress.end()
    await open.close()
    // Where Redis is away, BullMQ's timers and connections outlive the worker. All is said and handed back.
    setTimeout(() => process.exit(), millisecondsToEnd).unref()
  }
}
