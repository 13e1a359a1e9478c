import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from '../base/errors.ts'
import { secondsAnEpoch, secondsOf, tryOut } from '../sweep/estimate.ts'
import type { Outcome, Status } from '../sweep/outcome.ts'
import { type PlannedRun, planSweep, type SweepPlan } from '../sweep/plan.ts'
import { openSweep, outcomesOf, refuseAltered, runSweep } from '../sweep/run-sweep.ts'
import { loadSweep } from '../sweep/sweep-files.ts'
import { readRecord, recordOf, type SweepRecord } from '../sweep/sweep-folder.ts'
import { print, printJson } from './output.ts'
import { dataOverrides, isDrawn } from './plan.ts'
import { wholeNumber } from './run-flags.ts'
import { clean, duration, painter, percent, wrap } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import type { SweepFlags } from './sweep.ts'
import { createSweepProgress } from './sweep-progress.ts'

/** How a sweep ends of which some runs failed, whatever their own codes. */
const someFailed = 6

/** The training of this very program. */
const command = {
  executable: process.execPath,
  words: [fileURLToPath(new URL('./main.js', import.meta.url))],
}

/** `moiety sweep`; returns the exit code. */
export async function runSweepCommand(file: string, flags: SweepFlags): Promise<number> {
  const jobs = wholeNumber(flags.jobs, '--jobs', 1, 'for example --jobs 2') ?? 1
  const { sweep, recipe, source } = await loadSweep(file)
  const overrides = await dataOverrides(flags.data)
  const plan = planSweep({ sweep, recipe, overrides, source })
  const record = recordOf(sweep, recipe, plan)
  const folder = folderOf(flags.out, sweep.name)
  refuseOtherSweep(folder, record)
  const outcomes = outcomesOf(folder, plan.runs)
  if (flags.dryRun) {
    if (flags.json) printJson({ sweep: sweep.name, out: folder, runs: listed(plan, outcomes) })
    else print(planText(plan, record, folder, outcomes))
    return 0
  }
  refuseAltered(folder, outcomes)
  needData(plan)
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs))
  const lock = openSweep(folder, record)
  try {
    const todo = plan.runs.filter(run => outcomes.get(run.name)?.status !== 'done')
    process.stderr.write(
      `${wrap(`${clean(sweep.title)}: ${countOf(plan.runs)} in ${clean(folder)}, ${plan.runs.length - todo.length} done; ${jobs} at once on ${threads} thread${threads === 1 ? '' : 's'} each`)}\n`,
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
          command,
          signal: abort,
        }
        const known = secondsAnEpoch(plan.runs, outcomes)
        const first = todo[0]
        const secondsPerEpoch =
          known ?? (flags.trial && first !== undefined ? await tryOut(first, options) : undefined)
        if (todo.length > 0 && secondsPerEpoch !== undefined)
          process.stderr.write(
            `about ${duration(secondsOf(todo, secondsPerEpoch, jobs))}, by ${known === undefined ? 'a short trial of the first run, tests not counted' : 'the runs that are done'}\n`,
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

function folderOf(out: string | undefined, name: string): string {
  if (out?.trim() === '')
    fail({
      kind: 'usage',
      message: 'expected a folder, came an empty name',
      where: '--out',
      help: 'name the folder of the sweep',
    })
  return out ?? join('sweeps', name)
}

function refuseOtherSweep(folder: string, { name }: SweepRecord): void {
  const before = readRecord(folder)
  if (before === undefined || before.name === name) return
  fail({
    kind: 'usage',
    message: `this folder holds the sweep ${before.name}, not ${name}`,
    where: folder,
    help: 'use another --out',
  })
}

/** What `moiety train` asks for too: all but what is drawn lies somewhere. */
function needData({ runs }: SweepPlan): void {
  const { data } = runs.find(run => !isDrawn(run.config.data.name) && run.config.data.directory === null)
    ?.config ?? { data: undefined }
  if (data === undefined) return
  fail({
    kind: 'usage',
    message: `expected the folder that holds ${data.name === 'folder' ? 'the images' : data.name}, came none`,
    where: 'data.directory',
    help: 'add --data DIR',
  })
}

function doneOf(outcomes: ReadonlyMap<string, Outcome>): Map<string, { readonly top1: number | null }> {
  return new Map(
    [...outcomes].flatMap(([name, outcome]) =>
      outcome.status === 'done' ? [[name, { top1: outcome.top1 }] as const] : [],
    ),
  )
}

function listed(plan: SweepPlan, outcomes: ReadonlyMap<string, Outcome>): object[] {
  return plan.runs.map(({ name, seed, values, hash }) => ({
    name,
    seed,
    values,
    hash,
    ...(outcomes.get(name) ?? {}),
  }))
}

const countOf = (runs: readonly PlannedRun[]): string => `${runs.length} run${runs.length === 1 ? '' : 's'}`

const longestList = 40

function planText(
  plan: SweepPlan,
  record: SweepRecord,
  folder: string,
  outcomes: ReadonlyMap<string, Outcome>,
): string {
  const paint = painter(process.stdout)
  const axes = [
    ...record.axes.map(
      ({ label, values }) => `  ${label}  ${values.map(value => clean(show(value))).join('  ')}`,
    ),
    `  seed  ${record.seeds.join('  ')}`,
  ]
  const shown = plan.runs.slice(0, longestList).map(({ name }) => {
    const status = outcomes.get(name)?.status ?? 'missing'
    return `  ${clean(name)}${status === 'missing' ? '' : `  ${status}`}`
  })
  const more = plan.runs.length > longestList ? [`  and ${plan.runs.length - longestList} more`] : []
  return [
    `${paint.bold(clean(record.title))}  ${paint.dim(record.name)}`,
    ...(record.description === '' ? [] : [wrap(clean(record.description))]),
    axes.join('\n'),
    `${countOf(plan.runs)} of the recipe ${record.recipe}, in ${clean(folder)}\n${[...shown, ...more].join('\n')}`,
  ].join('\n\n')
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function endText(
  plan: SweepPlan,
  folder: string,
  outcomes: ReadonlyMap<string, Outcome>,
  failed: readonly { readonly run: string; readonly message: string }[],
  isInterrupted: boolean,
): string {
  const paint = painter(process.stdout)
  const count = (status: Status): number =>
    plan.runs.filter(({ name }) => outcomes.get(name)?.status === status).length
  const done = count('done')
  const [best] = plan.runs
    .flatMap(({ name }) => {
      const outcome = outcomes.get(name)
      return outcome?.status === 'done' && outcome.top1 !== null ? [{ name, top1: outcome.top1 }] : []
    })
    .toSorted((a, b) => b.top1 - a.top1)
  return [
    `${paint.bold(isInterrupted ? 'Interrupted' : failed.length > 0 ? 'Ended' : 'Done')}: ${done} of ${countOf(plan.runs)} finished${failed.length === 0 ? '' : paint.bad(`, ${failed.length} failed`)}`,
    ...(best === undefined ? [] : [`Best: ${percent(best.top1)} top-1, ${best.name}`]),
    ...failed.map(({ run, message }) => paint.bad(`  ${run}: ${clean(message)}`)),
    ...(failed.length === 0 ? [] : [`What they said is in ${clean(join(folder, 'logs'))}`]),
    done === plan.runs.length
      ? `The results: moiety table ${clean(folder)}`
      : `The same command goes on. The results so far: moiety table ${clean(folder)}`,
  ].join('\n')
}
