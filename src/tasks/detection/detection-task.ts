import { fail } from '../../base/errors.ts'
import type { Config } from '../../config/config.ts'
import {
  canvasOf,
  type DetectionDataset,
  detectionBatches,
  makeDetectionBatch,
  openDetectionDataset,
} from '../../data/detection/index.ts'
import { heldOutSplit, type OnProgress, splitNamed } from '../../data/index.ts'
import { type Anchors, anchorTargets, targetInputs } from '../../models/index.ts'
import type { Measures, TrainEvent } from '../../run/events.ts'
import type { Engine } from '../../runtime/index.ts'
import { detectionIdentity } from '../data-identity.ts'
import type { BatchForm, BuildObjective } from '../objective.ts'
import type { Task, TaskBatch, TestOptions, TestResult } from '../task.ts'
import { detectionObjective } from './detection-objective.ts'
import { anchorsFor, type DetectorModelConfig, detectorOf } from './detector-of.ts'
import { DetectorEvaluator } from './evaluate-detector.ts'
import { layerSummaries } from './unit-weights.ts'

/** A configuration whose model is a detector. */
export type DetectionConfig = Config & { readonly model: DetectorModelConfig }

/**
 * Opens the data of a detector.
 *
 * @throws MoietyError `data` or `usage` as `openDetectionDataset`, `data` for data from which nothing can be learned
 */
export async function openDetection(
  config: DetectionConfig,
  engines: readonly Engine[],
  onProgress: OnProgress,
): Promise<Task> {
  const dataset = await openDetectionDataset(detectionData(config), onProgress)
  checkLearnable(dataset)
  return new DetectionTask(config, engines, dataset)
}

/** The `data` of a configuration as what opens it has it. */
export function detectionData({ data }: Config) {
  const { name } = data
  if (name === 'scenes' || name === 'coco') return { ...data, name }
  return fail({
    kind: 'usage',
    message: `a detector learns from boxes, and ${name} has none`,
    where: 'data.name',
    help: 'take scenes or coco',
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

/** Finding objects: their boxes and classes. */
class DetectionTask implements Task {
  readonly #evaluator: DetectorEvaluator
  readonly #anchors = new Map<string, Anchors>()
  readonly identity
  readonly stepsPerEpoch: number

  constructor(
    readonly config: DetectionConfig,
    readonly engines: readonly Engine[],
    readonly dataset: DetectionDataset,
  ) {
    this.identity = detectionIdentity(dataset)
    this.stepsPerEpoch = this.batches(0).length
    this.#evaluator = new DetectorEvaluator(engines, config.model, dataset)
  }

  get heldOut() {
    return heldOutSplit(this.dataset)
  }

  get title() {
    return this.dataset.title
  }

  get notices(): TrainEvent[] {
    const { skipped, notices = [] } = this.dataset
    const messages = [...skipped.map(({ path, reason }) => `${path}: ${reason}`), ...notices]
    return messages.map(message => ({ kind: 'warning', message }))
  }

  forms(epoch: number): BatchForm[] {
    const { canvases, train } = this.dataset
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
    return detectionBatches(this.dataset, this.dataset.train, training.batch, { seed, epoch })
  }

  async load(indices: Uint32Array, epoch: number): Promise<TaskBatch> {
    const { config, dataset } = this
    const { flip } = config.augmentation
    const batch = await makeDetectionBatch(dataset, dataset.train, indices, {
      flip,
      seed: config.seed,
      epoch,
    })
    const [height, width] = batch.canvas
    const anchors = this.#anchorsOn(height, width)
    const total = anchors.boxes.length / 4
    const { matching } = config.model.detector
    const targets = anchorTargets(anchors.boxes, batch.objects, dataset.classes.length, matching)
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

  objective({ height, width }: BatchForm): BuildObjective {
    const { model } = this.config
    return detectionObjective({
      detector: detectorOf(model, { classes: this.dataset.classes.length }),
      anchors: this.#anchorsOn(height, width).boxes.length / 4,
      boxWeight: model.detector.boxWeight,
      scoreClamp: model.detector.scoreClamp,
    })
  }

  trainMeasures(means: Readonly<Record<string, number>>): Measures {
    const { classificationLoss = 0, regressionLoss = 0 } = means
    return { classificationLoss, regressionLoss }
  }

  async prepareTest(): Promise<void> {
    await this.#evaluator.prepare(splitNamed(this.dataset, this.heldOut), this.config.training.batch)
  }

  async test({ signal, onProgress }: TestOptions): Promise<TestResult | undefined> {
    const { dataset, config } = this
    const records = await this.#evaluator.evaluate({
      split: splitNamed(dataset, this.heldOut),
      batch: config.training.batch,
      signal,
      onProgress,
    })
    if (records === undefined) return undefined
    const { loss, evaluation } = records
    return {
      loss,
      measures: { ...evaluation.stats },
      layers: layerSummaries(records, dataset.classes),
    }
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
