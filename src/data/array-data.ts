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

/** Arrays as a data set, normalised by the mean and standard deviation of the training images. */
export function datasetOfArrays({ title, classes, train, val, test }: ArrayData): Dataset {
  const { size } = train
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
