import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fail } from '../../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { pathInside, staysWithin } from '../../files/path-inside.ts'
import type { SkippedFile } from '../dataset.ts'
import type { ImageFile } from '../image-files.ts'
import { imageEndings, isImageName } from '../image-names.ts'
import { imagePlaces } from './image-places.ts'
import type { LabelledRow } from './label-file.ts'

/** How files are looked for. */
export interface LocateOptions {
  /** The folder that paths and links may not leave. */
  readonly root: string
  readonly unreadable: 'stop' | 'skip'
  /** Whether links may lead out of the folder. */
  readonly followLinks?: boolean | undefined
}

/** Rows with their files. */
export interface LocatedImages<R> {
  readonly images: readonly (R & ImageFile & { readonly bytes: number })[]
  /** Files that are missing, under `skip`. */
  readonly missing: readonly SkippedFile[]
}

/** Number of files looked for concurrently. */
const concurrency = 64

/**
 * Finds the files of rows: relative to the folder of the labels file, or to a folder in it, whichever the first rows are found
 * in; with an ending where the names have none.
 *
 * @throws MoietyError `data` for a path or link that leads out of the folder, and under `stop` for a file that is missing
 */
export async function locateImages<R extends LabelledRow>(
  rows: readonly R[],
  { root, unreadable, followLinks = false }: LocateOptions,
): Promise<LocatedImages<R>> {
  const images: (R & ImageFile & { readonly bytes: number })[] = []
  const missing: SkippedFile[] = []
  const places = new Map<string, Place>()
  const within = followLinks ? undefined : await realpath(root)
  for (let first = 0; first < rows.length; first += concurrency) {
    const group = rows.slice(first, first + concurrency)
    const found: ((R & ImageFile) | Missing)[] = []
    for (const row of group) {
      const key = `${row.split ?? ''} ${row.file}`
      if (!places.has(key)) places.set(key, await placeOf(rows, row))
    }
    found.push(
      ...(await Promise.all(
        group.map(row => locateOne(row, places.get(`${row.split ?? ''} ${row.file}`)!, within)),
      )),
    )
    for (const each of found) {
      if (!('reason' in each)) images.push(each as R & ImageFile & { readonly bytes: number })
      else if (unreadable === 'skip') missing.push({ path: each.path, reason: each.reason })
      else stopAt(each)
    }
  }
  return { images, missing }
}

/** A folder and an ending that make paths those of files. */
interface Place {
  readonly folder: string
  readonly ending: string
}

/** So many rows say where images are: one of them may be missing. */
const tried = 8

async function placeOf<R extends LabelledRow>(rows: readonly R[], { file, split }: R): Promise<Place> {
  const own: R[] = []
  for (const row of rows) {
    if (row.file === file && row.split === split) own.push(row)
    if (own.length === tried) break
  }
  const endings = own.some(({ path }) => isImageName(path))
    ? ['']
    : ['', ...imageEndings.flatMap(ending => [`.${ending}`, `.${ending.toUpperCase()}`])]
  const home = dirname(file)
  for (const folder of imagePlaces(home, split))
    for (const ending of endings)
      for (const { path, where } of own) {
        const found = await stat(`${pathInside(folder, slashed(path), where)}${ending}`).catch(
          () => undefined,
        )
        // Anything that is there and no folder: a pipe is refused by its name later.
        if (found !== undefined && !found.isDirectory()) return { folder, ending }
      }
  return { folder: home, ending: '' }
}

/** Backslashes of Windows, where there is no slash. */
const slashed = (path: string): string => (path.includes('/') ? path : path.replaceAll('\\', '/'))

interface Missing extends SkippedFile {
  readonly where: string
}

async function locateOne<R extends LabelledRow>(
  row: R,
  { folder, ending }: Place,
  within: string | undefined,
): Promise<(R & ImageFile) | Missing> {
  const { where } = row
  const path = `${pathInside(folder, slashed(row.path), where)}${ending}`
  try {
    const found = await stat(path)
    if (within !== undefined && !(await staysWithin(path, within))) refuseLink(path, where)
    if (found.isFile()) return { ...row, path, bytes: found.size }
    return { path, reason: 'it is no file', where }
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause)) throw cause
    rethrowExhausted(cause, 'look at', path)
    return { path, reason: reasonOf(cause), where }
  }
}

function refuseLink(path: string, where: string): never {
  return fail({
    kind: 'data',
    message: `expected images in the folder of the labels, found a link that leads out of it: ${path}`,
    where,
    help: 'copy the file into the folder, put the labels file where the images are, or follow links with --set data.followLinks=true',
  })
}

function stopAt({ path, reason, where }: Missing): never {
  return fail({
    kind: 'data',
    message: `expected the image ${path}, which cannot be opened: ${reason}`,
    where,
    help: 'paths are relative to the folder of the labels file, or to a folder in it; correct them, or skip such images with --set data.unreadable=skip',
  })
}
