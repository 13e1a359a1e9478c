import { fail } from '../base/errors.ts'
import { type ImageArrays, splitOfArrays } from './arrays.ts'
import { channelStatistics } from './channel-statistics.ts'
import type { Dataset } from './dataset.ts'

/** Images in arrays with the names of their classes. */
export interface ArrayData {
  readonly title: string
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  readonly train: ImageArrays
  /** What training is tested on after each epoch; by default `test`. */
  readonly val?: ImageArrays | undefined
  readonly test: ImageArrays
}

/**
 * Arrays as a data set, normalised by the mean and standard deviation of the training images.
 *
 * @throws MoietyError (data) for arrays that do not fit
 */
export function datasetOfArrays({ title, classes, train, val, test }: ArrayData): Dataset {
  const { size } = train
  for (const [name, split] of Object.entries({ val, test }))
    if (split !== undefined && split.size !== size)
      fail({
        kind: 'data',
        message: `expected images of ${size}×${size}, as those to train on, but those of ${name} are ${split.size}×${split.size}`,
        where: `${name}.size`,
        help: 'give all images one size',
      })
  return {
    name: 'arrays',
    title,
    size,
    classes,
    superclasses: undefined,
    superclassOf: undefined,
    ...channelStatistics(train.pixels, size * size),
    train: splitOfArrays(train),
    ...(val === undefined ? {} : { val: splitOfArrays(val) }),
    test: splitOfArrays(test),
    skipped: [],
  }
}
