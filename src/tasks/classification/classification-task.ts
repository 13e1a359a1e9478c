import type { Config } from '../../config/config.ts'
import { sizeAt } from '../../config/resizing.ts'
import {
  type Dataset,
  epochOrder,
  heldOutSplit,
  makeBatch,
  type OnProgress,
  openDataset,
  splitNamed,
} from '../../data/index.ts'
import { preferredClasses } from '../../metrics/preferred-classes.ts'
import type { Classifier } from '../../models/index.ts'
import type { TrainEvent } from '../../run/events.ts'
import type { Engine, LoadedProgram } from '../../runtime/index.ts'
import { classifierOf } from '../classifier-of.ts'
import { identityOf } from '../data-identity.ts'
import type { BatchForm, BuildObjective } from '../objective.ts'
import type { Task, TaskBatch, TestOptions, TestResult } from '../task.ts'
import { classificationObjective } from './classification-objective.ts'
import { evaluateSplit } from './evaluate-split.ts'
import { type EvaluationProgram, evaluationProgram } from './evaluation-program.ts'
import { checkTrainable } from './trainable.ts'

/**
 * Opens the data of a classifier.
 *
 * @throws MoietyError `data` or `usage` as `openDataset`, `data` for data from which nothing can be learned
 */
export async function openClassification(
  config: Config,
  engines: readonly Engine[],
  onProgress: OnProgress,
): Promise<Task> {
  const dataset = await openDataset(config.data, onProgress)
  checkTrainable(dataset)
  return new ClassificationTask(config, engines, dataset)
}

/** Telling the class of an image. */
class ClassificationTask implements Task {
  readonly #classifier: Classifier
  readonly #evaluation: EvaluationProgram
  #evaluators: readonly LoadedProgram[] = []

  constructor(
    readonly config: Config,
    readonly engines: readonly Engine[],
    readonly dataset: Dataset,
  ) {
    this.#classifier = classifierOf(config.model, { classes: dataset.classes.length })
    this.#evaluation = evaluationProgram({ classifier: this.#classifier, size: dataset.size })
  }

  get title() {
    return this.dataset.title
  }

  get notices(): TrainEvent[] {
    const { skipped, notices = [] } = this.dataset
    return [
      ...(skipped.length === 0 ? [] : [{ kind: 'skipped', files: skipped } as const]),
      ...notices.map(message => ({ kind: 'warning', message }) as const),
    ]
  }

  get heldOut() {
    return heldOutSplit(this.dataset)
  }

  get identity() {
    return identityOf(this.dataset)
  }

  get stepsPerEpoch() {
    return Math.ceil(this.dataset.train.length / this.config.training.batch)
  }

  forms(epoch: number): BatchForm[] {
    const { batch } = this.config.training
    const { length } = this.dataset.train
    const rest = length % batch
    const sizes = length < batch ? [length] : rest === 0 ? [batch] : [batch, rest]
    return sizes.map(images => this.#form(images, epoch))
  }

  /** An image's pixels. */
  work(epoch: number): number {
    return this.#size(epoch) ** 2
  }

  batches(epoch: number): Uint32Array[] {
    const { batch } = this.config.training
    const order = epochOrder(this.dataset.train.length, this.config.seed, epoch)
    return Array.from({ length: this.stepsPerEpoch }, (_, i) => order.subarray(i * batch, (i + 1) * batch))
  }

  async load(indices: Uint32Array, epoch: number): Promise<TaskBatch> {
    const { mean, std, train, classes } = this.dataset
    const { augmentation, seed } = this.config
    const form = this.#form(indices.length, epoch)
    const { images, labels } = await makeBatch(train, indices, {
      ...{ mean, std, augmentation, seed, epoch },
      size: form.height,
      classes: classes.length,
    })
    return {
      form,
      feeds: new Map([
        ['images', images],
        ['labels', labels],
      ]),
    }
  }

  objective(): BuildObjective {
    return classificationObjective({
      classifier: this.#classifier,
      classes: this.dataset.classes.length,
      labelSmoothing: this.config.training.labelSmoothing,
    })
  }

  trainMeasures({ correct1 = 0, correct5 = 0 }: Readonly<Record<string, number>>) {
    return { top1: correct1, top5: correct5 }
  }

  async prepareTest(): Promise<void> {
    const { program } = this.#evaluation
    this.#evaluators = await Promise.all(this.engines.map(engine => engine.load(program)))
  }

  async test({ signal, onProgress }: TestOptions): Promise<TestResult | undefined> {
    const { dataset } = this
    const result = await evaluateSplit({
      dataset,
      split: splitNamed(dataset, this.heldOut),
      evaluation: this.#evaluation,
      loaded: this.#evaluators,
      batch: this.config.training.batch,
      signal,
      onProgress,
    })
    if (result === undefined) return undefined
    const { loss, top1, top5, layers, classWeights } = result
    return {
      loss,
      measures: { top1, top5 },
      layers: layers.map((layer, i) => ({
        ...layer,
        preferred: preferredClasses(classWeights[i]!, dataset.classes),
      })),
    }
  }

  #size(epoch: number): number {
    return sizeAt(this.config.training.resizing, epoch) ?? this.dataset.size
  }

  #form(images: number, epoch: number): BatchForm {
    const size = this.#size(epoch)
    return { images, height: size, width: size }
  }
}
