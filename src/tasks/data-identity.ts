import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { fail } from '../base/errors.ts'
import type { DetectionDataset, DetectionSplit } from '../data/detection/index.ts'
import { type Dataset, heldOutSplit, type PerChannel, type SplitName, type Splits } from '../data/index.ts'
import type { Json } from '../files/json.ts'

const perChannel = z.tuple([z.number(), z.number(), z.number()])

/**
 * What a checkpoint remembers of the data: its classes, how many images there are in each split, a hash of their labels
 * in order, and one of the content of the files. A training that continues with others would not be the one that began. Pixels are not
 * hashed: that would require decoding every image before the first step.
 *
 * Superclasses and normalisation are for using the network without the data; checkpoints of earlier versions
 * do not have them.
 */
export const dataIdentity = z.object({
  /** Names of the classes, by label. */
  classes: z.array(z.string()),
  train: z.number(),
  /** Null where the data has none; earlier versions did not say it, and called whatever they tested on `test`. */
  val: z.union([z.number(), z.null(), z.literal('not said')]).default('not said'),
  test: z.number(),
  labels: z.string(),
  /** See `Dataset.content`; null where the data is drawn, or in checkpoints of earlier versions. */
  content: z.string().nullable().default(null),
  /** Height and width in pixels of images that are all squares of one size; null otherwise, or not said. */
  size: z.number().nullable().default(null),
  /** Names of the superclasses and, by label, the superclass of each class, where the data has them; otherwise null. */
  superclasses: z.array(z.string()).nullable().default(null),
  superclassOf: z.array(z.number()).nullable().default(null),
  /** Mean and standard deviation of pixel/255, for red, green and blue. */
  mean: perChannel.nullable().default(null),
  std: perChannel.nullable().default(null),
  /** Of images with boxes: the classes' ids in files, by label, and what COCO's size limits are multiplied by. */
  detection: z
    .object({ categoryIds: z.array(z.number()), sizeFactor: z.number() })
    .nullable()
    .default(null),
})

/** See {@link dataIdentity}. */
export type DataIdentity = z.output<typeof dataIdentity>

/** The hash covers every label of every split, so that no image has to be decoded. */
export function identityOf(dataset: Dataset): DataIdentity {
  const hash = createHash('sha256')
  for (const { labels } of splitsOf(dataset))
    hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength))
  return identity(dataset, hash.digest('hex'))
}

/** The parts of a data set that identify it besides its labels. */
export interface IdentifiedData extends Splits<{ readonly length: number }>, Normalisation {
  readonly classes: readonly string[]
  readonly superclasses: readonly string[] | undefined
  readonly superclassOf: ArrayLike<number> | undefined
  readonly content?: string | undefined
  readonly size?: number | undefined
}

/** In the order of the hash: what a training is tested on comes second, as when there were two splits. */
export function splitsOf<S>({ train, val, test }: Splits<S>): S[] {
  return val === undefined ? [train, test] : [train, val, test]
}

/** The same of images with boxes; the hash covers every object of every split, so that no image has to be decoded. */
export function detectionIdentity(dataset: DetectionDataset): DataIdentity {
  const { categoryIds, sizeFactor } = dataset
  const hash = createHash('sha256')
  for (const { scenes } of splitsOf<DetectionSplit>(dataset))
    for (const { id, width, height, objects } of scenes) {
      const boxes = objects.map(({ box, area, label, crowd }) => [box, area, label, crowd])
      hash.update(JSON.stringify([id, width, height, boxes]))
    }
  return identity(dataset, hash.digest('hex'), { categoryIds: [...categoryIds], sizeFactor })
}

/** What of a data set is remembered, with a hash of its labels. */
export function identity(
  { classes, train, val, test, content, size, superclasses, superclassOf, mean, std }: IdentifiedData,
  labels: string,
  detection: DataIdentity['detection'] = null,
): DataIdentity {
  return {
    classes: [...classes],
    train: train.length,
    val: val?.length ?? null,
    test: test.length,
    labels,
    content: content ?? null,
    size: size ?? null,
    superclasses: superclasses === undefined ? null : [...superclasses],
    superclassOf: superclassOf === undefined ? null : Array.from(superclassOf),
    mean: [...mean],
    std: [...std],
    detection,
  }
}

/** The part of a checkpoint's `extra` that is about data; undefined where it has none. */
export function remembered(extra: Json): DataIdentity | undefined {
  return z.object({ data: dataIdentity }).safeParse(extra).data?.data
}

/** By which mean and standard deviation of pixel/255 a network's images are normalised. */
export interface Normalisation {
  readonly mean: PerChannel
  readonly std: PerChannel
}

/**
 * The normalisation that a network was trained with. Every image that it is given later, from whatever data set, has to be
 * normalised by the same; that of the other data set would shift and scale what the network sees.
 *
 * @param extra - of its checkpoint; undefined where it is of an earlier version, which did not say it
 */
export function trainedNormalisation(extra: Json): Normalisation | undefined {
  const { mean = null, std = null } = remembered(extra) ?? {}
  return mean === null || std === null ? undefined : { mean, std }
}

/**
 * Refuses data with other classes than a network was trained to tell apart.
 *
 * @param extra - of its checkpoint
 * @throws MoietyError `usage` that names the first class that differs
 */
export function refuseOtherClasses(
  extra: Json,
  { classes, title }: { readonly classes: readonly string[]; readonly title: string },
): void {
  const before = remembered(extra)?.classes ?? classes
  const count = Math.max(before.length, classes.length)
  const other = Array.from({ length: count }, (_, i) => i).find(i => before[i] !== classes[i])
  if (other === undefined) return
  fail({
    kind: 'usage',
    message:
      before.length === classes.length
        ? `class ${other} was "${before[other]}" when the run was trained, but is "${classes[other]}" in the data`
        : `the run knows ${before.length} classes, but the data has ${classes.length}`,
    where: title,
    help: 'give the data that the run was trained on, or data with the same classes; a run of a task that a program made is opened by that program',
  })
}

/**
 * Refuses to go on with other data than the checkpoint was trained on.
 *
 * @param extra - of the checkpoint
 * @param now - the identity of the data that there is
 * @param title - of that data
 * @throws MoietyError `data` that says what differs, `usage` for other classes
 */
export function refuseOtherData(extra: Json, now: DataIdentity, title: string): void {
  refuseOtherClasses(extra, { classes: now.classes, title })
  const before = remembered(extra)
  if (before === undefined) return
  const same = isDeepStrictEqual(sizesOf(before), sizesOf(before.val === 'not said' ? withoutVal(now) : now))
  const sameLabels = same && before.labels === now.labels
  if (sameLabels && (before.content ?? now.content) === (now.content ?? before.content)) return
  const counts = ({ train, val, test }: DataIdentity): string =>
    typeof val !== 'number'
      ? `${train} images to train and ${test} to test on`
      : `${train} images to train, ${val} to validate and ${test} to test on`
  fail({
    kind: 'data',
    message: sameLabels
      ? 'the run began with other image files: as many and labelled alike, but files were replaced or swapped since'
      : same
        ? `the run began with other images: as many as now, but of other classes or in another order${now.detection === null ? '' : ', or with other boxes'}`
        : `the run began with ${counts(before)}, but now there are ${counts(now)}`,
    where: title,
    help: 'give the data that the run began with, in data.directory or --data, or begin a new run',
  })
}

function sizesOf({ train, val, test }: DataIdentity): Readonly<Record<string, number>> {
  return { train, ...(typeof val === 'number' ? { val } : {}), test }
}

/** Data as earlier versions knew it: a `val` without a `test` was called `test`. With both there were no splits at all. */
function withoutVal(now: DataIdentity): DataIdentity {
  return typeof now.val === 'number' && now.test === 0 ? { ...now, val: null, test: now.val } : now
}

/**
 * The split to look at where nobody names one: that which the run was tested on while it trained, or of other data and
 * where the checkpoint is of an earlier version the one that a training on it would be tested on.
 *
 * @param extra - of the run's checkpoint; undefined for other data than the run was trained on
 */
export function usualSplit(
  extra: Json | undefined,
  dataset: Parameters<typeof heldOutSplit>[0],
): Exclude<SplitName, 'train'> {
  const before = extra === undefined ? undefined : remembered(extra)
  return before === undefined || before.val === 'not said' ? heldOutSplit(dataset) : testedOn(before)
}

/** What a run was tested on while it trained. Earlier versions called it `test` whatever it was. */
export function testedOn(before: DataIdentity | undefined): Exclude<SplitName, 'train'> {
  return typeof before?.val === 'number' ? 'val' : 'test'
}
