import { realpath } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { findCifar } from '../cifar.ts'
import { type FoundBoxes, findBoxes } from '../detection/box-formats.ts'
import { readCocoPaths, type SplitPaths } from '../detection/read-coco.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import { type BoxSizes, boxSizes } from './box-sizes.ts'
import { type CheckedBoxes, checkBoxes } from './check-boxes.ts'
import type { CheckedImage, DataKind, DataTask, ImageListing } from './checked-images.ts'
import { findDuplicates } from './duplicates.ts'
import { type FoundProblem, FoundProblems } from './found-problems.ts'
import { inspectImages, type PassOptions } from './inspect-images.ts'
import { listCifar, listImages } from './list-images.ts'

/** Counts of a split: images that can be used and, of boxes, the objects in them. */
export interface SplitCounts {
  readonly images: number
  readonly objects?: number
}

/** The smallest, middle and largest of some numbers. */
export interface Range {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** What a check found, as `moiety data check --json` prints it. */
export interface DataReport {
  /** The folder's own name, without its path. */
  readonly name: string
  readonly kind: DataKind
  readonly task: DataTask
  /** Whether training takes the data, once unreadable images are left out (`data.unreadable=skip`). */
  readonly usable: boolean
  readonly splits: Readonly<Partial<Record<SplitName, SplitCounts>>>
  /** How splits are made where the data has none. */
  readonly division: string | null
  /** Rarest first. */
  readonly classes: readonly { readonly name: string; readonly images: number; readonly objects?: number }[]
  /** Of images as they are stored, in pixels; null where there is none. */
  readonly sizes: { readonly distinct: number; readonly width: Range; readonly height: Range } | null
  /** Most frequent first. */
  readonly channels: readonly { readonly channels: string; readonly images: number }[]
  /** Images that EXIF turns or mirrors. */
  readonly turned: number
  /** Sizes of objects; null where there are no boxes. */
  readonly boxes: BoxSizes | null
  readonly problems: readonly FoundProblem[]
  readonly notices: readonly string[]
}

/** How a data set is read, as the keys of `data` of these names say, and how the pass is observed. */
export interface CheckOptions extends PassOptions {
  readonly followLinks?: boolean | undefined
  readonly annotations?: SplitPaths | undefined
  readonly images?: SplitPaths | undefined
}

/** A data set after its check, for what is made of it: a page, a repaired copy. */
export interface DataCheck {
  readonly report: DataReport
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  /** Images that can be used, in the order train, val, test. */
  readonly images: readonly CheckedImage[]
  /** Those of them that a repaired copy leaves out. */
  readonly surplus: ReadonlySet<CheckedImage>
}

/**
 * Checks a data set in one pass over all of its images, without ending at a problem. Every image is read and decoded once; in memory
 * are a few at a time, and some hundred bytes for each of the others.
 *
 * @param given - a folder, or a file that stands for a data set
 * @throws MoietyError `data` where there is no such folder or file
 */
export async function checkData(given: string, pass: CheckOptions = {}): Promise<DataCheck> {
  // So that texts have one form of it, which is taken off.
  const directory = resolve(given)
  const roots = await rootsOf(directory)
  const boxes = await boxesOf(directory, pass)
  const problems = new FoundProblems(...roots, ...(boxes === undefined ? [] : [boxes.root]))
  const { images, ...listing } = await checkedImages(directory, boxes, problems, pass)
  reportEmptyClasses(listing, images, problems)
  const surplus = findDuplicates(images, problems)
  const isDetection = listing.task === 'detection'
  const report: DataReport = {
    name: basename(directory),
    ...{ kind: listing.kind, task: listing.task, usable: !problems.isRefused },
    splits: splitCounts(images, isDetection),
    division: listing.division ?? null,
    classes: classCounts(images, listing.classes, isDetection),
    sizes: sizesOf(images),
    channels: channelsOf(images),
    turned: images.filter(({ orientation }) => orientation !== 1).length,
    boxes: isDetection ? boxSizes(images) : null,
    problems: problems.list(),
    notices: listing.notices.map(notice => problems.shownText(notice)),
  }
  return { report, classes: listing.classes, images, surplus }
}

/** The folder that is not to be seen in texts, as it was given and with its links followed. */
async function rootsOf(directory: string): Promise<readonly [string, string]> {
  const kind = kindOf(directory)
  if (kind !== 'folder' && kind !== 'file')
    fail({
      kind: 'data',
      message: 'expected a folder of images or a file of a data set, found nothing',
      where: directory,
      help: 'name the folder that --data would name',
    })
  const folder = kind === 'folder' ? directory : dirname(directory)
  return [folder, await realpath(folder)]
}

/** The annotations of boxes that are named, or that the folder or file holds. */
async function boxesOf(
  directory: string,
  { annotations = {}, images = {} }: CheckOptions,
): Promise<FoundBoxes | undefined> {
  if (splitNames.some(split => annotations[split] ?? images[split]))
    return {
      ...{ format: 'coco', isCocoItself: false, root: await realpath(directory) },
      read: reading => readCocoPaths(directory, annotations, images, reading),
    }
  return (await cifarOf(directory)) === undefined ? await findBoxes(directory) : undefined
}

const cifarOf = async (directory: string) =>
  kindOf(directory) === 'folder' ? await findCifar(directory) : undefined

async function checkedImages(
  directory: string,
  boxes: FoundBoxes | undefined,
  problems: FoundProblems,
  pass: CheckOptions,
): Promise<CheckedBoxes> {
  if (boxes !== undefined) return await checkBoxes(directory, boxes, problems, pass)
  const cifar = await cifarOf(directory)
  const listing =
    cifar === undefined
      ? await listImages(directory, problems, pass)
      : await listCifar(cifar, directory, problems)
  const images = await inspectImages(
    listing.images,
    ({ path }, reason) => problems.add('unreadable', `${problems.pathOf(path)}: ${reason}`),
    pass,
  )
  return { ...listing, images }
}

/** Classes that nothing can be learned about, and splits for testing without images. */
function reportEmptyClasses(
  { task, classes, hasDeclaredClasses }: Omit<ImageListing, 'images'>,
  images: readonly CheckedImage[],
  problems: FoundProblems,
): void {
  const trained = new Set<number>()
  for (const { split, labels, objects } of images)
    if (split === 'train')
      for (const label of objects?.filter(({ crowd }) => !crowd).map(each => each.label) ?? labels)
        trained.add(label)
  const isRequired = task === 'classification' && !hasDeclaredClasses
  const known = new Set(problems.list().flatMap(({ kind }) => (kind === 'unknown-class' ? [kind] : [])))
  for (const [label, name] of classes.entries())
    if (!trained.has(label) && known.size === 0)
      problems.add(isRequired ? 'class-without-training-images' : 'untrained-class', name)
  if (!images.some(({ split }) => split === 'train')) problems.add('refused', 'no image to train on')
  else if (!images.some(({ split }) => split !== 'train')) problems.add('refused', 'no image to test on')
}

function splitCounts(images: readonly CheckedImage[], isDetection: boolean): DataReport['splits'] {
  const counts: Partial<Record<SplitName, SplitCounts>> = {}
  for (const split of splitNames) {
    const own = images.filter(image => image.split === split)
    if (own.length === 0) continue
    const objects = own.reduce((sum, image) => sum + (image.objects?.length ?? 0), 0)
    counts[split] = { images: own.length, ...(isDetection ? { objects } : {}) }
  }
  return counts
}

function classCounts(
  images: readonly CheckedImage[],
  classes: readonly string[],
  isDetection: boolean,
): DataReport['classes'] {
  const counts = classes.map(name => ({ name, images: 0, objects: 0 }))
  for (const { labels, objects = [] } of images) {
    for (const label of labels) counts[label]!.images++
    for (const { label } of objects) counts[label]!.objects++
  }
  return counts
    .sort((a, b) => a.images - b.images)
    .map(({ name, images: own, objects }) => ({ name, images: own, ...(isDetection ? { objects } : {}) }))
}

function sizesOf(images: readonly CheckedImage[]): DataReport['sizes'] {
  if (images.length === 0) return null
  const distinct = new Set(images.map(({ width, height }) => `${width}×${height}`)).size
  return {
    distinct,
    width: rangeOf(images.map(({ width }) => width)),
    height: rangeOf(images.map(({ height }) => height)),
  }
}

/** Of an even number of values the lower one of the two in the middle: a size that there is. */
function rangeOf(values: readonly number[]): Range {
  const sorted = Float64Array.from(values).sort()
  return { min: sorted[0]!, median: sorted[(sorted.length - 1) >> 1]!, max: sorted.at(-1)! }
}

function channelsOf(images: readonly CheckedImage[]): DataReport['channels'] {
  const counts = new Map<string, number>()
  for (const { channels } of images) counts.set(channels, (counts.get(channels) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1]).map(([channels, own]) => ({ channels, images: own }))
}
