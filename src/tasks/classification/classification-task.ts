import { draws } from '../../base/random.ts'
import type { HostTensor } from '../../base/tensor.ts'
import type { Config } from '../../config/config.ts'
import { balancedOrder, imageOf } from '../../data/balanced-order.ts'
import { taskOfData } from '../../data/datasets/registry.ts'
import { type Dataset, makeBatch, openDataset, type SplitName, splitNamed } from '../../data/index.ts'
import { drawMixing, isMixed, mixImages, mixLabels } from '../../data/mixing.ts'
import type { Classifier } from '../../models/index.ts'
import { type Loss, namedLoss } from '../../models/loss.ts'
import type { Engine } from '../../runtime/index.ts'
import { countsOf, countsText, resolveClassWeights } from '../class-weights.ts'
import {
  builtMixtures,
  classifierOf,
  type ModelOptions,
  mixturesOf,
  networkText,
  routed,
} from '../classifier-of.ts'
import { identityOf } from '../data-identity.ts'
import { mixedInputs } from '../mixed-inputs.ts'
import type { BuildObjective } from '../objective.ts'
import { LoadedPrograms } from '../run-split.ts'
import { SquareImageTask } from '../square-image-task.ts'
import type {
  EvaluatedVariants,
  Evaluation,
  NetworkFacts,
  OpenTaskOptions,
  Task,
  TaskBatch,
  TaskKind,
  TestOptions,
  VariantOptions,
  VariantResult,
} from '../task.ts'
import { byVariantGroup } from '../variant-groups.ts'
import { type Mixture, overridesOf, type RoutingOverrides, type Variant, variantsOf } from '../variants.ts'
import { accuracyOf } from './accuracy.ts'
import { classificationObjective } from './classification-objective.ts'
import { type ClassificationResult, evaluateSplit } from './evaluate-split.ts'
import { type EvaluationProgram, evaluationProgram } from './evaluation-program.ts'
import { classificationMeasures } from './measures.ts'
import { checkTrainable } from './trainable.ts'

/** Giving each image one class. */
export const classification: TaskKind = {
  name: 'classification',
  exportName: 'image-classification',
  measures: classificationMeasures,
  accepts: ({ model, data }) => model.detector === null && taskOfData(data.name) !== 'multi-label',
  open: openClassification,
}

/**
 * Opens the data of a classifier.
 *
 * @throws MoietyError `data` or `usage` as `openDataset`
 */
export async function openClassification(
  config: Config,
  { onProgress, normalisation }: OpenTaskOptions = {},
): Promise<ClassificationTask> {
  const dataset = await openDataset(config.data, onProgress)
  return new ClassificationTask(config, { ...dataset, ...normalisation })
}

/** A configured classifier and its data. */
export class ClassificationTask extends SquareImageTask<Dataset> implements Task<ClassificationResult> {
  readonly kind = classification
  readonly identity
  readonly mixtures: readonly Mixture[]

  readonly #loss: Loss | undefined

  /**
   * @param network - a network of the user's own, instead of the one that `config.model` describes
   * @param loss - likewise, instead of the one that `config.training` names
   */
  constructor(
    config: Config,
    data: Dataset,
    readonly network?: Classifier,
    loss?: Loss,
  ) {
    const { labels } = data.train
    const isBalanced = config.data.sampling !== undefined
    super(config, data, isBalanced ? epoch => balancedOrder(labels, config.seed, epoch) : undefined)
    this.identity = identityOf(data)
    this.#loss = loss ?? namedLoss(config.training.loss)
    this.mixtures = network === undefined ? mixturesOf(config.model, data) : builtMixtures(network, data)
  }

  get facts(): NetworkFacts {
    const { parameters, activeParameters, multiplyAdds } = evaluationProgram({
      classifier: this.#classifier({}),
      size: this.data.size,
    })
    const description = this.network === undefined ? networkText(this.config.model) : 'a network of its own'
    return { description, parameters, activeParameters, multiplyAdds }
  }

  checkTrainable(): void {
    checkTrainable(this.data)
  }

  async load(numbers: Uint32Array, epoch: number): Promise<TaskBatch> {
    const { mean, std, train, classes } = this.data
    const { augmentation, seed } = this.config
    const form = this.form(numbers.length, epoch)
    const indices = numbers.map(number => imageOf(number, train.length))
    const { images, labels } = await makeBatch(train, indices, {
      numbers,
      ...{ mean, std, augmentation, seed, epoch },
      classes: classes.length,
      size: form.height,
    })
    return {
      form,
      feeds: isMixed(this.config.augmentation)
        ? this.#mixed(images, labels, numbers, epoch)
        : new Map([
            ['images', images],
            ['labels', labels],
          ]),
    }
  }

  /** A batch whose images are mixed, all by one λ, which is drawn for the first of them. */
  #mixed(images: HostTensor, labels: HostTensor, numbers: Uint32Array, epoch: number): TaskBatch['feeds'] {
    const { augmentation, seed } = this.config
    const mixing = drawMixing(augmentation, images.shape[2]!, draws(seed, 'mix', epoch, numbers[0]))
    const targets = mixLabels(labels, mixing)
    return new Map([
      ['images', mixImages(images, mixing)],
      ['labels', targets.labels],
      [mixedInputs.others, targets.others],
      [mixedInputs.shares, targets.shares],
    ])
  }

  /** Images of each class, where the configuration weights or draws by them. */
  get trainingNotes(): string[] {
    const { data, training } = this.config
    if (data.sampling === undefined && training.classWeights === undefined) return []
    const { classes, train } = this.data
    const counts = countsOf(train.labels, classes.length)
    const drawn =
      data.sampling === undefined
        ? []
        : [
            `an epoch has about ${Math.round(train.length / counts.filter(count => count > 0).length)} images of each class, rare ones several times`,
          ]
    return [countsText(classes, counts, this.#classWeights()), ...drawn]
  }

  #classWeights(): number[] | undefined {
    const { classWeights } = this.config.training
    if (classWeights === undefined) return undefined
    const { classes, train } = this.data
    return resolveClassWeights(classWeights, classes, countsOf(train.labels, classes.length))
  }

  objective(): BuildObjective {
    return classificationObjective({
      loss: this.#loss,
      classifier: this.#classifier({}),
      classes: this.data.classes.length,
      labelSmoothing: this.config.training.labelSmoothing,
      classWeights: this.#classWeights(),
      mixed: isMixed(this.config.augmentation),
    })
  }

  trainMeasures({ correct1 = 0, correct5 = 0 }: Readonly<Record<string, number>>) {
    return { top1: correct1, top5: correct5 }
  }

  evaluation(engines: readonly Engine[], overrides?: RoutingOverrides): Evaluation<ClassificationResult> {
    const evaluation = evaluationProgram({
      loss: this.#loss,
      classifier: this.#classifier({ override: overrides }),
      size: this.data.size,
    })
    return new ClassificationEvaluation(this, engines, evaluation)
  }

  async withVariants(
    engine: Engine,
    split: SplitName,
    { variants: wanted, onEvent = () => undefined }: VariantOptions = {},
  ): Promise<EvaluatedVariants<ClassificationResult>> {
    const { data, mixtures } = this
    const all = wanted ?? mixtures.flatMap(variantsOf)
    const groups = await byVariantGroup(all, onEvent, async (group, onProgress) => {
      const evaluation = new ClassificationEvaluation(this, [engine], this.#variantProgram(group))
      const trained = (await evaluation.run(split, { onProgress }))!
      await evaluation.release()
      const variants = group.map((variant, v): VariantResult => {
        const predictions = trained.predictions[v + 1]!
        const { top1 } = accuracyOf(predictions, trained.labels, data.classes.length)
        return { variant, measures: { top1 }, predictions }
      })
      return { trained, variants }
    })
    return { trained: groups[0]!.trained, variants: groups.flatMap(({ variants }) => variants) }
  }

  /** All experts see all images, so that variants share their results. */
  #variantProgram(variants: readonly Variant[]): EvaluationProgram {
    const { data, mixtures } = this
    const build = (variant: Variant) =>
      this.#classifier({ override: overridesOf(variant, mixtures), dispatch: 'stacked' })
    return evaluationProgram({
      loss: this.#loss,
      classifier: build({ kind: 'trained' }),
      size: data.size,
      variants: variants.map(build),
    })
  }

  /** The network, with its mixtures routing and dispatching as trained or otherwise. */
  #classifier(routing: Omit<ModelOptions, 'classes'>): Classifier {
    const { config, data, network } = this
    return network === undefined
      ? classifierOf(config.model, { classes: data.classes.length, ...routing })
      : routed(network, routing)
  }
}

class ClassificationEvaluation implements Evaluation<ClassificationResult> {
  readonly #programs: LoadedPrograms

  constructor(
    readonly task: ClassificationTask,
    engines: readonly Engine[],
    readonly program: EvaluationProgram,
  ) {
    this.#programs = new LoadedPrograms(engines, program.program)
  }

  async prepare(): Promise<void> {
    await this.#programs.load()
  }

  async run(split: SplitName, options: TestOptions = {}): Promise<ClassificationResult | undefined> {
    const { data, config } = this.task
    return await evaluateSplit({
      dataset: data,
      split: splitNamed(data, split),
      evaluation: this.program,
      loaded: await this.#programs.load(),
      batch: config.training.batch,
      metrics: config.training.metrics,
      ...options,
    })
  }

  async release(): Promise<void> {
    await this.#programs.release()
  }
}
