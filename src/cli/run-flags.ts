import { accessSync, constants } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { fail } from '../base/errors.ts'
import type { SplitName } from '../data/index.ts'
import { attempt, isThere, kindOf, nodeDisk } from '../files/disk.ts'
import type { DataChoice } from '../tasks/open-run.ts'
import { chosenData } from './plan.ts'

/** What the commands that look at a trained run have in common: the run, its split, other data, whole numbers. */

/** @throws MoietyError `usage` for a path that is no run's folder */
export function requireRun(run: string): void {
  if (isThere(join(run, 'config.json'))) return
  fail({
    kind: 'usage',
    message: 'this is not a run: expected a folder with config.json',
    where: run,
    help: '`moiety train` says at its end which folder it wrote',
  })
}

/** The split that `--split` names, if it is given. @throws MoietyError `usage` for another word */
export function splitOf(split: string | undefined): SplitName | undefined {
  if (split === undefined || split === 'train' || split === 'val' || split === 'test') return split
  return fail({
    kind: 'usage',
    message: `expected train, val or test, came "${split}"`,
    where: '--split',
    help: 'leave it out for the images that the training was tested on',
  })
}

/** What the images of a split are called. */
export const imagesOf: Readonly<Record<SplitName, string>> = {
  train: 'training images',
  val: 'validation images',
  test: 'held-out images',
}

/** The data that `--data` names, or undefined. @throws MoietyError `usage` for what is neither a name nor a folder */
export async function dataChoice(data: string | undefined): Promise<DataChoice | undefined> {
  if (data === undefined) return undefined
  return await chosenData(data)
}

/** A whole number of at least `from`, or undefined. @throws MoietyError `usage` for another text */
export function wholeNumber(
  text: string | undefined,
  flag: string,
  from: number,
  help: string,
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d{1,6}$/.test(text) && value >= from) return value
  return fail({
    kind: 'usage',
    message: `expected a whole number from ${from}, came "${text}"`,
    where: flag,
    help,
  })
}

/**
 * Refuses, before anything slow is done, a folder that cannot be written into. One that is not there yet is made when there is
 * something to write.
 *
 * @throws MoietyError `usage` for a file of that name; `disk` where the folder cannot be written into
 */
export function requireFolder(folder: string): void {
  if (!isThere(folder)) {
    if (dirname(folder) !== folder) requireFolder(dirname(folder))
    return
  }
  if (kindOf(folder) !== 'folder')
    fail({
      kind: 'usage',
      message: 'expected a folder, but this is a file',
      where: folder,
      help: 'name another folder',
    })
  try {
    accessSync(folder, constants.W_OK)
  } catch (cause) {
    fail({
      kind: 'disk',
      message: 'the folder cannot be written into',
      where: folder,
      help: 'name another folder with --out, or allow it',
      cause,
    })
  }
}

/**
 * Refuses a folder in that of a run which is a link out of it. Nobody has named the place that it leads to, and a run's folder may
 * be somebody else's.
 *
 * @throws MoietyError `usage` that names the link; `disk`
 */
export function requireWithin(run: string, folder: string): void {
  if (!isThere(folder)) return
  const realPath = (path: string): string => attempt(nodeDisk, 'look at', path, () => nodeDisk.realPath(path))
  if (realPath(folder).startsWith(realPath(run) + sep)) return
  fail({
    kind: 'usage',
    message: 'expected a folder of the run, found a link that leads out of it',
    where: folder,
    help: 'remove the link, or name the folder to write into',
  })
}

/** {@link requireFolder} for a file that is to be written. @throws MoietyError as {@link requireFolder}; `usage` for a folder of that name */
export function requireFile(file: string, inputs: readonly string[] = []): void {
  if (inputs.some(input => resolve(input) === resolve(file)))
    fail({
      kind: 'usage',
      message: 'expected another file than one that is read',
      where: file,
      help: 'name another file with --out',
    })
  if (kindOf(file) === 'folder')
    fail({
      kind: 'usage',
      message: 'expected a file to write, but this is a folder',
      where: file,
      help: 'name a file in it',
    })
  if (runFiles.has(basename(file)) && isThere(join(dirname(file), 'config.json')))
    fail({
      kind: 'usage',
      message: 'expected another file than one that a run consists of',
      where: file,
      help: 'name another file: a run cannot be read or resumed without this one',
    })
  requireFolder(dirname(file))
}

/** Files in a run's folder that no other command may replace. */
const runFiles = new Set(['config.json', 'environment.json', 'metrics.jsonl', 'summary.json', 'report.json'])
