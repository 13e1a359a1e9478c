import type { Config } from '../../config/config.ts'
import { sizeAt } from '../../config/resizing.ts'
import {
  type Dataset,
  epochOrder,
  makeBatch,
  openDataset,
  type SplitName,
  splitNamed,
} from '../../data/index.ts'
import { Graph } from '../../graph/index.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import type { Classifier } from '../../models/index.ts'
import { type RoutingOverride, withRouting } from '../../moe/index.ts'
import { Scope } from '../../nn/index.ts'
import type { TrainEvent } from '../../run/events.ts'
import type { Engine, LoadedProgram } from '../../runtime/index.ts'
import { classifierOf, type ModelOptions } from '../classifier-of.ts'
import { identityOf } from '../data-identity.ts'
import type { BatchForm, BuildObjective } from '../objective.ts'
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
  measures: classificationMeasures,
  accepts: ({ model }) => model.detector === null,
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
export class ClassificationTask implements Task<ClassificationResult> {
  readonly kind = classification
  readonly identity
  readonly mixtures: readonly Mixture[]

  /** @param network - a network of the user's own, instead of the one that `config.model` describes */
  constructor(
    readonly config: Config,
    readonly data: Dataset,
    readonly network?: Classifier,
  ) {
    this.identity = identityOf(data)
    this.mixtures = network === undefined ? configuredMixtures(config) : builtMixtures(network, data)
  }

  get facts(): NetworkFacts {
    const { name, stem, width } = this.config.model
    const { parameters, activeParameters } = evaluationProgram({
      classifier: this.#classifier({}),
      size: this.data.size,
    })
    const description =
      this.network === undefined ? `${name}, width ${width}, ${stem} stem` : 'a network of its own'
    return { description, parameters, activeParameters }
  }

  get notices(): TrainEvent[] {
    const { skipped, notices = [] } = this.data
    return [
      ...(skipped.length === 0 ? [] : [{ kind: 'skipped', files: skipped } as const]),
      ...notices.map(message => ({ kind: 'warning', message }) as const),
    ]
  }

  checkTrainable(): void {
    checkTrainable(this.data)
  }

  get stepsPerEpoch() {
    return Math.ceil(this.data.train.length / this.config.training.batch)
  }

  forms(epoch: number): BatchForm[] {
    const { batch } = this.config.training
    const { length } = this.data.train
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
    const order = epochOrder(this.data.train.length, this.config.seed, epoch)
    return Array.from({ length: this.stepsPerEpoch }, (_, i) => order.subarray(i * batch, (i + 1) * batch))
  }

  async load(indices: Uint32Array, epoch: number): Promise<TaskBatch> {
    const { mean, std, train, classes } = this.data
    const { augmentation, seed } = this.config
    const form = this.#form(indices.length, epoch)
    const { images, labels } = await makeBatch(train, indices, {
      ...{ mean, std, augmentation, seed, epoch },
      classes: classes.length,
      size: form.height,
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
      classifier: this.#classifier({}),
      classes: this.data.classes.length,
      labelSmoothing: this.config.training.labelSmoothing,
    })
  }

  trainMeasures({ correct1 = 0, correct5 = 0 }: Readonly<Record<string, number>>) {
    return { top1: correct1, top5: correct5 }
  }

  evaluation(engines: readonly Engine[], overrides?: RoutingOverrides): Evaluation<ClassificationResult> {
    const evaluation = evaluationProgram({
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
    const groups = variantGroups(wanted ?? mixtures.flatMap(variantsOf))
    const variants: VariantResult[] = []
    let trained: ClassificationResult | undefined
    for (const [i, group] of groups.entries()) {
      const turn = groups.length === 1 ? '' : ` (${i + 1} of ${groups.length} layers)`
      onEvent({ kind: 'progress', what: `preparing the network${turn}`, done: 0, total: 1 })
      const evaluation = new ClassificationEvaluation(this, [engine], this.#variantProgram(group))
      const onProgress = (done: number, total: number) =>
        onEvent({ kind: 'progress', what: `routing images${turn}`, done, total })
      const result = (await evaluation.run(split, { onProgress }))!
      await evaluation.release()
      trained ??= result
      for (const [v, variant] of group.entries()) {
        const predictions = result.predictions[v + 1]!
        const { top1 } = accuracyOf(predictions, result.labels, data.classes.length)
        variants.push({ variant, measures: { top1 }, predictions })
      }
    }
    return { trained: trained!, variants }
  }

  /** All experts see all images, so that variants share their results. */
  #variantProgram(variants: readonly Variant[]): EvaluationProgram {
    const { data, mixtures } = this
    const build = (variant: Variant) =>
      this.#classifier({ override: overridesOf(variant, mixtures), dispatch: 'stacked' })
    return evaluationProgram({
      classifier: build({ kind: 'trained' }),
      size: data.size,
      variants: variants.map(build),
    })
  }

  /** The network, with its mixtures routing and dispatching as trained or otherwise. */
  #classifier({ override, dispatch }: Omit<ModelOptions, 'classes'>): Classifier {
    const { config, data, network } = this
    if (network === undefined)
      return classifierOf(config.model, { classes: data.classes.length, override, dispatch })
    const isPlaced = override instanceof Map
    const placed = isPlaced ? [...override].map(([place, own]) => [String(place), own] as const) : []
    return (scope, images) =>
      network(
        withRouting(scope, {
          overrides: new Map(placed),
          override: isPlaced ? undefined : (override as RoutingOverride | undefined),
          dispatch,
        }),
        images,
      )
  }

  #size(epoch: number): number {
    return sizeAt(this.config.training.resizing, epoch) ?? this.data.size
  }

  #form(images: number, epoch: number): BatchForm {
    const size = this.#size(epoch)
    return { images, height: size, width: size }
  }
}

function configuredMixtures({ model }: Config): Mixture[] {
  return model.moe
    .toSorted((a, b) => a.position - b.position)
    .map(({ position, experts, k, constraint, style }) => ({
      place: position,
      experts,
      k,
      constraint: constraint.name,
      style,
    }))
}

/** Those that a network of the user's own has, by the names of their scopes. */
function builtMixtures(network: Classifier, { size }: Dataset): Mixture[] {
  const graph = new Graph()
  const images = graph.input('images', 'float32', [1, 3, size, size])
  const { stats } = checkedClassification(
    network(Scope.root(graph, { training: false }), images),
    images,
    null,
  )
  return stats.map(({ name, experts, k, constraint }) => ({
    place: name,
    experts,
    k,
    constraint,
    style: null,
  }))
}

/**
 * Variants in groups that are computed by one program each: those of each layer. What an engine needs to prepare a program grows
 * faster than the program.
 */
function variantGroups(variants: readonly Variant[]): Variant[][] {
  const places = new Set(variants.flatMap(variant => ('place' in variant ? [variant.place] : [])))
  if (places.size === 0) return [[]]
  return [...places].map(place => variants.filter(variant => 'place' in variant && variant.place === place))
}

class ClassificationEvaluation implements Evaluation<ClassificationResult> {
  #loaded: readonly LoadedProgram[] = []

  constructor(
    readonly task: ClassificationTask,
    readonly engines: readonly Engine[],
    readonly program: EvaluationProgram,
  ) {}

  async prepare(): Promise<void> {
    if (this.#loaded.length > 0) return
    this.#loaded = await Promise.all(this.engines.map(engine => engine.load(this.program.program)))
  }

  async run(split: SplitName, options: TestOptions = {}): Promise<ClassificationResult | undefined> {
    await this.prepare()
    const { data, config } = this.task
    return await evaluateSplit({
      dataset: data,
      split: splitNamed(data, split),
      evaluation: this.program,
      loaded: this.#loaded,
      batch: config.training.batch,
      ...options,
    })
  }

  async release(): Promise<void> {
    for (const loaded of this.#loaded) await loaded.release()
    this.#loaded = []
  }
}
