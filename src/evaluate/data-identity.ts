import { createHash } from 'node:crypto'
import * as z from 'zod'
import { fail } from '../base/errors.ts'
import type { DetectionDataset } from '../data/detection/index.ts'
import type { Dataset, PerChannel } from '../data/index.ts'
import type { Json } from '../files/json.ts'

const perChannel = z.tuple([z.number(), z.number(), z.number()])

/**
 * What a checkpoint remembers of the data: its classes, how many images there are on each side, and a hash of their labels
 * in order. A training that goes on with others would not be the one that began. Pixels are not looked at: that would
 * mean to decode every image before the first step.
 *
 * Superclasses and normalisation are there for whoever uses the network without the data; checkpoints of earlier versions
 * do not have them.
 */
const dataIdentity = z.object({
  /** Names of the classes, by label. */
  classes: z.array(z.string()),
  train: z.number(),
  test: z.number(),
  labels: z.string(),
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

export type DataIdentity = z.output<typeof dataIdentity>

/** The hash covers every label of both sides, so that no image has to be decoded. */
export function identityOf(dataset: Dataset): DataIdentity {
  const hash = createHash('sha256')
  for (const { labels } of [dataset.train, dataset.test])
    hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength))
  return identity(dataset, hash.digest('hex'), null)
}

/** The same of images with boxes; the hash covers every object of both sides, so that no image has to be decoded. */
export function detectionIdentity(dataset: DetectionDataset): DataIdentity {
  const { categoryIds, sizeFactor, train, test } = dataset
  const hash = createHash('sha256')
  for (const { scenes } of [train, test])
    for (const { id, width, height, objects } of scenes) {
      const boxes = objects.map(({ box, area, label, crowd }) => [box, area, label, crowd])
      hash.update(JSON.stringify([id, width, height, boxes]))
    }
  return identity(dataset, hash.digest('hex'), { categoryIds: [...categoryIds], sizeFactor })
}

function identity(
  { classes, train, test, superclasses, superclassOf, mean, std }: Dataset | DetectionDataset,
  labels: string,
  detection: DataIdentity['detection'],
): DataIdentity {
  return {
    classes: [...classes],
    train: train.length,
    test: test.length,
    labels,
    superclasses: superclasses === undefined ? null : [...superclasses],
    superclassOf: superclassOf === undefined ? null : [...superclassOf],
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
    help: 'give the data that the run was trained on, or data with the same classes',
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
  const same = before?.train === now.train && before.test === now.test
  if (before === undefined || (same && before.labels === now.labels)) return
  const counts = ({ train, test }: DataIdentity): string => `${train} images to train and ${test} to test on`
  fail({
    kind: 'data',
    message: same
      ? `the run began with other images: as many as now, but of other classes or in another order${now.detection === null ? '' : ', or with other boxes'}`
      : `the run began with ${counts(before)}, but now there are ${counts(now)}`,
    where: title,
    help: 'give the data that the run began with, in data.directory or --data, or begin a new run',
  })
}
