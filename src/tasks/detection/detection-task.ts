import { fail } from '../../base/errors.ts'
import type { Config } from '../../config/config.ts'
import {
  canvasOf,
  type DetectionDataset,
  type DetectionSplit,
  detectionBatches,
  makeDetectionBatch,
  openDetectionDataset,
} from '../../data/detection/index.ts'
import { heldOutSplit, type SplitName, splitNamed } from '../../data/index.ts'
import { Graph } from '../../graph/index.ts'
import type { BoxPredictions } from '../../metrics/metric.ts'
import {
  type Anchors,
  activeMultiplyAdds,
  activeParameterCount,
  anchorTargets,
  targetInputs,
} from '../../models/index.ts'
import { Scope } from '../../nn/index.ts'
import type { Measures, TrainEvent } from '../../run/events.ts'
import type { Engine } from '../../runtime/index.ts'
import { embeddedMixtures } from '../classifier-of.ts'
import { detectionIdentity } from '../data-identity.ts'
import type { BatchForm, BuildObjective } from '../objective.ts'
import { ownMeasures } from '../own-metrics.ts'
import { PassProgress } from '../pass-progress.ts'
import type {
  EvaluatedVariants,
  Evaluation,
  NetworkFacts,
  OpenTaskOptions,
  StoredPicture,
  Task,
  TaskBatch,
  TaskKind,
  TestOptions,
  VariantOptions,
  VariantResult,
} from '../task.ts'
import {
  type Mixture,
  overridesOf,
  type RoutingOverrides,
  type Variant,
  variantName,
  variantsOf,
} from '../variants.ts'
import { detectionObjective } from './detection-objective.ts'
import { anchorsFor, type DetectorModelConfig, detectorOf, isDetector, matchingOf } from './detector-of.ts'
import { DetectorEvaluator } from './evaluate-detector.ts'
import { detectionMeasures } from './measures.ts'
import type { DetectorRecords, FoundObject } from './records.ts'

/** A configuration whose model is a detector. */
export type DetectionConfig = Config & { readonly model: DetectorModelConfig }

/** Finding objects: their boxes and classes. */
export const detection: TaskKind = {
  name: 'detection',
  exportName: 'object-detection',
  measures: detectionMeasures,
  accepts: ({ model }) => isDetector(model),
  open: openDetection,
}

/**
 * Opens the data of a detector.
 *
 * @throws MoietyError `usage` for a configuration of a classifier, `data` or `usage` as `openDetectionDataset`
 */
export async function openDetection(
  config: Config,
  { onProgress, normalisation }: OpenTaskOptions = {},
): Promise<DetectionTask> {
  const { model } = config
  if (!isDetector(model)) return refuseClassifier()
  const dataset = await openDetectionDataset(config.data, onProgress)
  return new DetectionTask({ ...config, model }, { ...dataset, ...normalisation })
}

function refuseClassifier(): never {
  return fail({
    kind: 'usage',
    message: 'expected the configuration of a detector, got that of a classifier',
    where: 'model.detector',
    help: 'it is null; set it to train a detector',
  })
}

function checkLearnable(dataset: DetectionDataset): void {
  const { train, title } = dataset
  const objects = train.scenes.some(scene => scene.objects.some(({ crowd }) => !crowd))
  if (objects && dataset[heldOutSplit(dataset)]!.length > 0) return
  fail({
    kind: 'data',
    message: objects
      ? 'training expected images to test on, but got none'
      : `training expected objects to find, but there is none in the ${train.length} training images`,
    where: title,
    help: 'look at data.directory and data.limit',
  })
}

/** A configured detector and its data. */
export class DetectionTask implements Task<DetectorRecords> {
  readonly kind = detection
  readonly #anchors = new Map<string, Anchors>()
  readonly identity
  readonly stepsPerEpoch: number
  readonly mixtures: readonly Mixture[]

  constructor(
    readonly config: DetectionConfig,
    readonly data: DetectionDataset,
  ) {
    this.identity = detectionIdentity(data)
    this.stepsPerEpoch = this.batches(0).length
    this.mixtures = mixturesOfDetector(config.model)
  }

  /** Counted on the first canvas. */
  get facts(): NetworkFacts {
    const { name, stem, width, detector } = this.config.model
    const [canvas] = this.data.canvases
    const graph = new Graph()
    const scope = Scope.root(graph, { training: false })
    const images = graph.input('images', 'float32', [1, 3, ...canvas!])
    const { stats, classes, boxes } = detectorOf(this.config.model, { classes: this.data.classes.length })(
      scope,
      images,
    )
    return {
      description: `RetinaNet on ${name}, width ${width}, ${stem} stem, ${detector.channels} channels`,
      parameters: scope.declarations.parameterCount(),
      activeParameters: activeParameterCount(scope.declarations, stats),
      multiplyAdds: activeMultiplyAdds([classes.value, boxes], stats),
    }
  }

  get notices(): TrainEvent[] {
    const { skipped, notices = [] } = this.data
    const messages = [...skipped.map(({ path, reason }) => `${path}: ${reason}`), ...notices]
    return messages.map(message => ({ kind: 'warning', message }))
  }

  checkTrainable(): void {
    checkLearnable(this.data)
  }

  forms(epoch: number): BatchForm[] {
    const { canvases, train } = this.data
    const forms = new Map<string, BatchForm>()
    for (const batch of this.batches(epoch)) {
      const place = canvasOf(canvases, train.scenes[batch[0]!]!)
      const [height, width] = canvases[place]!
      forms.set(`${batch.length} on ${place}`, { images: batch.length, height, width })
    }
    return [...forms.values()].sort((a, b) => b.images - a.images)
  }

  work(): number {
    return 1
  }

  batches(epoch: number): readonly Uint32Array[] {
    const { seed, training } = this.config
    return detectionBatches(this.data, this.data.train, training.batch, { seed, epoch })
  }

  async load(indices: Uint32Array, epoch: number): Promise<TaskBatch> {
    const { config, data } = this
    const { flip, scaleJitter, mosaic } = config.augmentation
    const batch = await makeDetectionBatch(data, data.train, indices, {
      ...{ flip, scaleJitter, mosaic },
      seed: config.seed,
      epoch,
    })
    const [height, width] = batch.canvas
    const anchors = this.#anchorsOn(height, width)
    const total = anchors.boxes.length / 4
    const matching = matchingOf(config.model.detector)
    const targets = anchorTargets(anchors.boxes, batch.objects, data.classes.length, matching)
    const count = indices.length
    return {
      form: { images: count, height, width },
      feeds: new Map([
        ['images', batch.images],
        [targetInputs.classes, { dtype: 'int64', shape: [count, total], data: targets.classes }],
        [targetInputs.boxes, { dtype: 'float32', shape: [count, total, 4], data: targets.boxes }],
      ]),
    }
  }

  imageNames(split: SplitName): readonly string[] {
    return splitNamed(this.data, split).scenes.map(({ name }) => name)
  }

  async pictures(split: SplitName, images: readonly number[]): Promise<readonly StoredPicture[]> {
    return await splitNamed(this.data, split).load(images)
  }

  objective({ height, width }: BatchForm): BuildObjective {
    const { model } = this.config
    return detectionObjective({
      detector: detectorOf(model, { classes: this.data.classes.length }),
      anchors: this.#anchorsOn(height, width).boxes.length / 4,
      boxWeight: model.detector.boxWeight,
      scoreClamp: model.detector.scoreClamp,
    })
  }

  trainMeasures(means: Readonly<Record<string, number>>): Measures {
    const { classificationLoss = 0, regressionLoss = 0 } = means
    return { classificationLoss, regressionLoss }
  }

  evaluation(engines: readonly Engine[], overrides?: RoutingOverrides): Evaluation<DetectorRecords> {
    return new DetectionEvaluation(this, engines, overrides)
  }

  async withVariants(
    engine: Engine,
    split: SplitName,
    { variants: wanted, onEvent = () => undefined }: VariantOptions = {},
  ): Promise<EvaluatedVariants<DetectorRecords>> {
    const results: VariantResult[] = []
    const progress = new PassProgress(splitNamed(this.data, split).length, onEvent)
    const run = async (what: string, overrides?: RoutingOverrides) => {
      const evaluation = this.evaluation([engine], overrides)
      const result = await evaluation.run(split, { onProgress: progress.next(what) })
      await evaluation.release()
      return result!
    }
    const trained = await run('finding objects')
    const variants = wanted ?? this.mixtures.flatMap(variantsOf)
    const isTrained = (variant: Variant) =>
      variant.kind === 'k' && this.mixtures.some(({ place, k }) => place === variant.place && k === variant.k)
    progress.plan(variants.filter(variant => !isTrained(variant)).length)
    for (const variant of variants) {
      const { measures } = isTrained(variant)
        ? trained
        : await run(variantName(variant), overridesOf(variant, this.mixtures))
      results.push({ variant, measures, predictions: null })
    }
    return { trained, variants: results }
  }

  #anchorsOn(height: number, width: number): Anchors {
    const key = `${height}×${width}`
    const known = this.#anchors.get(key)
    if (known !== undefined) return known
    const made = anchorsFor(this.config.model, [height, width])
    this.#anchors.set(key, made)
    return made
  }
}

/** Those of the backbone by position, then those of the heads. */
function mixturesOfDetector(model: DetectorModelConfig): Mixture[] {
  const backbone = embeddedMixtures(model)
  const { mixture } = model.detector
  if (mixture === null) return backbone
  const { heads, gates, experts, k, constraint } = mixture
  const both = heads === 'both' ? (['classification', 'regression'] as const) : [heads]
  const places = gates === 'shared' ? (['shared'] as const) : both
  return [
    ...backbone,
    ...places.map(place => ({ place, experts, k, constraint: constraint.name, style: null })),
  ]
}

class DetectionEvaluation implements Evaluation<DetectorRecords> {
  readonly #evaluator: DetectorEvaluator

  constructor(
    readonly task: DetectionTask,
    engines: readonly Engine[],
    overrides?: RoutingOverrides,
  ) {
    this.#evaluator = new DetectorEvaluator(engines, task.config.model, task.data, overrides)
  }

  async prepare(split: SplitName): Promise<void> {
    const { config, data } = this.task
    await this.#evaluator.prepare(splitNamed(data, split), config.training.batch)
  }

  async run(split: SplitName, options: TestOptions = {}): Promise<DetectorRecords | undefined> {
    const { config, data } = this.task
    const { batch, metrics = [] } = config.training
    const images = splitNamed(data, split)
    const records = await this.#evaluator.evaluate({ split: images, batch, ...options })
    if (records === undefined || metrics.length === 0) return records
    const own = ownMeasures<'detection'>(metrics, predictionsOf(records, images, data.classes))
    return { ...records, measures: { ...records.measures, ...own } }
  }

  async release(): Promise<void> {
    await this.#evaluator.release()
  }
}

/** What metrics of the user's own are given. */
function predictionsOf(
  { found }: DetectorRecords,
  { scenes }: DetectionSplit,
  classes: readonly string[],
): BoxPredictions {
  const byImage = scenes.map(({ objects }) => ({ objects, found: [] as FoundObject[] }))
  for (const one of found) byImage[one.image]!.found.push(one)
  return { images: byImage, classes }
}
