import { type Config, resolveConfig } from '../../config/config.ts'
import { channelStatistics } from '../../data/channel-statistics.ts'
import { type Dataset, type ImageArrays, splitOfArrays } from '../../data/index.ts'
import type { JsonObject } from '../../files/json.ts'
import type { Classifier } from '../../models/index.ts'
import type { Task } from '../task.ts'
import { ClassificationTask } from './classification-task.ts'
import type { ClassificationResult } from './evaluate-split.ts'

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

/** A network of the user's own, and what it learns from. */
export interface ClassificationTaskOptions {
  /** As in a recipe: `training`, `optimizer`, `schedule`, `augmentation`, `seed`; `model` and `data` are not used. */
  readonly config: JsonObject
  /** `(scope, images) => ({ logits, losses, stats })`, built of the layers of `moiety/nn` and `moiety/moe`. */
  readonly network: Classifier
  readonly data: Dataset | ArrayData
}

/**
 * A classification task with a network of the user's own, for `train({ config: task.config, task, … })`, `evaluateRun` and
 * `explainRun`. Every mixture of experts in the network is analysed, whatever built it.
 *
 * @throws MoietyError `usage` for a wrong configuration or network; `data` for arrays that do not fit
 */
export function classificationTask({
  config,
  network,
  data,
}: ClassificationTaskOptions): Task<ClassificationResult> & { readonly config: Config } {
  const dataset = 'mean' in data ? data : datasetOfArrays(data)
  return new ClassificationTask(resolveConfig(config, 'classificationTask'), dataset, network)
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
