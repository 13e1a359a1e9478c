import { type Config, resolveConfig } from '../../config/config.ts'
import { type ArrayData, datasetOfArrays } from '../../data/array-data.ts'
import type { Dataset } from '../../data/index.ts'
import type { JsonObject } from '../../files/json.ts'
import type { Classifier } from '../../models/index.ts'
import type { Loss } from '../../models/loss.ts'
import type { Task } from '../task.ts'
import { ClassificationTask } from './classification-task.ts'
import type { ClassificationResult } from './evaluate-split.ts'

/** A network of the user's own, and what it learns from. */
export interface ClassificationTaskOptions {
  /** As in a recipe: `training`, `optimizer`, `schedule`, `augmentation`, `seed`; `model` and `data` are not used. */
  readonly config: JsonObject
  /** `(scope, images) => ({ logits, losses, stats })`, built of the layers of `moiety/nn` and `moiety/moe`. */
  readonly network: Classifier
  readonly data: Dataset | ArrayData
  /** The loss of each image; by default the cross-entropy. */
  readonly loss?: Loss | undefined
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
  loss,
}: ClassificationTaskOptions): Task<ClassificationResult> & { readonly config: Config } {
  const dataset = 'mean' in data ? data : datasetOfArrays(data)
  return new ClassificationTask(resolveConfig(config, 'classificationTask'), dataset, network, loss)
}
