import { availableParallelism, hostname } from 'node:os'
import { join } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import { nearest } from '../config/shape.ts'
import { ignoringErrors, makeFolders } from '../files/atomic-write.ts'
import { isThere, nodeDisk } from '../files/disk.ts'
import type { PlannedRun, SweepPlan } from '../sweep/plan-sweep.ts'
import { untilFree, writeRecipe } from '../sweep/run-sweep.ts'
import { readRecord, writeFailure, writeRecord } from '../sweep/sweep-folder.ts'
import { print, say } from './output.ts'
import { clean } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import { needDevices, type SweepCommand } from './sweep-plan.ts'
import { runTraining } from './train-run.ts'

/**
 * `moiety sweep --run`: trains one run in this process, as a task of an array does; returns the exit code of its training. It
 * continues where the run was begun before, and has nothing to do where it is finished.
 */
export async function runOneOf(
  planned: SweepCommand,
  which: string,
  {
    threads = availableParallelism(),
    json,
  }: { readonly threads: number | undefined; readonly json: true | undefined },
): Promise<number> {
  const { folder, outcomes, plan, record } = planned
  const run = runCalled(plan, which)
  const path = join(folder, run.name)
  if (outcomes.get(run.name)?.status === 'done') {
    print(`${run.name} is finished already`)
    return 0
  }
  const triedDevices = await needDevices([run])
  makeFolders(nodeDisk, join(folder, 'recipes'))
  // Every task of an array comes here: the plan is written once, and not by all of them again.
  if (JSON.stringify(readRecord(folder)) !== JSON.stringify(record)) writeRecord(folder, record)
  const { signal } = await interruptible(
    async abort =>
      await untilFree(path, abort, ({ pid, host }) =>
        say(
          `waiting for process ${pid} of ${clean(host)}, which has the run; if that machine is gone, for two minutes`,
        ),
      ),
    () => undefined,
  )
  if (signal !== undefined) return exitCodeOf(signal)
  const flags = { set: [], with: [], ...(json === undefined ? {} : { json }) }
  try {
    if (isThere(join(path, 'config.json'))) {
      const { directory } = run.config.data
      // Number of threads: as it was begun, since it enters the last bits.
      const set = directory === null ? [] : [`data.directory=${JSON.stringify(directory)}`]
      return await runTraining(undefined, { ...flags, set, out: path, resumeAuto: true }, triedDevices)
    }
    const recipe = join(folder, 'recipes', `${run.name}.json`)
    writeRecipe(recipe, run, { threads, record })
    try {
      return await runTraining(recipe, { ...flags, out: path }, triedDevices)
    } finally {
      ignoringErrors(() => nodeDisk.remove(recipe))
    }
  } catch (cause) {
    if (cause instanceof MoietyError) {
      const { exitCode, message } = cause
      const when = new Date().toISOString()
      const failure = { run: run.name, exitCode, signal: null, message, attempt: 1, when }
      writeFailure(folder, failure, { machine: hostname() })
    }
    throw cause
  }
}

function runCalled({ runs }: SweepPlan, which: string): PlannedRun {
  const run = /^\d{1,6}$/.test(which) ? runs[Number(which)] : runs.find(({ name }) => name === which)
  if (run !== undefined) return run
  const guess = nearest(
    which,
    runs.map(({ name }) => name),
  )
  return fail({
    kind: 'usage',
    message: `expected the number of a run from 0 to ${runs.length - 1}, or its name, came "${which}"`,
    where: '--run',
    help: guess === undefined ? 'moiety sweep FILE --dry-run lists them' : `did you mean ${guess}?`,
  })
}
