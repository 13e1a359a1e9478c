import { dirname, join, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import { applyOverrides, type Config } from '../config/config.ts'
import { recipeDraft } from '../config/recipe.ts'
import { nearest } from '../config/shape.ts'
import { recognisedData } from '../data/choose.ts'
import { allDataNames, needsFolder } from '../data/datasets/registry.ts'
import { needPlace } from '../data/missing-directory.ts'
import { listNames } from '../files/atomic-write.ts'
import { isThere, kindOf, nodeDisk } from '../files/disk.ts'
import { claimRunFolder, readConfig, readEnvironment } from '../run/run-folder.ts'
import type { DataChoice } from '../tasks/open-run.ts'
import { wantsAutomaticBatch, withAutomaticBatch, withoutAutomaticBatch } from './batch-choice.ts'
import { deviceChoice } from './device-flag.ts'
import type { TrainFlags } from './flags.ts'
import { say } from './output.ts'
import { recipeForData } from './recipe-for-data.ts'
import { resolvedWith } from './resolved-with.ts'

/** What the flags of `moiety train` come to: a resolved configuration, a folder, and where both are from. */
export interface Plan {
  readonly config: Config
  readonly recipe: string
  readonly run: string
  /** Whether the folder was made for this run, with the next free number. */
  readonly isClaimed: boolean
  /** What was chosen where nothing was asked for. */
  readonly notes: readonly string[]
  readonly resume: boolean | 'auto'
}

interface Draft {
  readonly config: Config
  readonly notes: readonly string[]
  readonly recipe: string
  /** The folder that was asked for; undefined where the next free one is to be taken. */
  readonly run: string | undefined
  readonly label: string
}

/**
 * @param runs - where runs go without --out
 * @throws MoietyError of kind `usage` or `data` for whatever does not fit together
 */
export async function planTraining(
  name: string | undefined,
  given: TrainFlags,
  runs = 'runs',
): Promise<Plan> {
  const isAutomatic = wantsAutomaticBatch(given)
  const flags = withoutAutomaticBatch(given)
  if (flags.out?.trim() === '')
    fail({
      kind: 'usage',
      message: 'expected a folder, came an empty name',
      where: '--out',
      help: 'name the folder of the run',
    })
  // Annotation files that are named need no layout to be found by.
  const named = flags.set.some(text => /^\s*data\.annotations\b/.test(text)) ? ['data.name=boxes'] : []
  const overrides = [...(await dataOverrides(flags.data)), ...named, ...flagOverrides(flags), ...flags.set]
  const resume = flags.resumeAuto === true ? 'auto' : flags.resume === true
  const draft =
    resume === false
      ? await planFromRecipe(name, flags, overrides)
      : await planResume(name, flags, overrides, runs)
  if (draft.run !== undefined) checkFolder(draft.run, resume !== false)
  if (needsFolder(draft.config.data.name)) needPlace(draft.config.data)
  const { recipe, label } = draft
  const { config, notes: batchNotes } = isAutomatic
    ? await withAutomaticBatch(draft.config, given.memory, batch =>
        say(`measuring the memory of batches of ${batch} images`),
      )
    : { config: draft.config, notes: [] }
  const notes = [...draft.notes, ...batchNotes, ...warmUpNotes(config, flags)]
  const isClaimed = draft.run === undefined
  return { config, notes, recipe, resume, isClaimed, run: draft.run ?? claimRunFolder(label, runs) }
}

async function planFromRecipe(
  name: string | undefined,
  flags: TrainFlags,
  overrides: string[],
): Promise<Draft> {
  const assignments = flags.with.flatMap(text => text.split(','))
  const { recipe, choices, settings, notes } = await recipeForData(name, assignments, overrides)
  const label = [recipe.name, ...assignments.map(text => text.trim().replace('=', '-'))]
  if (flags.seed !== undefined) label.push(`seed-${flags.seed}`)
  const source =
    overrides.length === 0 ? `recipe ${recipe.name}` : `recipe ${recipe.name} as changed on the command line`
  const draft = applyOverrides(recipeDraft(recipe, choices), settings)
  const resolved = await resolvedWith(draft, overrides, source)
  return {
    config: resolved.config,
    notes: [...notes, ...resolved.notes],
    recipe: recipe.name,
    run: flags.out,
    label: label.join('-'),
  }
}

/**
 * A run that is resumed continues with the configuration it holds; a recipe that is named, and `--with`, say which run to
 * look for, or, given with `--out`, must be that run's.
 */
async function planResume(
  name: string | undefined,
  flags: TrainFlags,
  overrides: string[],
  runs: string,
): Promise<Draft> {
  if (name === undefined && flags.out !== undefined && flags.with.length === 0)
    return await planFromRun(flags.out, overrides)
  const named = await planFromRecipe(name, flags, overrides)
  if (flags.out === undefined) return await planFromRun(newestRun(named.label, runs), overrides)
  const held = await planFromRun(flags.out, overrides)
  if (flags.with.length > 0) {
    fail({
      kind: 'usage',
      message: 'a run that is resumed keeps the choices that it was begun with',
      where: '--with',
      help: 'leave --with out, or begin a new run without --resume',
    })
  }
  if (held.recipe === named.recipe || held.recipe === unknownRecipe) return held
  return fail({
    kind: 'usage',
    message: `the run is of the recipe ${held.recipe}, not of ${named.recipe}`,
    where: flags.out,
    help: `leave the recipe out: moiety train --resume --out ${shellWord(flags.out)}`,
  })
}

async function planFromRun(run: string, overrides: string[]): Promise<Draft> {
  checkFolder(run, true)
  const file = join(run, 'config.json')
  return {
    ...(await resolvedWith(readConfig(run), overrides, file)),
    run,
    recipe: readEnvironment(run)?.recipe ?? unknownRecipe,
    label: run,
  }
}

/** Stands for the recipe of a run that does not say it. */
const unknownRecipe = 'a recipe that is not known'

/** What `--data` means as overrides of a configuration. @throws MoietyError `usage` for what is no data */
export async function dataOverrides(data: string | undefined): Promise<string[]> {
  if (data === undefined) return []
  const { name, directory } = await chosenData(data)
  return [`data.name=${name}`, ...(directory === null ? [] : [`data.directory=${JSON.stringify(directory)}`])]
}

/** The data set that `--data` names. @throws MoietyError `usage` for what is neither a name, nor a folder or labels file */
export async function chosenData(data: string): Promise<DataChoice> {
  const recognised = await recognisedData(data)
  if (recognised !== undefined) return recognised
  const found = kindOf(data)
  const guess = /[\\/]/.test(data) ? undefined : nearest(data, allDataNames())
  return fail({
    kind: 'usage',
    message:
      found === undefined
        ? `there is neither a data set nor a folder "${data}"`
        : `expected a folder, or a file with the labels, boxes or images of a data set (${dataFiles}), but "${data}" is another file`,
    where: '--data',
    help:
      found === 'file'
        ? helpOfFile(data)
        : guess === undefined
          ? `a data set is ${allDataNames().join(', ')}`
          : `did you mean ${guess}?`,
  })
}

const dataFiles = '.csv, .tsv, .json, .jsonl, .yaml, .parquet, .tar'

/** What to give instead of a file that is no data set. */
function helpOfFile(file: string): string {
  const folder = `--data ${JSON.stringify(dirname(file))}`
  return /\.(zip|7z|rar|gz|bz2|xz|zst)$/i.test(file)
    ? 'unpack the archive, and give the folder'
    : `give the folder of the data set, as in ${folder}; docs/guide/your-data.md shows the layouts`
}

/** What `--data` was given, to be read in another folder or on another machine: a path as a whole one. */
export function wholePath(data: string): string {
  const isPath = !allDataNames().some(name => name === data) && isThere(data)
  return isPath ? resolve(data) : data
}

/** A warm-up has an end of its own, which `--lr` leaves. */
function warmUpNotes({ schedule, optimizer }: Config, { lr }: TrainFlags): string[] {
  const to = schedule.warmup?.to
  if (lr === undefined || to === undefined || to === null || to === optimizer.learningRate) return []
  return [
    `--lr is the rate after the warm-up, which still rises to ${to}: --set schedule.warmup.to=${optimizer.learningRate} changes that too`,
  ]
}

function flagOverrides({ seed, device, threads, epochs, lr, batch, size }: TrainFlags): string[] {
  return [
    ...(seed === undefined ? [] : [`seed=${seed}`]),
    ...(device === undefined ? [] : [`engine.device=${deviceChoice(device)}`]),
    ...(threads === undefined ? [] : [`engine.threads=${threads}`]),
    ...(epochs === undefined ? [] : [`training.epochs=${epochs}`]),
    ...(lr === undefined ? [] : [`optimizer.learningRate=${lr}`]),
    ...(batch === undefined ? [] : [`training.batch=${batch}`]),
    ...(size === undefined ? [] : [`data.size=${size}`]),
  ]
}

/** The run `runs/LABEL-N` with the largest N. */
function newestRun(label: string, runs: string): string {
  const numbers = listNames(nodeDisk, runs)
    .filter(name => name.startsWith(`${label}-`) && isThere(join(runs, name, 'config.json')))
    .flatMap(name => /^\d{1,9}$/.exec(name.slice(label.length + 1)) ?? [])
  if (numbers.length === 0)
    fail({
      kind: 'usage',
      message: `there is no run to resume: expected a folder ${join(runs, `${label}-1`)} with config.json`,
      help: 'name the folder with --out, or leave --resume out to start a new run',
    })
  return join(runs, `${label}-${Math.max(...numbers.map(Number))}`)
}

function checkFolder(run: string, resume: boolean): void {
  const holdsRun = isThere(join(run, 'config.json'))
  if (resume && !holdsRun)
    fail({
      kind: 'usage',
      message: 'there is no run to resume: expected a folder with config.json',
      where: run,
      help: 'name the folder with --out, or leave --resume out to start a new run',
    })
  if (!resume && holdsRun)
    fail({
      kind: 'usage',
      message: 'this folder holds a run already',
      where: run,
      help: '--resume continues it; another --out starts a new run',
    })
}
