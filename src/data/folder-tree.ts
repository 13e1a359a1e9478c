import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { staysWithin } from '../files/inside.ts'

/** A class of a folder of images, with its files in the order of their names' code units. */
export interface ClassFolder {
  readonly superclass: string | undefined
  readonly name: string
  readonly files: readonly string[]
}

/** What a folder of images holds: one list of classes, or one for training and one for testing. */
export type ImageTree =
  | { readonly kind: 'whole'; readonly classes: readonly ClassFolder[] }
  | { readonly kind: 'split'; readonly train: readonly ClassFolder[]; readonly test: readonly ClassFolder[] }

/**
 * Finds the classes of a folder: `class/image` or `superclass/class/image`, optionally below `train/` and
 * `test/` (or `val/`). Names that begin with a dot are left out. A symbolic link may point elsewhere within the
 * folder, not out of it.
 *
 * @throws MoietyError of kind `data` for a folder that is missing, mixed, empty, or that links out of itself
 */
export async function findImages(directory: string): Promise<ImageTree> {
  const root = await realpath(directory).catch((cause: unknown) =>
    fail({
      kind: 'data',
      message: 'expected a folder of images, found none that can be opened',
      where: directory,
      help: 'one folder a class, images in it: DIR/cat/1.jpg, or DIR/animals/cat/1.jpg',
      cause,
    }),
  )
  const { folders } = await list(root, root)
  const train = folders.includes('train') ? 'train' : undefined
  const test = ['test', 'val'].find(name => folders.includes(name))
  if (train !== undefined && test !== undefined && folders.length === 2) {
    return {
      kind: 'split',
      train: await findClasses(join(root, train), root),
      test: await findClasses(join(root, test), root),
    }
  }
  return { kind: 'whole', classes: await findClasses(root, root) }
}

interface Listing {
  readonly folders: readonly string[]
  readonly files: readonly string[]
}

async function findClasses(folder: string, root: string): Promise<readonly ClassFolder[]> {
  const top = await list(folder, root)
  if (top.files.length > 0 || top.folders.length === 0) {
    const found = top.files[0] === undefined ? 'an empty one' : `the file ${top.files[0]}`
    fail({
      kind: 'data',
      message: `expected a folder with one folder a class, found ${found}`,
      where: folder,
      help: `put every image into the folder of its class, as in DIR/cat/1.jpg, and anything else elsewhere`,
    })
  }
  const inside = await Promise.all(top.folders.map(name => list(join(folder, name), root)))
  const flat = inside.every(({ folders }) => folders.length === 0)
  if (flat) return top.folders.map((name, i) => withFiles(undefined, name, join(folder, name), inside[i]!))
  const mixed = inside.findIndex(({ folders, files }) => folders.length > 0 && files.length > 0)
  if (mixed >= 0) {
    const { folders, files } = inside[mixed]!
    fail({
      kind: 'data',
      message: `expected images or folders of classes, found both: the file ${files[0]} beside the folder ${folders[0]}`,
      where: join(folder, top.folders[mixed]!),
      help: 'use the same depth everywhere: DIR/class/image or DIR/superclass/class/image',
    })
  }
  const nested = top.folders.map((name, i) => classesOfSuperclass(name, join(folder, name), inside[i]!, root))
  return (await Promise.all(nested)).flat()
}

async function classesOfSuperclass(
  superclass: string,
  folder: string,
  { folders, files }: Listing,
  root: string,
): Promise<readonly ClassFolder[]> {
  if (files.length > 0 || folders.length === 0) {
    fail({
      kind: 'data',
      message: 'expected folders of classes only, as in the folders beside it, found files or nothing',
      where: folder,
      help: 'use the same depth everywhere: DIR/class/image or DIR/superclass/class/image',
    })
  }
  return Promise.all(
    folders.map(async name => {
      const place = join(folder, name)
      const listing = await list(place, root)
      if (listing.folders.length > 0) {
        fail({
          kind: 'data',
          message: `expected images in superclass/class, found the folder ${listing.folders[0]} there`,
          where: place,
          help: 'at most two levels of folders: DIR/superclass/class/image',
        })
      }
      return withFiles(superclass, name, place, listing)
    }),
  )
}

function withFiles(
  superclass: string | undefined,
  name: string,
  place: string,
  { files }: Listing,
): ClassFolder {
  if (files.length === 0) {
    fail({
      kind: 'data',
      message: 'expected images, found an empty folder',
      where: place,
      help: 'put images into it or remove it',
    })
  }
  return { superclass, name, files: files.map(file => join(place, file)) }
}

/** Sorted by code units, so the order, and with it every label, is the same on every machine. */
async function list(folder: string, root: string): Promise<Listing> {
  const names = (await onDisk(folder, () => readdir(folder))).filter(name => !name.startsWith('.')).sort()
  const folders: string[] = []
  const files: string[] = []
  for (const name of names) {
    const path = join(folder, name)
    if ((await onDisk(path, () => lstat(path))).isSymbolicLink()) await refuseLeaving(path, root)
    const entry = await onDisk(path, () => stat(path))
    if (entry.isDirectory()) folders.push(name)
    else if (entry.isFile()) files.push(name)
    else refuseSpecial(path)
  }
  return { folders, files }
}

async function onDisk<T>(path: string, read: () => Promise<T>): Promise<T> {
  return await read().catch((cause: unknown) =>
    fail({
      kind: 'data',
      message: `cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: path,
      help: 'make it readable, or take it out of the folder of images',
      cause,
    }),
  )
}

/** Opening a pipe or a device could wait for ever. */
function refuseSpecial(path: string): never {
  return fail({
    kind: 'data',
    message: 'expected a file or a folder, found something else (a pipe, a socket or a device)',
    where: path,
    help: 'remove it from the folder',
  })
}

async function refuseLeaving(path: string, root: string): Promise<void> {
  if (await staysWithin(path, root)) return
  const target = await realpath(path).catch(() => 'nowhere')
  fail({
    kind: 'data',
    message: `expected links that stay within ${root}, got one to ${target}`,
    where: path,
    help: 'copy the file into the folder, or give the folder that it is in',
  })
}
