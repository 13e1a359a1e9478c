import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fail, MoietyError } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { quoted } from '../../files/json-reader.ts'
import {
  type CocoAnnotations,
  type CocoCategory,
  type CocoImage,
  readCocoAnnotations,
} from '../coco/annotations.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import type { BoxFolder, BoxImage, BoxReading, BoxSplit } from './box-folder.ts'
import { type CocoFiles, imageFolders, orderedFiles } from './coco-layout.ts'
import { divide, divisionInWords } from './divide.ts'
import { refuseLeaving, rootOf } from './folder-listing.ts'
import { ImageFinder } from './image-finder.ts'

/** Paths of each split; null or undefined where there is none. */
export type SplitPaths = Readonly<Partial<Record<SplitName, string | null>>>

interface Side {
  readonly role: SplitName | 'all'
  readonly file: string
  readonly read: CocoAnnotations
  /** Folders in which images are looked for. */
  readonly folders: readonly string[]
  /** The folder that links may not leave. */
  readonly root: string
}

/**
 * Reads a folder in COCO's format.
 *
 * @param root - a real path
 * @param found - by `findCocoFiles`
 */
export async function readCocoFolder(
  root: string,
  found: CocoFiles,
  reading: BoxReading,
): Promise<BoxFolder> {
  const sides: Side[] = []
  for (const [role, file] of orderedFiles(found.files)) {
    await refuseLeaving(file, root)
    const read = readSide(file, reading)
    sides.push({ role, file, read, root, folders: await imageFolders(root, file, role) })
  }
  const others =
    found.others.length === 0 ? [] : [`annotations that are not used: ${found.others.slice(0, 5).join(', ')}`]
  return await boxFolderOf(root, found.pattern, sides, reading, others)
}

/**
 * Reads annotation files that a configuration names, `data.annotations` and `data.images`.
 *
 * @param directory - what relative paths are relative to
 */
export async function readCocoPaths(
  directory: string,
  annotations: SplitPaths,
  images: SplitPaths,
  reading: BoxReading,
): Promise<BoxFolder> {
  const place = (path: string): string => (isAbsolute(path) ? path : resolve(directory, path))
  const unused = splitNames.find(split => images[split] && !annotations[split])
  const noTrain = !annotations.train
  if (unused !== undefined || noTrain) {
    const missing = noTrain ? 'train' : unused
    fail({
      kind: 'usage',
      message: `expected the annotations of ${missing}, got none`,
      where: `data.annotations.${missing}`,
      help: `name the file, as in --set data.annotations.${missing}=instances_${missing}.json`,
    })
  }
  const sides: Side[] = []
  for (const split of splitNames) {
    const given = annotations[split]
    if (given === undefined || given === null) continue
    const file = place(given)
    const folder = images[split]
    const own = folder === undefined || folder === null ? dirname(file) : place(folder)
    if (kindOf(own) !== 'folder')
      fail({
        kind: 'data',
        message: 'expected a folder of images, found none',
        where: own,
        help: `set data.images.${split} to the folder that file_name is relative to`,
      })
    const root = await rootOf(own)
    const folders = folder ? [own] : await imageFolders(root, join(root, basename(file)), split)
    sides.push({ role: split, file, read: readSide(file, reading), root, folders })
  }
  const names = sides.map(({ file }) => relative(resolve(directory), file)).join(', ')
  return await boxFolderOf(resolve(directory), names, sides, reading, [])
}

async function boxFolderOf(
  root: string,
  pattern: string,
  sides: readonly Side[],
  reading: BoxReading,
  notices: readonly string[],
): Promise<BoxFolder> {
  const [first, ...others] = sides
  const isWhole = sides.length === 1 && (first!.role === 'all' || first!.role === 'train')
  if (!isWhole && first!.role !== 'train')
    fail({
      kind: 'data',
      message: `expected annotations of train and of val or test, found only ${sides.map(({ file }) => relative(root, file)).join(', ')}`,
      where: root,
      help: 'add those of train, or give one file for all images: it is then divided',
    })
  const categories = usedCategories(commonCategories(first!, others), sides, reading)
  const ids = new Set(categories.map(({ id }) => id))
  const splits = new Map<SplitName, BoxSplit>()
  const folders: string[] = []
  for (const side of sides) {
    const split = await splitOf(side, ids, reading)
    folders.push(relative(root, split.folder) || '.')
    if (!isWhole) {
      splits.set(side.role === 'all' ? 'train' : side.role, split)
      continue
    }
    for (const [role, images] of divide(split.images, ({ name }) => name, reading.seed)) {
      const own = new Set(images.map(({ id }) => id))
      const objects = split.objects.filter(({ imageId }) => own.has(imageId))
      splits.set(role, { ...split, images, objects, total: images.length })
    }
  }
  return {
    format: 'coco',
    layout: `${pattern}, images in ${[...new Set(folders)].join(', ')}`,
    root,
    categories,
    splits,
    division: isWhole ? divisionInWords(reading.seed) : undefined,
    notices,
  }
}

function readSide(file: string, { problems, progress }: BoxReading): CocoAnnotations {
  const what = `reading ${basename(file)}`
  const onProgress = (done: number, total: number) => progress?.({ done, total, what })
  const before = problems.count('object-without-box')
  const read = readCocoAnnotations(file, { problems, onProgress })
  const without = problems.count('object-without-box') - before
  if (read.annotations.length === 0 && without > 0)
    problems.unlessRefused('whole', () =>
      fail({
        kind: 'data',
        message: `expected objects with a bbox or a segmentation, found none in ${without} annotations`,
        where: file,
        help: 'annotations of other tasks (panoptic segments, captions, classes) have no boxes; give those of object detection (instances)',
      }),
    )
  if (read.images.length > 0 && read.categories.length > 0) return read
  return fail({
    kind: 'data',
    message: `expected images and categories, the list of ${read.images.length > 0 ? 'categories' : 'images'} is empty`,
    where: file,
    help: 'is it the right file?',
  })
}

async function splitOf(
  side: Side,
  categories: ReadonlySet<number>,
  { problems }: BoxReading,
): Promise<BoxSplit> {
  const { file, read, root } = side
  const finder = new ImageFinder(root)
  const folder = await fullestFolder(side, finder)
  await refuseLeaving(folder, root)
  const owners = new Map<string, number>()
  const images: BoxImage[] = []
  const take = async (image: CocoImage, i: number): Promise<void> => {
    const where = `${file}, images[${i}].file_name`
    const name = nameOf(image, where)
    const { path, spelling } = await finder.find(folder, name, where)
    for (const kind of spelling) problems.add(kind, file, quoted(name))
    const owner = owners.get(path)
    if (owner !== undefined) {
      fail({
        kind: 'data',
        message: `expected a file of its own, got that of the image ${owner}`,
        where,
        help: 'give all objects of a file to one image',
      })
    }
    owners.set(path, image.id)
    images.push({ id: image.id, name, path, width: image.width, height: image.height })
  }
  for (const [i, image] of read.images.entries()) await take(image, i).catch(problems.orRefused('record'))
  const objects = read.annotations.filter(({ categoryId }) => categories.has(categoryId))
  return { source: file, folder, root, images, objects, unit: 'pixels', total: images.length }
}

function nameOf({ fileName }: CocoImage, where: string): string {
  if (fileName !== null) return fileName
  return fail({
    kind: 'data',
    message: 'expected the member file_name, found none',
    where,
    help: 'training needs the name of every image',
  })
}

/** Images of a file that are looked for in each folder, spread evenly over it. */
const mostLookedFor = 64

/** The folder that has most of the images; of equals the first. */
async function fullestFolder({ file, read, folders }: Side, finder: ImageFinder): Promise<string> {
  const [first, ...others] = folders
  if (first === undefined || others.length === 0) return first ?? dirname(file)
  const count = Math.min(read.images.length, mostLookedFor)
  let best = { folder: first, score: -1 }
  for (const folder of folders) {
    let score = 0
    for (let i = 0; i < count; i++) {
      const at = Math.floor((i * read.images.length) / count)
      const where = `${file}, images[${at}].file_name`
      const { fileName } = read.images[at]!
      const found = fileName === null ? undefined : await finder.find(folder, fileName, where).catch(orLater)
      // Without a name, or with one that leaves the folder: refused where all are looked for.
      if (found === undefined) continue
      const { path, spelling } = found
      if ((await finder.absence(path)) !== 'missing') score += spelling.includes('folder-prefix') ? 1 : 2
    }
    if (score > best.score) best = { folder, score }
    if (score === 2 * count) break
  }
  return best.folder
}

function orLater(cause: unknown): undefined {
  if (!(cause instanceof MoietyError) || cause.kind !== 'data') throw cause
}

/** The categories, which must be the same in all files. */
function commonCategories({ read }: Side, others: readonly Side[]): readonly CocoCategory[] {
  const named = ({ id, name }: CocoCategory): string => `${id} ${quoted(name)}`
  const trained = new Set(read.categories.map(named))
  for (const { role, file, read: other } of others) {
    const own = new Set(other.categories.map(named))
    const different = [...trained, ...own].filter(each => !trained.has(each) || !own.has(each))
    if (different.length === 0) continue
    fail({
      kind: 'data',
      message: `expected the same categories, by id and name, in train and ${role}; only on one side: ${different.slice(0, 5).join(', ')}${different.length > 5 ? ` and ${different.length - 5} more` : ''}`,
      where: file,
      help: 'write all categories into all files; categories may have no objects',
    })
  }
  return read.categories
}

/** Without a root, as Roboflow writes it: a category without objects that is the supercategory of others and has none itself. */
function usedCategories(
  categories: readonly CocoCategory[],
  sides: readonly Side[],
  { problems }: BoxReading,
): readonly CocoCategory[] {
  const used = new Set<number>()
  for (const { read } of sides) for (const { categoryId } of read.annotations) used.add(categoryId)
  const isRoot = ({ id, name, supercategory }: CocoCategory): boolean =>
    !used.has(id) &&
    (supercategory === null || supercategory === '' || supercategory.toLowerCase() === 'none') &&
    categories.some(other => other.id !== id && other.supercategory === name)
  const roots = categories.filter(isRoot)
  for (const { name } of roots) problems.add('root-category', sides[0]!.file, quoted(name))
  return categories.filter(category => !roots.includes(category))
}
