import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../files/disk.ts'
import { staysWithin } from '../files/path-inside.ts'
import { isJunkFile, JunkList } from './junk-files.ts'
import { mapConcurrently } from './map-concurrently.ts'
import {
  aliasesInWords,
  composedSplits,
  isLikeSplit,
  roleOf,
  type SplitName,
  splitNames,
} from './split-names.ts'

/** A class of a folder of images, with its files in the order of their names' code units. */
export interface ClassFolder {
  readonly superclass: string | undefined
  readonly name: string
  /** The folder itself. */
  readonly place: string
  readonly files: readonly string[]
}

/** The content of a folder of images. */
export interface ImageTree {
  /** For training; where the folder has neither `val` nor `test`, all its images. */
  readonly train: readonly ClassFolder[]
  /** Classes may be missing or without files in these two. */
  readonly val: readonly ClassFolder[] | undefined
  readonly test: readonly ClassFolder[] | undefined
  /** A sentence about ignored files that are not part of the data. */
  readonly leftOut: string | undefined
  /** A sentence about superclasses that have the same classes, like splits of other names. */
  readonly alike: string | undefined
}

const layouts = `Supported layouts: DIR/class/image; DIR/superclass/class/image; and either of them below splits, as in DIR/train/class/image. A split is ${aliasesInWords}; train is needed, and nothing else may be next to splits. A class with such a name: rename its folder, or put all classes below train/`

/**
 * Finds the classes of a folder: `class/image` or `superclass/class/image`, optionally below folders for the splits
 * train, val and test (`split-names.ts` has their names). Junk (`junk-files.ts`) is ignored. A symbolic link may
 * point elsewhere within the folder, and out of it with `followLinks`.
 *
 * @throws MoietyError of kind `data` for a folder that is missing, mixed, empty, that has misplaced splits or
 *   one split twice, or links that leave it
 */
export async function findImages(
  directory: string,
  { followLinks = false }: { readonly followLinks?: boolean } = {},
): Promise<ImageTree> {
  const root = await realpath(directory).catch((cause: unknown) => {
    rethrowExhausted(cause, 'open', directory)
    return fail({
      kind: 'data',
      message: 'expected a folder of images, found none that can be opened',
      where: directory,
      help: 'one folder a class, images in it: DIR/cat/1.jpg, or DIR/animals/cat/1.jpg',
      cause,
    })
  })
  const junk = new JunkList()
  const within = followLinks ? undefined : root
  const reader = new TreeReader(within, junk)
  const top = await list(root, within)
  const splits = await splitsOf(top.folders, root)
  if (splits === undefined) {
    const train = await reader.classes(root, 'every class has images')
    const alike = alikeSuperclasses(train, root)
    return { train, val: undefined, test: undefined, leftOut: junk.sentence(), alike }
  }
  refuseStray(reader.besideFolders(top), root)
  const read = async (role: 'val' | 'test') => {
    const folder = splits.get(role)
    return folder === undefined ? undefined : await reader.classes(folder, 'a class may be empty')
  }
  return {
    train: await reader.classes(splits.get('train')!, 'every class has images'),
    val: await read('val'),
    test: await read('test'),
    leftOut: junk.sentence(),
    alike: undefined,
  }
}

/**
 * Superclasses that all have the same classes, as `fold1` and `fold2` or `fresh` and `rotten`: a sentence that says how they are
 * read; undefined where there are none.
 *
 * @throws MoietyError of kind `data` where their names are like those of splits as well: `tr` and `te`
 */
function alikeSuperclasses(classes: readonly ClassFolder[], root: string): string | undefined {
  const bySuperclass = new Map<string, string[]>()
  for (const { superclass, name } of classes) {
    if (superclass === undefined) return undefined
    bySuperclass.set(superclass, [...(bySuperclass.get(superclass) ?? []), name])
  }
  if (bySuperclass.size < 2) return undefined
  const [own, ...others] = [...bySuperclass.values()].map(names => names.join('/'))
  if (others.some(names => names !== own)) return undefined
  const names = [...bySuperclass.keys()]
  const found = names
    .slice(0, 5)
    .map(name => `${name}/`)
    .join(', ')
  const more = names.length > 5 ? ` and ${names.length - 5} more` : ''
  if (names.every(isLikeSplit))
    refuseSplits(
      `found ${found}, which have the same classes and look like splits: name them train/, val/ and test/`,
      root,
    )
  return `${found}${more} have the same classes, and are read as superclasses: ${classes.length} classes in all. If they are splits, name them train/, val/ and test/`
}

/** The folder of each split; undefined where no folder looks like one. */
async function splitsOf(
  folders: readonly string[],
  root: string,
): Promise<ReadonlyMap<SplitName, string> | undefined> {
  const named = folders.filter(name => !isJunkFile(name, 'folder'))
  const splits = new Map<SplitName, string>()
  const places = new Map<string, string>()
  for (const name of named) {
    const role = roleOf(name)
    if (role === undefined) continue
    const other = splits.get(role)
    if (other !== undefined) refuseSplits(`found two for ${role}: ${other} and ${name}`, root)
    splits.set(role, name)
    const place = await realpath(join(root, name))
    const same = places.get(place)
    if (same !== undefined) refuseSplits(`found one folder as both ${same} and ${name}`, root)
    places.set(place, name)
  }
  const composed = composedSplits(named)
  if (composed.length > 0) {
    const example = composed.map(name => `${name}/`).join(' and ')
    refuseSplits(`found ${example}, which look like splits: name them train/, val/ and test/`, root)
  }
  if (splits.size === 0) return undefined
  const found = splitNames.flatMap(role => splits.get(role) ?? []).map(name => `${name}/`)
  const nextTo = named.filter(name => ![...splits.values()].includes(name))
  if (nextTo.length > 0) {
    const more = nextTo.length > 5 ? ` and ${nextTo.length - 5} more` : ''
    const others = nextTo.slice(0, 5).map(name => `${name}/`)
    refuseSplits(`found ${found.join(', ')}, named like a split, next to ${others.join(', ')}${more}`, root)
  }
  if (!splits.has('train')) refuseSplits(`found ${found.join(', ')} and no train/`, root)
  return new Map([...splits].map(([role, name]) => [role, join(root, name)]))
}

function refuseSplits(found: string, where: string): never {
  return fail({
    kind: 'data',
    message: `expected folders of classes or of splits, ${found}`,
    where,
    help: layouts,
  })
}

/** Names of splits one level too deep: all classes of a class/split or DIR/DATASET/split tree would have these names. */
function refuseDeepSplits(superclasses: readonly (readonly [string, Listing])[], folder: string): void {
  const children = superclasses.map(([name, { folders }]) => ({
    name,
    roles: folders.map(roleOf).filter(role => role !== undefined),
    all: folders.length,
  }))
  const several = children.find(({ roles }) => new Set(roles).size > 1)
  const isEvery = children.every(({ roles, all }) => all > 0 && roles.length === all)
  const [found] = several === undefined ? (isEvery ? children : []) : [several]
  if (found === undefined) return
  const [, listing] = superclasses.find(([name]) => name === found.name)!
  const split = listing.folders.find(name => roleOf(name) !== undefined)
  refuseSplits(
    superclasses.length === 1
      ? `found splits one level down: ${join(found.name, split!)}/. Did you mean the folder ${found.name}?`
      : `found splits within a class: ${join(found.name, split!)}/. Swap them: ${split}/${found.name}/`,
    folder,
  )
}

interface Listing {
  readonly folders: readonly string[]
  readonly files: readonly string[]
}

type Emptiness = 'every class has images' | 'a class may be empty'

/** Reads the classes below a folder, and records junk. */
class TreeReader {
  constructor(
    /** The folder that links may not leave. */
    readonly root: string | undefined,
    readonly junk: JunkList,
  ) {}

  /** The relevant entries of a folder of folders. */
  besideFolders({ folders, files }: Listing): Listing {
    return { folders: this.#kept(folders, 'folder'), files: this.#kept(files, 'file next to folders') }
  }

  async classes(folder: string, emptiness: Emptiness): Promise<readonly ClassFolder[]> {
    const top = this.besideFolders(await list(folder, this.root))
    if (top.files.length > 0 || top.folders.length === 0) {
      const found = top.files[0] === undefined ? 'an empty one' : `the file ${top.files[0]}`
      fail({
        kind: 'data',
        message: `expected a folder with one folder a class, found ${found}`,
        where: folder,
        help: `put every image into the folder of its class, as in DIR/cat/1.jpg, and anything else elsewhere. ${layouts}`,
      })
    }
    const listings = await mapConcurrently(top.folders, name => list(join(folder, name), this.root))
    const isFlat = listings.every(({ folders }) => folders.every(name => isJunkFile(name, 'folder')))
    const inside = listings.map(listing => (isFlat ? this.#images(listing) : this.besideFolders(listing)))
    if (isFlat)
      return top.folders.map((name, i) =>
        withFiles(undefined, name, join(folder, name), inside[i]!, emptiness),
      )
    const mixed = inside.findIndex(({ folders, files }) => folders.length > 0 && files.length > 0)
    if (mixed >= 0) {
      const { folders, files } = inside[mixed]!
      fail({
        kind: 'data',
        message: `expected images or folders of classes, found both: the file ${files[0]} next to the folder ${folders[0]}`,
        where: join(folder, top.folders[mixed]!),
        help: 'use the same depth everywhere: DIR/class/image or DIR/superclass/class/image',
      })
    }
    refuseDeepSplits(
      top.folders.map((name, i) => [name, inside[i]!] as const),
      folder,
    )
    const flat = inside.findIndex(({ folders }) => folders.length === 0)
    const deep = inside.findIndex(({ folders }) => folders.length > 0)
    if (flat >= 0 && deep >= 0 && inside[flat]!.files.length > 0) {
      const [name, own] = [top.folders[deep]!, inside[deep]!.folders[0]!]
      fail({
        kind: 'data',
        message: `expected the same depth everywhere, found images in ${top.folders[flat]}/ and the folder ${own}/ in ${name}/`,
        where: folder,
        help: `use DIR/class/image or DIR/superclass/class/image; if ${name}/ is not part of the data, move it elsewhere`,
      })
    }
    const nested = top.folders.map((name, i) =>
      this.#classesOfSuperclass(name, join(folder, name), inside[i]!, emptiness),
    )
    return (await Promise.all(nested)).flat()
  }

  async #classesOfSuperclass(
    superclass: string,
    folder: string,
    { folders, files }: Listing,
    emptiness: Emptiness,
  ): Promise<readonly ClassFolder[]> {
    if (files.length > 0 || folders.length === 0) {
      fail({
        kind: 'data',
        message: 'expected folders of classes only, as in its sibling folders, found files or nothing',
        where: folder,
        help: 'use the same depth everywhere: DIR/class/image or DIR/superclass/class/image',
      })
    }
    return await mapConcurrently(folders, async name => {
      const place = join(folder, name)
      const listing = this.#images(await list(place, this.root))
      if (listing.folders.length > 0) {
        fail({
          kind: 'data',
          message: `expected images in superclass/class, found the folder ${listing.folders[0]} there`,
          where: place,
          help: `at most two levels of folders: DIR/superclass/class/image. ${layouts}`,
        })
      }
      return withFiles(superclass, name, place, listing, emptiness)
    })
  }

  /** The relevant entries of a folder of images. */
  #images({ folders, files }: Listing): Listing {
    return { folders: this.#kept(folders, 'folder'), files: this.#kept(files, 'file') }
  }

  #kept(names: readonly string[], kind: Parameters<typeof isJunkFile>[1]): readonly string[] {
    return names.filter(name => {
      const isLeftOut = isJunkFile(name, kind)
      if (isLeftOut) this.junk.add(name)
      return !isLeftOut
    })
  }
}

function refuseStray({ files }: Listing, folder: string): void {
  if (files[0] === undefined) return
  fail({
    kind: 'data',
    message: `expected folders of splits only, found the file ${files[0]}`,
    where: folder,
    help: `put every image into the folder of its class, as in DIR/train/cat/1.jpg, and anything else elsewhere`,
  })
}

function withFiles(
  superclass: string | undefined,
  name: string,
  place: string,
  { files }: Listing,
  emptiness: Emptiness,
): ClassFolder {
  if (files.length === 0 && emptiness === 'every class has images') {
    fail({
      kind: 'data',
      message: 'expected images, found an empty folder',
      where: place,
      help: 'put images into it or remove it',
    })
  }
  return { superclass, name, place, files: files.map(file => join(place, file)) }
}

/**
 * Sorted by code units, so the order, and with it every label, is the same on every machine. Files are not looked at one by one, which
 * for a million takes minutes.
 */
async function list(folder: string, root: string | undefined): Promise<Listing> {
  const entries = await onDisk(folder, () => readdir(folder, { withFileTypes: true }))
  const folders: string[] = []
  const files: string[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = entry
    const path = join(folder, name)
    // Links among hidden files are not checked: hidden files are never read.
    if (name.startsWith('.')) {
      files.push(name)
      continue
    }
    if (entry.isSymbolicLink() && root !== undefined) await refuseLeaving(path, root)
    const found = entry.isSymbolicLink() ? await onDisk(path, () => stat(path)) : entry
    if (found.isDirectory()) folders.push(name)
    else if (found.isFile()) files.push(name)
    else refuseSpecial(path)
  }
  return { folders, files }
}

async function onDisk<T>(path: string, read: () => Promise<T>): Promise<T> {
  return await read().catch((cause: unknown) => {
    rethrowExhausted(cause, 'open', path)
    return fail({
      kind: 'data',
      message: `cannot be opened: ${reasonOf(cause)}`,
      where: path,
      help: 'make it readable, or move it out of the folder of images',
      cause,
    })
  })
}

/** Opening a pipe or a device could block forever. */
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
  fail({
    kind: 'data',
    message: `expected links that stay within ${root}, got one that leads out or nowhere`,
    where: path,
    help: 'copy the file into the folder, give the folder that it is in, or follow such links with --set data.followLinks=true',
  })
}
