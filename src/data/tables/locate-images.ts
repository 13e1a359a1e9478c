import { realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
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
  /** What paths begin with that is not in the folder, and is passed over. */
  readonly prefixes: readonly string[]
}

/** Number of files looked for concurrently. */
const concurrency = 64

/**
 * Finds the files of rows: relative to the folder of the labels file, or to a folder in it, whichever the first rows are found
 * in; with an ending where the names have none, and without the first folders of a path where it is one of another place.
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
  const prefixes = [...places.values()].flatMap(({ prefix }) => (prefix === '' ? [] : [prefix]))
  if (prefixes.length > 0) refuseCommonFiles(images)
  // Whole paths of the folder itself are as good as relative ones.
  const isOwn = (prefix: string): boolean => [resolve(root), within].includes(prefix.replace(/\/$/, ''))
  return { images, missing, prefixes: [...new Set(prefixes)].filter(prefix => !isOwn(prefix)) }
}

/** A sentence about paths that are read by their ends; none where all are as they stand. */
export function leftOutPrefixes(prefixes: readonly string[]): readonly string[] {
  if (prefixes.length === 0) return []
  const parts = [...new Set(prefixes)][0]!.split('/').filter(part => part !== '')
  return [
    `paths begin with ${parts.length === 0 ? '/' : `…/${parts.at(-1)}/`}, which is not in the folder, and are read without it`,
  ]
}

/** Without what they begin with, different paths may become one. */
function refuseCommonFiles(images: readonly (LabelledRow & ImageFile)[]): void {
  const seen = new Map<string, string>()
  for (const { path, where, split } of images) {
    const key = `${split ?? ''} ${path}`
    const before = seen.get(key)
    if (before !== undefined)
      fail({
        kind: 'data',
        message: `expected an image of its own for each path, found that of ${before}`,
        where,
        help: 'write paths relative to the folder of the labels file',
      })
    seen.set(key, where)
  }
}

/** What makes paths those of files: a folder before them, an ending, and what they begin with and is left out. */
interface Place {
  readonly folder: string
  readonly ending: string
  readonly prefix: string
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
  const prefixes = own.map(({ path }) => prefixesOf(slashed(path)))
  const most = Math.max(0, ...prefixes.map(each => each.length))
  // The fewest folders are left out that make the paths those of files.
  for (let count = 0; count < most; count++)
    for (const folder of imagePlaces(home, split))
      for (const ending of endings)
        for (const [i, { path, where }] of own.entries()) {
          const prefix = prefixes[i]![count]
          if (prefix === undefined) continue
          const rest = slashed(path).slice(prefix.length)
          const found = await stat(`${pathInside(folder, rest, where)}${ending}`).catch(() => undefined)
          // Anything that is there and no folder: a pipe is refused by its name later.
          if (found !== undefined && !found.isDirectory()) return { folder, ending, prefix }
        }
  return { folder: home, ending: '', prefix: '' }
}

/** What a path may begin with that is of another place: its folders, one more each time; of a whole path at least its root. */
function prefixesOf(path: string): readonly string[] {
  const root = /^([a-z]:)?\/+/i.exec(path)?.[0] ?? ''
  const parts = path.slice(root.length).split('/')
  return parts.map(
    (_, i) =>
      root +
      parts
        .slice(0, i)
        .map(part => `${part}/`)
        .join(''),
  )
}

/** Backslashes of Windows, where there is no slash. */
const slashed = (path: string): string => (path.includes('/') ? path : path.replaceAll('\\', '/'))

interface Missing extends SkippedFile {
  readonly where: string
}

async function locateOne<R extends LabelledRow>(
  row: R,
  { folder, ending, prefix }: Place,
  within: string | undefined,
): Promise<(R & ImageFile) | Missing> {
  const { where } = row
  const given = slashed(row.path)
  const rest = given.startsWith(prefix) ? given.slice(prefix.length) : given
  const path = `${pathInside(folder, rest, where)}${ending}`
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
