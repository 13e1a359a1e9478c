import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import { loadedFiles } from '../config/components.ts'
import type { Recipe } from '../config/recipe.ts'
import { needsFolder } from '../data/datasets/registry.ts'
import { needPlace } from '../data/missing-directory.ts'
import type { Outcome, Status } from '../sweep/outcome.ts'
import { type PlannedRun, planSweep, type SweepPlan } from '../sweep/plan-sweep.ts'
import { outcomesOf } from '../sweep/run-sweep.ts'
import type { Sweep } from '../sweep/sweep-file.ts'
import { loadSweep } from '../sweep/sweep-files.ts'
import { readRecord, recordOf, type SweepRecord } from '../sweep/sweep-folder.ts'
import type { TrainerCommand } from '../sweep/trainer.ts'
import { kindOfTask } from '../tasks/kinds.ts'
import { type Score, scoreOf } from '../tasks/measures.ts'
import { requireTraining } from '../train/device-probe.ts'
import { refuseUnknownMeasures } from '../train/known-measures.ts'
import type { SweepFlags } from './flags.ts'
import { say } from './output.ts'
import { dataOverrides } from './plan.ts'
import { settingsForData } from './recipe-for-data.ts'
import { clean, painter, wrap } from './screen.ts'
import { scoreRange } from './sweep-progress.ts'

/** What `moiety sweep` is about, however it is trained: its file, its folder, its runs and what became of them. */
export interface SweepCommand {
  readonly sweep: Sweep
  readonly recipe: Recipe
  readonly plan: SweepPlan
  readonly record: SweepRecord
  readonly folder: string
  readonly outcomes: ReadonlyMap<string, Outcome>
}

/** How a sweep ends of which some runs failed, whatever their own codes. */
export const someFailed = 6

/** The training of this very program, with the components that it has loaded. */
export function trainingCommand(triedDevices: readonly string[] = []): TrainerCommand {
  const use = loadedFiles().flatMap(({ file }) => ['--use', file])
  return {
    executable: process.execPath,
    words: [fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url)), ...use],
    triedDevices,
  }
}

/** Reads and plans; nothing is written. @throws MoietyError `usage`, `disk` */
export async function planCommand(
  file: string,
  { data, out }: Pick<SweepFlags, 'data' | 'out'>,
): Promise<SweepCommand> {
  const { sweep, recipe, source } = await loadSweep(file)
  const overrides = await dataOverrides(data)
  const set = Object.entries(sweep.set).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  const settingsFor = await settingsForData(sweep.recipe, [...set, ...overrides])
  const plan = await planSweep({ sweep, recipe, overrides, settingsFor, source })
  for (const note of plan.notes) say(`note: ${clean(note)}`)
  for (const { config } of plan.runs) refuseUnknownMeasures(config.training, kindOfTask(config))
  const record = recordOf(sweep, recipe, plan)
  const folder = folderOf(out, sweep.name)
  refuseOtherSweep(folder, record)
  return { sweep, recipe, plan, record, folder, outcomes: outcomesOf(folder, plan.runs) }
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

/** What `moiety train` asks for too: CIFAR and folders of images lie somewhere. */
export function needData({ runs }: SweepPlan): void {
  for (const { config } of runs) if (needsFolder(config.data.name)) needPlace(config.data)
}

/**
 * What each run's training would refuse as well, said once and before anything is written.
 *
 * @returns the devices that need not be tried again
 * @throws MoietyError `usage`
 */
export async function needDevices(runs: readonly PlannedRun[]): Promise<readonly string[]> {
  return await requireTraining(
    runs.map(({ config }) => config),
    { onProbe: device => say(`trying one step of training on ${device}`) },
  )
}

export function doneOf(
  outcomes: ReadonlyMap<string, Outcome>,
): Map<string, { readonly score: Score | null }> {
  return new Map(
    [...outcomes].flatMap(([name, outcome]) =>
      outcome.status === 'done' ? [[name, { score: scoreOf(outcome.measures) }] as const] : [],
    ),
  )
}

export function listed(plan: SweepPlan, outcomes: ReadonlyMap<string, Outcome>): object[] {
  return plan.runs.map(({ name, seed, values, hash }) => ({
    name,
    seed,
    values,
    hash,
    ...(outcomes.get(name) ?? {}),
  }))
}

export const countOf = (runs: readonly PlannedRun[]): string =>
  `${runs.length} run${runs.length === 1 ? '' : 's'}`

const longestList = 40

export function planText({ plan, record, folder, outcomes }: SweepCommand): string {
  const paint = painter(process.stdout)
  const axes = [
    ...record.axes.map(
      ({ label, values }) => `  ${clean(label)}  ${values.map(value => clean(show(value))).join('  ')}`,
    ),
    `  seed  ${record.seeds.join('  ')}`,
  ]
  const shown = plan.runs.slice(0, longestList).map(({ name }) => {
    const status = outcomes.get(name)?.status ?? 'missing'
    return `  ${clean(name)}${status === 'missing' ? '' : `  ${status}`}`
  })
  const more = plan.runs.length > longestList ? [`  and ${plan.runs.length - longestList} more`] : []
  return [
    `${paint.bold(clean(record.title))}  ${paint.dim(clean(record.name))}`,
    ...(record.description === '' ? [] : [wrap(clean(record.description))]),
    axes.join('\n'),
    `${countOf(plan.runs)} of the recipe ${clean(record.recipe)}, in ${clean(folder)}\n${[...shown, ...more].join('\n')}`,
  ].join('\n\n')
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

export function endText(
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
  const scores = plan.runs.flatMap(({ name }) => {
    const outcome = outcomes.get(name)
    const score = outcome?.status === 'done' ? scoreOf(outcome.measures) : null
    return score === null ? [] : [score]
  })
  const reached = scoreRange(scores.map(({ value }) => value))
  return [
    `${paint.bold(isInterrupted ? 'Interrupted' : failed.length > 0 ? 'Ended' : 'Done')}: ${done} of ${countOf(plan.runs)} finished${failed.length === 0 ? '' : paint.bad(`, ${failed.length} failed`)}`,
    ...(reached === undefined ? [] : [`Reached: ${reached} ${scores[0]?.label ?? ''}`]),
    ...failed.map(({ run, message }) => paint.bad(`  ${clean(run)}: ${clean(message)}`)),
    ...(failed.length === 0 ? [] : [`What they said is in ${clean(join(folder, 'logs'))}`]),
    done === plan.runs.length
      ? `The results: moiety table ${shellWord(folder)}`
      : `The same command continues. The results so far: moiety table ${shellWord(folder)}`,
  ].join('\n')
}
