import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { rethrowExhausted } from '../../files/disk.ts'
import { staysWithin } from '../../files/path-inside.ts'
import { isImageName } from '../image-names.ts'
import { isJunkFile } from '../junk-files.ts'
import { roleOf, type SplitName } from '../split-names.ts'
import type { FoundProblems } from './found-problems.ts'

/** An image of a folder, whatever the folder's shape is. */
export interface ScannedImage {
  readonly path: string
  readonly split: SplitName
  /** The folders between that of the split and the image: `animals/cat`; empty for one in none. */
  readonly className: string
}

/** Everything below a folder. */
export interface ScannedTree {
  readonly images: readonly ScannedImage[]
  /** Classes that have a folder, also without an image. */
  readonly folders: readonly { readonly split: SplitName; readonly className: string }[]
}

/** Folders below each other that are entered. */
const deepest = 8

/**
 * Lists the images of a folder in any shape, where reading it as classes ends at the first mistake: a class is the path of its folder
 * below that of a split. Reports junk, and links that lead out.
 *
 * @param counted - which files are images: in a folder of classes any other may be a damaged one
 */
export async function scanTree(
  directory: string,
  problems: FoundProblems,
  counted: 'every file in a class' | 'by their names',
  followLinks = false,
): Promise<ScannedTree> {
  const root = await realpath(directory)
  const within = followLinks ? undefined : root
  const images: ScannedImage[] = []
  const folders: { readonly split: SplitName; readonly className: string }[] = []
  const walk = async (
    folder: string,
    named: SplitName | undefined,
    names: readonly string[],
    depth: number,
  ): Promise<void> => {
    const split = named ?? 'train'
    const entries = await entriesOf(folder)
    const below: string[] = []
    const files: string[] = []
    for (const entry of entries) {
      const path = join(folder, entry.name)
      const isFolder = await kindOfEntry(entry, path, within)
      if (isFolder === undefined) problems.add('leads-out', problems.pathOf(path))
      else if (isFolder) below.push(entry.name)
      else files.push(entry.name)
    }
    const isClass = counted === 'every file in a class' && below.length === 0 && names.length > 0
    const role = counted === 'every file in a class' && below.length > 0 ? 'file next to folders' : 'file'
    for (const name of files) {
      const path = join(folder, name)
      if (isJunkFile(name, role)) problems.add('junk', problems.pathOf(path))
      else if (isClass || isImageName(name)) images.push({ path, split, className: names.join('/') })
    }
    if (below.length === 0 && names.length > 0 && !files.some(name => !isJunkFile(name, role)))
      folders.push({ split, className: names.join('/') })
    for (const name of below) {
      if (isJunkFile(name, 'folder')) problems.add('junk', `${problems.pathOf(join(folder, name))}/`)
      else if (depth < deepest) {
        const own = named === undefined ? roleOf(name) : undefined
        await walk(join(folder, name), own ?? named, own === undefined ? [...names, name] : [], depth + 1)
      }
    }
  }
  await walk(root, undefined, [], 0)
  return { images, folders }
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    rethrowExhausted(cause, 'list', folder)
    return []
  })
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Whether an entry is a folder; undefined for a link that is broken or leads out. */
async function kindOfEntry(
  entry: Dirent,
  path: string,
  within: string | undefined,
): Promise<boolean | undefined> {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || (within !== undefined && !(await staysWithin(path, within)))) return undefined
  return found.isDirectory()
}
