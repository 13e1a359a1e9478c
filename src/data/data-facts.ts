import type { Limit, OnProgress } from './dataset.ts'
import type { DataName } from './datasets/registry.ts'
import { readBoxes } from './detection/box-formats.ts'
import { readCocoPaths, type SplitPaths } from './detection/read-coco.ts'
import { splitByFile } from './folder-split.ts'
import { type ImageSource, storedExtent, UnreadableImage } from './image.ts'
import type { ImageFile } from './image-files.ts'
import { readLabelled } from './labelled/read-labelled.ts'
import { splitByLabels } from './multi-label/label-splits.ts'
import { Problems } from './problems.ts'
import { findLabelFiles } from './tables/find-label-files.ts'
import { readLabelFiles } from './tables/label-file.ts'
import { locateImages } from './tables/locate-images.ts'

/** What is known of a data set before an image is decoded. */
export interface DataFacts {
  /** One class each, any number of labels each, or boxes. */
  readonly kind: 'classes' | 'labels' | 'boxes'
  readonly classes: number
  /** How many there are to train on. */
  readonly images: number
  /** The median of their shorter sides, in pixels; undefined where no image could be looked at. */
  readonly shorter: number | undefined
  /** The median of their longer sides. */
  readonly longer: number | undefined
}

/** The part of a configuration's `data` that decides which images are used. */
export interface LookOptions {
  readonly name: DataName
  readonly directory: string | null
  readonly annotations?: SplitPaths | null | undefined
  readonly images?: SplitPaths | null | undefined
  readonly followLinks?: boolean | undefined
  readonly limit?: Limit | undefined
}

/** Files whose headers are read, spread evenly over a data set: medians are then within a few per cent. */
const mostFiles = 64

/** Of a container, in which a group of images is read to look at one of them: the first ones. */
const mostOfContainer = 16

/**
 * What labels, annotations and the headers of some images say. Undefined for data that says nothing before it is opened: what is drawn,
 * and data sets of a user's own.
 *
 * @throws MoietyError of kind `data` for labels, annotations or a layout that are refused, as whoever opens such data
 */
export async function dataFacts(options: LookOptions, progress?: OnProgress): Promise<DataFacts | undefined> {
  const { name, limit } = options
  const most = limit?.train ?? Number.POSITIVE_INFINITY
  const atMost = (facts: DataFacts): DataFacts => ({ ...facts, images: Math.min(facts.images, most) })
  switch (name) {
    case 'cifar10':
    case 'cifar100':
      return atMost({ ...cifar, classes: name === 'cifar10' ? 10 : 100 })
    case 'folder':
      return atMost(await factsOfClasses(options, progress))
    case 'multi-label':
      return atMost(await factsOfLabels(options))
    case 'coco':
    case 'boxes':
      return atMost(await factsOfBoxes(options, progress))
    default:
      return undefined
  }
}

const cifar = { kind: 'classes', images: 50_000, shorter: 32, longer: 32 } as const

/** What cannot be found or read is for whoever opens the data to refuse, or to skip. */
const reading = { unreadable: 'skip' } as const

async function factsOfClasses(
  { directory, followLinks = false }: LookOptions,
  progress?: OnProgress,
): Promise<DataFacts> {
  const found = await readLabelled(directory!, { ...reading, followLinks }, progress)
  const isDivided = found.val !== undefined || found.test !== undefined
  const train = isDivided ? found.train : splitByFile(found.train, found.classes.length, 0).train
  return {
    kind: 'classes',
    classes: found.classes.length,
    images: train.length,
    ...(await medianSides(found.train)),
  }
}

async function factsOfLabels({ directory, followLinks }: LookOptions): Promise<DataFacts> {
  const { sources, root } = findLabelFiles(directory!)
  const { classes, images } = await readLabelFiles(sources)
  const isDivided = images[0]?.split !== undefined
  const train = isDivided
    ? images.filter(({ split }) => split === 'train')
    : splitByLabels(images, classes.length, 0).train
  const located = await locateImages(spread(train, mostFiles), { root, followLinks, ...reading })
  return {
    kind: 'labels',
    classes: classes.length,
    images: train.length,
    ...(await medianSides(located.images)),
  }
}

async function factsOfBoxes(
  { directory, annotations, images }: LookOptions,
  progress?: OnProgress,
): Promise<DataFacts> {
  const boxReading = { problems: new Problems(), seed: 0, most: () => Number.POSITIVE_INFINITY, progress }
  const isNamed = (annotations?.train ?? null) !== null
  const { splits, categories } = isNamed
    ? await readCocoPaths(directory ?? '.', annotations ?? {}, images ?? {}, boxReading)
    : await readBoxes(directory!, boxReading)
  const train = splits.get('train')?.images ?? []
  const known = train.filter(({ width, height }) => width !== null && height !== null)
  return {
    kind: 'boxes',
    classes: categories.length,
    images: train.length,
    ...(known.length > 0
      ? mediansOf(known.map(({ width, height }) => [width!, height!]))
      : await medianSides(train)),
  }
}

type Sides = Pick<DataFacts, 'shorter' | 'longer'>

async function medianSides(files: readonly ImageFile[]): Promise<Sides> {
  const isContained = files[0]?.read !== undefined
  const looked = isContained ? files.slice(0, mostOfContainer) : spread(files, mostFiles)
  const extents: (readonly [number, number])[] = []
  for (const { path, read } of looked) {
    const source: ImageSource = read === undefined ? path : { bytes: await read(), name: path }
    const extent = await storedExtent(source).catch((cause: unknown) => {
      if (cause instanceof UnreadableImage) return undefined
      throw cause
    })
    if (extent !== undefined) extents.push([extent.width, extent.height])
  }
  return mediansOf(extents)
}

function mediansOf(extents: readonly (readonly [number, number])[]): Sides {
  const median = (sides: readonly number[]): number | undefined =>
    sides.toSorted((a, b) => a - b)[Math.floor(sides.length / 2)]
  return {
    shorter: median(extents.map(sides => Math.min(...sides))),
    longer: median(extents.map(sides => Math.max(...sides))),
  }
}

/** At most so many, evenly over the list. */
function spread<T>(list: readonly T[], most: number): T[] {
  const count = Math.min(list.length, most)
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]!)
}
