import { basename, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { quoted } from '../../files/json-reader.ts'
import type { CocoCategory } from '../coco/annotations.ts'
import { contentIdentity } from '../content-identity.ts'
import type { Limit, OnProgress, PerChannel } from '../dataset.ts'
import type { CacheOptions } from '../pixels/cache-options.ts'
import { DecodedPixels } from '../pixels/decoded-pixels.ts'
import { statesOf } from '../pixels/image-states.ts'
import { Problems } from '../problems.ts'
import { type SplitName, splitNames, titleCounts } from '../split-names.ts'
import { type BoxFolder, type BoxObject, type BoxSplit, boxFormats } from './box-folder.ts'
import { readBoxes } from './box-formats.ts'
import { type CanvasRule, canvasesOf } from './canvas.ts'
import {
  checkScene,
  type DetectionDataset,
  type DetectionSplit,
  type Scene,
  type ScenePixels,
} from './detection-dataset.ts'
import { turnedToStored } from './exif-turn.ts'
import { refuseImplausible } from './plausible-boxes.ts'
import { readCocoPaths, type SplitPaths } from './read-coco.ts'
import { objectsOf } from './scene-objects.ts'
import type { SizedImage } from './sized-image.ts'
import {
  canvasDecoder,
  type ImagePolicy,
  type PlacedImage,
  type PresentImages,
  presentImages,
  usableImages,
  usablePixels,
} from './usable-images.ts'

/** Options of a folder of images with boxes. */
export interface BoxesOptions extends ImagePolicy, CacheOptions {
  readonly name: 'coco' | 'boxes'
  /** The folder; null where `annotations` are given by their paths. */
  readonly directory: string | null
  /** Annotation files in COCO's format, relative to `directory`; then no layout is looked for. */
  readonly annotations: SplitPaths
  /** Folders of their images. Default: found near the annotations. */
  readonly images: SplitPaths
  readonly rule: CanvasRule
  /** Whether mistakes that could be repaired are refused. */
  readonly strict: boolean
  /** At most this many images of each split, the first ones; others are ignored. */
  readonly limit: Limit
  /** Seed of the division of a folder without splits. */
  readonly seed: number
}

/** ImageNet's statistics, the usual ones for photographs. */
const mean: PerChannel = [0.485, 0.456, 0.406]
const std: PerChannel = [0.229, 0.224, 0.225]

/**
 * Images with boxes in the format of COCO, YOLO or Pascal VOC, whichever the folder has. Images are found by listing folders;
 * under `stop` they are decoded when they are first needed, so a damaged one is found during training. Under `skip` all are decoded
 * on opening, and unreadable ones are skipped.
 *
 * @throws MoietyError of kind `data`: a folder without annotations, what its reader refuses, a file in two splits, a split
 *   without images, implausible boxes, under `stop` a missing image, under `strict` what was repaired
 */
export async function openBoxes(options: BoxesOptions, progress?: OnProgress): Promise<DetectionDataset> {
  const { directory, annotations, images, rule, limit, seed } = options
  const problems = new Problems()
  const most = (split: SplitName): number => (split === 'train' ? limit.train : limit.test) ?? Infinity
  const reading = { problems, seed, most, progress }
  const isNamed = splitNames.some(split => annotations[split] ?? images[split])
  const folder = isNamed
    ? await readCocoPaths(directory ?? '.', annotations, images, reading)
    : await readBoxes(directory ?? '.', reading)
  const categories = uniqueCategories(folder)
  const labels = new Map(categories.map(({ id }, label) => [id, label]))
  // Before images are looked for, so that boxes of another convention are the first thing that is said.
  if (options.implausibleBoxes === 'stop')
    for (const { images: own, objects, source, unit } of folder.splits.values())
      if (unit === 'pixels') refuseImplausible(own, objects, source)
  const present = new Map<SplitName, PresentImages>()
  for (const [name, split] of folder.splits)
    present.set(name, await presentImages(split.images.slice(0, most(name)), split, options, problems))
  const files = [...present.values()].flatMap(({ images: own }) => own.map(({ path }) => ({ path })))
  const states = await statesOf(files, progress)
  const content = await contentIdentity(files, states, progress)
  const { cache, cacheLimit } = options
  const longest = rule.longest === rule.shortest ? '' : `, at most ${rule.shortest} on the shorter side`
  const pixels = DecodedPixels.open(files, canvasDecoder(rule), {
    ...{ cache, cacheLimit, content, states, memory: 0, progress },
    title: `${basename(resolve(directory ?? folder.root))} at ${rule.longest} pixels${longest}`,
  })
  const opened = new Map<SplitName, Opened>()
  let first = 0
  for (const [name, split] of folder.splits) {
    const own = present.get(name)!
    const usable = await usableImages(own, split, pixels, first, options, problems, progress)
    first += own.images.length
    for (const [earlier, { images: before }] of opened)
      refuseCommonFiles(before, earlier, usable, name, split)
    opened.set(name, {
      images: usable,
      scenes: scenesOf(usable, split, { folder, labels, options, problems }),
    })
  }
  if (options.strict) problems.refuseRepairs(folder.root)
  const partOf = (name: SplitName): DetectionSplit | undefined => {
    const part = opened.get(name)
    return part && splitOf(part, pixels, problems.changes(folder.splits.get(name)!.source))
  }
  const train = partOf('train')!
  const val = partOf('val')
  const test = partOf('test') ?? splitOf({ images: [], scenes: [] }, pixels, [])
  const classes = categories.map(({ name }) => name)
  const superclasses = superclassesOf(categories)
  const totalOf = (name: SplitName) => {
    const total = folder.splits.get(name)?.total
    return total === undefined ? undefined : { length: total }
  }
  const all = { train: totalOf('train')!, val: totalOf('val'), test: totalOf('test') ?? { length: 0 } }
  const used = [...opened.values()].flatMap(({ images: own }) => own.map(({ path }) => ({ path })))
  const kind = [boxFormats[folder.format], ...(folder.division === undefined ? [] : [folder.division])].join(
    '; ',
  )
  return {
    name: options.name,
    title: `images with boxes of the ${directory !== null && kindOf(directory) === 'file' ? 'file' : 'folder'} ${basename(resolve(directory ?? folder.root))} (${kind}): ${classes.length} classes, ${titleCounts(all, limit, { train, val, test })}`,
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
    content: used.length === files.length ? content : await identityOfUsed(used, progress),
    skipped: problems.skipped(folder.root),
    problems: problems.list(folder.root),
    layout: { format: folder.format, found: folder.layout },
    notices: [
      ...folder.notices,
      ...(pixels.note === undefined ? [] : [pixels.note]),
      ...untrainedClasses(train.scenes, classes),
    ],
  }
}

async function identityOfUsed(
  files: readonly { readonly path: string }[],
  progress: OnProgress | undefined,
): Promise<string> {
  return await contentIdentity(files, await statesOf(files, progress), progress)
}

interface Opened {
  readonly images: readonly PlacedImage[]
  readonly scenes: readonly Scene[]
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

/** The classes by ascending id. @throws MoietyError `data` for a name that two of them have */
export function uniqueCategories({ categories, splits, root }: BoxFolder): readonly CocoCategory[] {
  const names = new Set<string>()
  const where = splits.get('val')?.source ?? splits.get('train')?.source ?? root
  for (const { name } of categories) {
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
  return categories.toSorted((a, b) => a.id - b.id)
}

/** In the order of the classes; undefined if a class has none. */
function superclassesOf(categories: readonly CocoCategory[]): readonly string[] | undefined {
  const names = categories.map(({ supercategory }) => supercategory).filter(name => name !== null)
  return names.length === categories.length ? [...new Set(names)] : undefined
}

interface SceneContext {
  readonly folder: BoxFolder
  readonly labels: ReadonlyMap<number, number>
  readonly options: Pick<BoxesOptions, 'implausibleBoxes'>
  readonly problems: Problems
}

/** The objects of each image, in pixels and within it. @throws MoietyError `data` for implausible boxes under `stop` */
export function scenesOf(
  images: readonly SizedImage[],
  split: BoxSplit,
  { folder, labels, options, problems }: SceneContext,
): readonly Scene[] {
  const byImage = new Map(images.map(({ id }) => [id, [] as BoxObject[]]))
  for (const object of split.objects) byImage.get(object.imageId)?.push(object)
  if (split.unit === 'fractions') {
    for (const image of images)
      byImage.set(
        image.id,
        byImage.get(image.id)!.map(object => inPixels(object, image)),
      )
    for (const { name, orientation } of images)
      if (orientation !== 1) problems.add('turned-image', split.source, quoted(name))
    if (options.implausibleBoxes === 'stop')
      refuseImplausible(
        images,
        images.flatMap(({ id }) => byImage.get(id)!),
        split.source,
      )
  }
  return images.map(({ id, name, width, height }) => {
    const exampleOf = (object: BoxObject): string =>
      folder.format === 'coco' ? `annotation ${object.id}` : `${quoted(name)} object ${object.id}`
    const objects = objectsOf(byImage.get(id)!, labels, { width, height }, (kind, object) =>
      problems.add(kind, split.source, exampleOf(object)),
    )
    return { id, name, width, height, objects }
  })
}

/** Fractions of an image as EXIF turns it, in pixels as they are stored. */
function inPixels(object: BoxObject, { width, height, orientation }: SizedImage): BoxObject {
  const [x, y, w, h] = turnedToStored(object.box, orientation)
  const box = [x * width, y * height, w * width, h * height] as const
  return { ...object, box, area: object.area * width * height }
}

/** An image in two splits would be used for training and testing; possible where they share a folder. */
function refuseCommonFiles(
  before: readonly SizedImage[],
  earlier: SplitName,
  images: readonly SizedImage[],
  split: SplitName,
  { source }: BoxSplit,
): void {
  const seen = new Set(before.map(({ path }) => path))
  const common = images.filter(({ path }) => seen.has(path))
  if (common.length === 0) return
  fail({
    kind: 'data',
    message: `expected images of ${split} that are not in ${earlier} too, got ${common.length}, the first of them ${quoted(common[0]!.name)}`,
    where: source,
    help: 'take them out of one of the splits',
  })
}

/** A split whose images are decoded when they are first needed. */
function splitOf(
  { images, scenes }: Opened,
  pixels: DecodedPixels,
  changes: DetectionSplit['changes'],
): DetectionSplit {
  const load = async (indices: Uint32Array | readonly number[]): Promise<readonly ScenePixels[]> => {
    for (const index of indices) checkScene(index, images.length)
    const chosen = Array.from(indices, index => images[index]!)
    const outcomes = await pixels.load(chosen.map(({ place }) => place))
    return outcomes.map((outcome, i) => usablePixels(chosen[i]!, outcome))
  }
  return { length: images.length, scenes, load, changes }
}
