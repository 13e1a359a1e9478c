import { basename, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { quoted } from '../../files/json-reader.ts'
import { type CocoAnnotations, type CocoCategory, readCocoAnnotations } from '../coco/annotations.ts'
import { contentIdentity } from '../content-identity.ts'
import type { Limit, OnProgress, PerChannel, SkippedFile } from '../dataset.ts'
import { decodeStored, UnreadableImage } from '../image.ts'
import { type SplitName, splitNames, titleCounts } from '../split-names.ts'
import { type CanvasRule, canvasesOf, resizedSize } from './canvas.ts'
import { absentImages, type LocatedImage, nameImages } from './coco-images.ts'
import { type CocoSide, findCoco } from './coco-layout.ts'
import { objectsOf } from './coco-objects.ts'
import {
  checkScene,
  type DetectionDataset,
  type DetectionSplit,
  type Scene,
  type ScenePixels,
} from './detection-dataset.ts'
import { refuseOtherSizes } from './image-sizes.ts'
import { refuseImplausible } from './plausible-boxes.ts'
import { ProblemCounts } from './problem-counts.ts'

/** Options of a folder of images. */
export interface CocoOptions {
  readonly directory: string
  readonly rule: CanvasRule
  /** Policy for missing, damaged or misshapen images: stop with an error, or skip and report. */
  readonly unreadable: 'stop' | 'skip'
  /** At most this many images of each split, the first of the file; others are ignored. */
  readonly limit: Limit
  /** Policy for files with many implausible boxes (`plausible-boxes.ts`): stop with an error, or use them. */
  readonly implausibleBoxes: 'stop' | 'accept'
}

/** ImageNet's statistics, the usual ones for photographs. */
const mean: PerChannel = [0.485, 0.456, 0.406]
const std: PerChannel = [0.229, 0.224, 0.225]

/**
 * Images with boxes in COCO's format (see `coco-layout.ts` for the layouts). Annotations are read
 * record by record and images found by listing their folders; under `stop` images are decoded only when needed, so
 * a damaged one is found during training. Under `skip` all are decoded once on opening, and unreadable ones
 * are skipped.
 *
 * @throws MoietyError of kind `data`: the folder's layout, what `readCocoAnnotations` and `nameImages` refuse, splits
 *   with different categories or a common file, a split without images, implausible boxes, and under `stop` an
 *   missing image
 */
export async function openCoco(options: CocoOptions, progress?: OnProgress): Promise<DetectionDataset> {
  const { directory, rule, limit } = options
  const layout = await findCoco(directory)
  const sides = splitNames.flatMap(split => {
    const side = layout[split]
    return side === undefined ? [] : [{ split, side, read: readSide(side, progress) }]
  })
  const [first, ...others] = sides
  const categories = commonCategories(first!.read.categories, others)
  if (options.implausibleBoxes === 'stop')
    for (const { side, read } of sides) refuseImplausible(read, side.annotations)
  const labels = new Map(categories.map(({ id }, label) => [id, label]))
  const opened = new Map<SplitName, Opened>()
  for (const { split, side, read } of sides) {
    const most = split === 'train' ? limit.train : limit.test
    const images = nameImages(side, read.images).slice(0, most ?? undefined)
    const { kept, skipped } = await usable(images, layout.root, side, options, progress)
    const problems = new ProblemCounts()
    const scenes = scenesOf(kept, read, labels, problems)
    for (const [earlier, { images: before }] of opened) refuseCommonFiles(before, earlier, kept, split, side)
    opened.set(split, { images: kept, scenes, skipped: [...skipped, ...problems.skipped(side.annotations)] })
  }
  const superclasses = superclassesOf(categories)
  const partOf = ({ images, scenes }: Opened): DetectionSplit => splitOf(images, scenes, rule)
  const train = partOf(opened.get('train')!)
  const val = opened.has('val') ? partOf(opened.get('val')!) : undefined
  const test = partOf(opened.get('test') ?? { images: [], scenes: [], skipped: [] })
  const classes = categories.map(({ name }) => name)
  const used = { train, val, test }
  const imagesOf = (name: SplitName) => sides.find(({ split }) => split === name)?.read.images
  const all = { train: imagesOf('train')!, val: imagesOf('val'), test: imagesOf('test') ?? [] }
  return {
    name: 'coco',
    title: `images with boxes of the folder ${basename(resolve(directory))}: ${classes.length} classes, ${titleCounts(all, limit, used)}`,
    classes,
    categoryIds: categories.map(({ id }) => id),
    superclasses,
    superclassOf: superclasses && categories.map(each => superclasses.indexOf(each.supercategory!)),
    mean,
    std,
    canvases: canvasesOf(rule),
    sizeFactor: 1,
    train,
    val,
    test,
    content: await contentIdentity(
      [...opened.values()].flatMap(({ images }) => images.map(({ path }) => ({ path }))),
    ),
    skipped: [...opened.values()].flatMap(({ skipped }) => skipped),
    notices: untrainedClasses(train.scenes, classes),
  }
}

interface Opened {
  readonly images: readonly LocatedImage[]
  readonly scenes: readonly Scene[]
  readonly skipped: readonly SkippedFile[]
}

/** Reports classes without objects in the training images. */
function untrainedClasses(scenes: readonly Scene[], classes: readonly string[]): readonly string[] {
  const seen = new Set(
    scenes.flatMap(({ objects }) => objects.filter(({ crowd }) => !crowd).map(({ label }) => label)),
  )
  const missing = classes.filter((_, label) => !seen.has(label))
  if (missing.length === 0) return []
  const named = `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}`
  return [`categories without training objects: ${named} (${missing.length} of ${classes.length})`]
}

function readSide({ annotations }: CocoSide, progress?: OnProgress): CocoAnnotations {
  const what = `reading ${basename(annotations)}`
  const read = readCocoAnnotations(annotations, (done, total) => progress?.({ done, total, what }))
  if (read.images.length > 0 && read.categories.length > 0) return read
  return fail({
    kind: 'data',
    message: `expected images and categories, the list of ${read.images.length > 0 ? 'categories' : 'images'} is empty`,
    where: annotations,
    help: 'is it the right file?',
  })
}

/** The categories of all splits by ascending id. */
function commonCategories(
  train: readonly CocoCategory[],
  others: readonly { readonly split: SplitName; readonly side: CocoSide; readonly read: CocoAnnotations }[],
): readonly CocoCategory[] {
  const named = ({ id, name }: CocoCategory): string => `${id} ${quoted(name)}`
  const trained = new Set(train.map(named))
  for (const { split, side, read } of others) {
    const own = new Set(read.categories.map(named))
    const different = [...trained, ...own].filter(each => !trained.has(each) || !own.has(each))
    if (different.length === 0) continue
    fail({
      kind: 'data',
      message: `expected the same categories, by id and name, in train and ${split}; only on one side: ${different.slice(0, 5).join(', ')}${different.length > 5 ? ` and ${different.length - 5} more` : ''}`,
      where: side.annotations,
      help: 'write all categories into all files; categories may have no objects',
    })
  }
  const where = others[0]!.side.annotations
  const names = new Set<string>()
  for (const { name } of train) {
    if (names.has(name)) {
      fail({
        kind: 'data',
        message: `expected unique category names, got ${quoted(name)} twice`,
        where,
        help: 'rename one of them in all files',
      })
    }
    names.add(name)
  }
  return train.toSorted((a, b) => a.id - b.id)
}

/** In the order of the classes; undefined if a class has none. */
function superclassesOf(categories: readonly CocoCategory[]): readonly string[] | undefined {
  const names = categories.map(({ supercategory }) => supercategory).filter(name => name !== null)
  return names.length === categories.length ? [...new Set(names)] : undefined
}

function scenesOf(
  images: readonly LocatedImage[],
  { annotations }: CocoAnnotations,
  labels: ReadonlyMap<number, number>,
  problems: ProblemCounts,
): readonly Scene[] {
  const byImage = new Map(images.map(({ id }) => [id, [] as CocoAnnotations['annotations'][number][]]))
  for (const annotation of annotations) byImage.get(annotation.imageId)?.push(annotation)
  return images.map(({ id, name, width, height }) => {
    const objects = objectsOf(byImage.get(id)!, labels, { width, height }, problems)
    return { id, name, width, height, objects }
  })
}

/** An image in two splits would be used for training and testing; possible where they share a folder. */
function refuseCommonFiles(
  before: readonly LocatedImage[],
  earlier: SplitName,
  images: readonly LocatedImage[],
  split: SplitName,
  { annotations }: CocoSide,
): void {
  const seen = new Set(before.map(({ path }) => path))
  const common = images.filter(({ path }) => seen.has(path))
  if (common.length === 0) return
  fail({
    kind: 'data',
    message: `expected images of ${split} that are not in ${earlier} too, got ${common.length}, the first of them ${quoted(common[0]!.name)}`,
    where: annotations,
    help: 'take them out of one of the files',
  })
}

/** Number of images decoded concurrently; the decoder has its own threads. */
const together = 4

/** To find damage the whole file must be decoded, but few pixels produced: this is the fastest way. */
const checkingRule: CanvasRule = { longest: 32, shortest: 32 }

/** Images that can be used, by the policy. */
async function usable(
  images: readonly LocatedImage[],
  root: string,
  side: CocoSide,
  { unreadable, implausibleBoxes }: CocoOptions,
  progress?: OnProgress,
): Promise<{ readonly kept: readonly LocatedImage[]; readonly skipped: readonly SkippedFile[] }> {
  const absent = await absentImages(images, root)
  const there = images.filter(image => !absent.has(image))
  if (implausibleBoxes === 'stop') await refuseOtherSizes(there, side.annotations, unreadable)
  const problems = new ProblemCounts()
  const leftOut = unreadable === 'skip' ? ', left out' : ''
  for (const [{ id, name }, reason] of absent)
    problems.add(`${reason}${leftOut}`, `${quoted(name)} (image ${id})`)
  if (unreadable === 'stop') {
    if (problems.empty) return { kept: images, skipped: [] }
    return fail({
      kind: 'data',
      message: `expected ${images.length} images; ${problems.sentences().join('; ')}`,
      where: side.images,
      help: 'add them, correct file_name, or skip such images with --set data.unreadable=skip',
    })
  }
  const damaged = new Set<LocatedImage>()
  for (let first = 0; first < there.length; first += together) {
    const group = there.slice(first, first + together)
    const outcomes = await Promise.all(group.map(image => decode(image, checkingRule).catch(orUnreadable)))
    for (const [i, outcome] of outcomes.entries()) {
      if (!(outcome instanceof UnreadableImage)) continue
      const { id, name } = group[i]!
      damaged.add(group[i]!)
      problems.add('unreadable, left out', `${quoted(name)} (image ${id}: ${outcome.reason})`)
    }
    progress?.({ done: first + group.length, total: there.length, what: 'checking images' })
  }
  const kept = there.filter(image => !damaged.has(image))
  if (kept.length === 0) {
    fail({
      kind: 'data',
      message: `expected images that can be read, of ${images.length}: ${problems.sentences().join('; ')}`,
      where: side.images,
      help: 'is it the right folder?',
    })
  }
  return { kept, skipped: problems.skipped(side.images) }
}

function orUnreadable(error: unknown): UnreadableImage {
  if (error instanceof UnreadableImage) return error
  throw error
}

async function decode(image: LocatedImage, rule: CanvasRule): Promise<ScenePixels> {
  const wanted = resizedSize(rule, image.width, image.height)
  return { pixels: await decodeStored(image.path, image, wanted), ...wanted }
}

/** A split that decodes its images on demand, on the decoder's threads. */
function splitOf(
  images: readonly LocatedImage[],
  scenes: readonly Scene[],
  rule: CanvasRule,
): DetectionSplit {
  const load = async (indices: Uint32Array | readonly number[]): Promise<readonly ScenePixels[]> => {
    for (const index of indices) checkScene(index, images.length)
    const loaded: ScenePixels[] = []
    for (let first = 0; first < indices.length; first += together) {
      const group = Array.from(indices.slice(first, first + together), index => images[index]!)
      loaded.push(...(await Promise.all(group.map(image => decode(image, rule).catch(stopAt)))))
    }
    return loaded
  }
  return { length: images.length, scenes, load }
}

function stopAt(error: unknown): never {
  const { path, reason } = orUnreadable(error)
  return fail({
    kind: 'data',
    message: `expected an image that can be read, got: ${reason}`,
    where: path,
    help: 'repair the file or its width and height in the annotations, or skip such images with --set data.unreadable=skip',
    cause: error,
  })
}
