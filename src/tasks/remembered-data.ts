import * as z from 'zod'
import type { PerChannel } from '../data/dataset.ts'
import type { Splits } from '../data/split-names.ts'
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

/** The parts of a data set that identify it besides its labels. */
export interface IdentifiedData extends Splits<{ readonly length: number }>, Normalisation {
  readonly classes: readonly string[]
  readonly superclasses: readonly string[] | undefined
  readonly superclassOf: ArrayLike<number> | undefined
  readonly content?: string | undefined
  readonly size?: number | undefined
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
