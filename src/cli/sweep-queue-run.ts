import { resolve } from 'node:path'
import { enqueue, type QueuedRuns } from '../sweep/enqueue.ts'
import { secondsAnEpoch } from '../sweep/estimate.ts'
import { followQueue } from '../sweep/follow-queue.ts'
import { answered, type OpenQueue, openQueue, refusal } from '../sweep/queue.ts'
import { openSweep, outcomesOf } from '../sweep/run-sweep.ts'
import type { SweepFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { queueOf, stateTexts } from './queue-flags.ts'
import { clean, wrap } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import { countOf, doneOf, endText, listed, type SweepCommand, someFailed } from './sweep-plan.ts'
import { createSweepProgress, sayWait } from './sweep-progress.ts'

/** `moiety sweep --queue`: puts runs into a queue and follows them; returns the exit code. */
export async function queueSweep(planned: SweepCommand, flags: SweepFlags): Promise<number> {
  const { plan, outcomes, sweep } = planned
  const folder = resolve(planned.folder)
  const address = queueOf(flags)
  const progress = createSweepProgress(process.stderr, {
    runs: plan.runs,
    done: doneOf(outcomes),
    jobs: 1,
    secondsPerEpoch: secondsAnEpoch(plan.runs, outcomes),
  })
  const refused = new AbortController()
  const open = await openQueue(address, state => {
    if (state === 'refused') refused.abort()
    else progress.say(stateTexts[state])
  })
  try {
    const options = { ...planned, folder, retries: sweep.retries }
    const runs = await answered(address, async () => await queueUnderLock(open, options))
    progress.say(
      wrap(
        `${clean(sweep.title)}: ${countOf(plan.runs)} in ${clean(folder)}, ${plan.runs.length - runs.size} done; ${runs.size} queued in ${address.shown}`,
      ),
    )
    if (flags.detach) {
      progress.end()
      const text = `${runs.size} of ${countOf(plan.runs)} queued. moiety worker trains them; without --detach this command follows them`
      if (flags.json)
        printJson({ sweep: sweep.name, out: folder, queued: runs.size, runs: listed(plan, outcomes) })
      else print(text)
      return 0
    }
    const { value, signal } = await interruptible(
      async abort =>
        await answered(
          address,
          async () =>
            await followQueue(open, {
              ...options,
              runs,
              signal: AbortSignal.any([abort, refused.signal]),
              onEvent: progress.show,
              onLost: count => progress.say(`${count} had vanished from the queue, and are queued again`),
            }),
        ),
      () => progress.say('leaving; the workers go on'),
    )
    progress.end()
    if (refused.signal.aborted) refusal(new Error('NOAUTH'), address)
    const after = outcomesOf(folder, plan.runs)
    if (flags.json) printJson({ sweep: sweep.name, out: folder, ...value, runs: listed(plan, after) })
    else print(endText(plan, folder, after, value.failed, value.isInterrupted))
    if (value.isInterrupted && signal !== undefined) return exitCodeOf(signal)
    return value.failed.length > 0 ? someFailed : 0
  } finally {
    progress.end()
    await open.close()
  }
}

/** Two that queue at once would give the folder two ids. */
async function queueUnderLock(open: OpenQueue, options: Parameters<typeof enqueue>[1]): Promise<QueuedRuns> {
  const lock = await openSweep(options.folder, options.record, sayWait)
  try {
    return await enqueue(open, options)
  } finally {
    lock.release()
  }
}
