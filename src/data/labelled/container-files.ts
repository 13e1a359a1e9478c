import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { fail } from '../../base/errors.ts'
import { kindOf, reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { staysWithin } from '../../files/path-inside.ts'
import { isImageName } from '../image-names.ts'
import { isJunkFile } from '../junk-files.ts'
import { readingOf, roleOf, type SplitName, splitNames } from '../split-names.ts'

/** Files that hold many images each, by their splits. */
export interface ContainerFiles {
  /** All files where none names a split. */
  readonly train: readonly string[]
  readonly val: readonly string[] | undefined
  readonly test: readonly string[] | undefined
  /** Files next to those of splits that name none. */
  readonly others: readonly string[]
}

/** Levels of folders in which files are looked for: `CONFIGURATION/train/0000.parquet`. */
const deepest = 3
/** Folders that are looked into: a folder of classes may have thousands. */
const mostFolders = 64

/** The folder of a data set that is given as its folder or as one file. */
export function homeOf(given: string): string {
  return kindOf(given) === 'file' ? dirname(given) : given
}

/**
 * The files below a folder whose names match, in the order of their paths; none where there is no such folder. Of a file itself, if its
 * name matches.
 */
export async function filesNamed(directory: string, pattern: RegExp): Promise<readonly string[]> {
  if (kindOf(directory) === 'file') return pattern.test(basename(directory)) ? [directory] : []
  const found: string[] = []
  let looked = 0
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (looked++ === mostFolders) return
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
      rethrowExhausted(cause, 'open', folder)
      return []
    })
    const folders: string[] = []
    for (const entry of entries) {
      const { name } = entry
      const path = join(folder, name)
      if (name.startsWith('.')) continue
      if (pattern.test(name) && !entry.isDirectory()) found.push(path)
      else if (await isFolder(entry, path)) folders.push(name)
    }
    if (depth < deepest)
      for (const name of folders.sort())
        if (!isJunkFile(name, 'folder') && looked <= mostFolders) await walk(join(folder, name), depth + 1)
  }
  await walk(directory, 0)
  return found.sort()
}

async function isFolder(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink() || isImageName(entry.name)) return entry.isDirectory()
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}

/** `train-00000-of-00002-0123abcd` and `train-000017` are `train`. */
function stemOf(file: string): string {
  return basename(file)
    .replace(/\.[a-z.]+$/i, '')
    .replace(/[-_.]\d+-of-\d+(-[0-9a-f]+)?$/i, '')
    .replace(/[-_.]?\d+$/, '')
}

/**
 * Which files are of which split: by their names (`train-00000-of-00002.parquet`, `imagenet-val-000000.tar`), or those of the folders that
 * they are in. One file that is given by its path is the whole data set, whatever its name.
 *
 * @throws MoietyError `data` for files of several data sets, links that lead out, and splits without one for training
 */
export async function splitsOfFiles(
  directory: string,
  files: readonly string[],
  followLinks: boolean,
): Promise<ContainerFiles> {
  const isWhole = files[0] === directory
  const root = await realpath(directory)
  for (const file of files) {
    if (!isWhole && !followLinks && !(await staysWithin(file, root))) refuseLink(file, root)
    const found = await stat(file).catch((cause: unknown) => refuseFile(file, reasonOf(cause)))
    if (!found.isFile()) refuseFile(file, 'it is no file (a pipe, a socket or a device)')
  }
  if (isWhole) return { train: files, val: undefined, test: undefined, others: [] }
  const named = files.map(file => ({ file, ...splitOf(directory, file) }))
  const sets = [...new Set(named.filter(({ split }) => split !== undefined).map(({ set }) => set))]
  if (sets.length > 1)
    refuseSeveral(
      directory,
      sets.map(set => set || '.'),
    )
  const of = (name: SplitName): readonly string[] | undefined => {
    const own = named.filter(({ split }) => split === name).map(({ file }) => file)
    return own.length === 0 ? undefined : own
  }
  const [train, val, test] = splitNames.map(of)
  if (train === undefined && val === undefined && test === undefined) {
    const folders = [...new Set(named.map(({ set }) => set))]
    if (folders.length > 1 && files.some(file => relative(directory, file).includes(sep)))
      refuseSeveral(
        directory,
        folders.map(set => set || '.'),
      )
    return { train: files, val, test, others: [] }
  }
  if (train === undefined)
    fail({
      kind: 'data',
      message: `expected files of the train split, found ${files
        .slice(0, 3)
        .map(file => relative(directory, file))
        .join(', ')}`,
      where: directory,
      help: 'name the files that are trained on as train-00000.parquet or train-000000.tar, or put them into train/',
    })
  const others = named.filter(({ split }) => split === undefined).map(({ file }) => file)
  return { train, val, test, others }
}

/** The split of a file, and what else its path names, which is the data set. */
function splitOf(
  directory: string,
  file: string,
): { readonly split: SplitName | undefined; readonly set: string } {
  const folders = relative(directory, file).split(sep).slice(0, -1)
  const set = folders.filter(name => roleOf(name) === undefined && !/^data$/i.test(name)).join('/')
  const own = readingOf(stemOf(file))
  if (own !== undefined)
    return { split: own.role, set: [set, own.rest].filter(part => part !== '').join(' ') }
  const split = folders.map(roleOf).find(role => role !== undefined)
  return { split, set }
}

function refuseSeveral(directory: string, sets: readonly string[]): never {
  return fail({
    kind: 'data',
    message: `expected the files of one data set, found those of ${sets.length}: ${sets.slice(0, 5).join(', ')}`,
    where: directory,
    help: 'give the folder of one of them, or move the files of the others elsewhere',
  })
}

function refuseLink(file: string, root: string): never {
  return fail({
    kind: 'data',
    message: `expected links that stay within ${root}, found one that leads out of it`,
    where: file,
    help: 'copy the file into the folder, or follow such links with --set data.followLinks=true',
  })
}

function refuseFile(file: string, reason: string): never {
  return fail({
    kind: 'data',
    message: `expected a file, got: ${reason}`,
    where: file,
    help: 'remove it from the folder',
  })
}
