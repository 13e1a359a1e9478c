import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.ts'
import { secondsAnEpoch, secondsOf, tryOut } from '../sweep/estimate.ts'
import { openSweep, outcomesOf, refuseAltered, runSweep } from '../sweep/run-sweep.ts'
import type { SweepFlags } from './flags.ts'
import { print, printJson, say } from './output.ts'
import { wholePath } from './plan.ts'
import { wholeNumber } from './run-flags.ts'
import { clean, duration, wrap } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import {
  countOf,
  doneOf,
  endText,
  listed,
  needData,
  needDevices,
  planCommand,
  planText,
  type SweepCommand,
  someFailed,
  trainingCommand,
} from './sweep-plan.ts'
import { createSweepProgress, sayWait } from './sweep-progress.ts'

/** `moiety sweep`; returns the exit code. */
export async function runSweepCommand(file: string, flags: SweepFlags): Promise<number> {
  const jobs = wholeNumber(flags.jobs, '--jobs', 1, 'for example --jobs 2')
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 4')
  const arrayLimit = wholeNumber(flags.arrayLimit, '--array-limit', 1, 'for example --array-limit 1001')
  refuseTogether(flags)
  const isElsewhere = [flags.emit, flags.queue, flags.queueFile].some(flag => flag !== undefined)
  // What is trained elsewhere is planned with the path that is read there: that of a folder of images is part of a run's name.
  const { data } = flags
  const planned = await planCommand(
    file,
    isElsewhere && data !== undefined ? { ...flags, data: wholePath(data) } : flags,
  )
  const { sweep, plan, folder, outcomes } = planned
  if (flags.dryRun) {
    if (flags.json) printJson({ sweep: sweep.name, out: folder, runs: listed(plan, outcomes) })
    else print(planText(planned))
    return 0
  }
  refuseAltered(folder, outcomes)
  if (flags.emit !== undefined) {
    const { emitSweep } = await import('./sweep-emit-run.ts')
    return await emitSweep(file, planned, { ...flags, jobs, threads, arrayLimit })
  }
  needData(plan)
  if (flags.run !== undefined) {
    const { runOneOf } = await import('./sweep-one-run.ts')
    return await runOneOf(planned, flags.run, { threads, json: flags.json })
  }
  if (flags.queue !== undefined || flags.queueFile !== undefined) {
    const { queueSweep } = await import('./sweep-queue-run.ts')
    return await queueSweep(planned, flags)
  }
  return await runHere(planned, flags, jobs ?? 1, threads)
}

const places = ['queue', 'emit', 'run'] as const

/** @throws MoietyError `usage` for options that say two things at once */
function refuseTogether(flags: SweepFlags): void {
  const given = places.filter(place => flags[place] !== undefined)
  if (given.length > 1)
    fail({
      kind: 'usage',
      message: `--${given.join(' and --')} cannot be together`,
      where: `--${given[1]}`,
      help: 'give one of them',
    })
  const ofEmit =
    flags.image !== undefined ? 'image' : flags.arrayLimit !== undefined ? 'array-limit' : undefined
  if (ofEmit !== undefined && flags.emit === undefined)
    fail({
      kind: 'usage',
      message: `--${ofEmit} is for --emit`,
      where: `--${ofEmit}`,
      help: 'leave it out, or give --emit slurm or --emit kubernetes',
    })
  const isQueue = flags.queue !== undefined || flags.queueFile !== undefined
  const vain = isQueue
    ? (['jobs', 'threads'] as const).find(flag => flags[flag] !== undefined)
    : flags.detach === undefined
      ? undefined
      : 'detach'
  if (vain !== undefined)
    fail({
      kind: 'usage',
      message: isQueue ? `--${vain} is for each worker to say` : '--detach is for --queue',
      where: `--${vain}`,
      help: isQueue ? `give it to moiety worker` : 'leave it out, or give --queue redis://HOST',
    })
}

async function runHere(
  { sweep, plan, record, folder, outcomes }: SweepCommand,
  flags: SweepFlags,
  jobs: number,
  threadsGiven: number | undefined,
): Promise<number> {
  const threads = threadsGiven ?? Math.max(1, Math.floor(availableParallelism() / jobs))
  const todo = plan.runs.filter(run => outcomes.get(run.name)?.status !== 'done')
  const triedDevices = await needDevices(todo)
  const lock = await openSweep(folder, record, sayWait)
  try {
    say(
      `${wrap(`${clean(sweep.title)}: ${countOf(plan.runs)} in ${clean(folder)}, ${plan.runs.length - todo.length} done; ${jobs} at once on ${threads} thread${threads === 1 ? '' : 's'} each`)}`,
    )
    const { value, signal } = await interruptible(
      async abort => {
        const options = {
          folder,
          plan,
          record,
          jobs,
          threads,
          retries: sweep.retries,
          command: trainingCommand(triedDevices),
          signal: abort,
        }
        const known = secondsAnEpoch(plan.runs, outcomes)
        const first = todo[0]
        const secondsPerEpoch =
          known ?? (flags.trial && first !== undefined ? await tryOut(first, options) : undefined)
        if (todo.length > 0 && secondsPerEpoch !== undefined)
          say(
            `about ${duration(secondsOf(todo, secondsPerEpoch, jobs))}, by ${known === undefined ? 'a short trial of the first run, tests not counted' : 'the runs that are done'}`,
          )
        const progress = createSweepProgress(process.stderr, {
          runs: plan.runs,
          done: doneOf(outcomes),
          jobs,
          secondsPerEpoch,
        })
        const onAbort = (): void =>
          progress.say('stopping all runs after a checkpoint each; once more ends at once')
        if (abort.aborted) onAbort()
        else abort.addEventListener('abort', onAbort)
        try {
          return await runSweep({ ...options, onEvent: progress.show })
        } finally {
          progress.end()
        }
      },
      () => undefined,
    )
    const after = outcomesOf(folder, plan.runs)
    if (flags.json) printJson({ sweep: sweep.name, out: folder, ...value, runs: listed(plan, after) })
    else print(endText(plan, folder, after, value.failed, value.isInterrupted))
    if (value.isInterrupted && signal !== undefined) return exitCodeOf(signal)
    return value.failed.length > 0 ? someFailed : 0
  } finally {
    lock.release()
  }
}
