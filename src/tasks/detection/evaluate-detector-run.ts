import { type SplitName, splitNamed } from '../../data/index.ts'
import {
  type CategoryEvaluation,
  cocoSizes,
  type DetectionEvaluation,
  type DetectionStats,
  type SizeLimits,
} from '../../metrics/detections/index.ts'
import { type LayerSummary, stoppedBy, type TrainEvent } from '../../run/events.ts'
import { type DataChoice, engineOf } from '../open-run.ts'
import { describeRouting, type RoutingChoice, routingOverride } from '../routing-choice.ts'
import { DetectorEvaluator } from './evaluate-detector.ts'
import { openTrainedDetector } from './trained-detector.ts'
import { layerSummaries } from './unit-weights.ts'

/** Which detector's run to evaluate, on what, and with which experts. */
export interface DetectorEvalOptions extends RoutingChoice {
  /** The run's folder; its newest checkpoint is evaluated. */
  readonly run: string
  /** Other images with boxes of the same classes, instead of those it was trained on. */
  readonly data?: DataChoice
  /** By default the one that the run was tested on while it trained. */
  readonly split?: SplitName
  /** Told how opening the data and evaluating come along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal
}

/** COCO's numbers of one class, without what lies between them. */
export type CategorySummary = Omit<CategoryEvaluation, 'perIoU'>

/** What a detector reaches. */
export interface DetectorEvalSummary {
  readonly run: string
  readonly split: SplitName
  /** Training steps of the checkpoint. */
  readonly step: number
  readonly images: number
  /** Mean over images of what training minimises, without losses that balance experts. */
  readonly loss: number
  /** COCO's twelve numbers. */
  readonly stats: DetectionStats
  readonly counts: DetectionEvaluation['counts']
  /** By rising id. */
  readonly perCategory: readonly CategorySummary[]
  /** Side lengths in pixels of the stored images that part small from medium and medium from large objects. */
  readonly sizes: SizeLimits
  readonly layers: readonly LayerSummary[]
  /** "as trained", or how experts were chosen instead. */
  readonly routing: string
}

/**
 * Evaluates the newest checkpoint of a detector's run, as trained or with another routing in all its mixtures (METHOD.md
 * §5.4).
 *
 * @throws MoietyError `usage` for a folder that is no detector's run, a K or an expert that the model does not have, or data
 *   with other classes; `diverged` where what the network computes is not finite; `data`; `disk` for a damaged checkpoint
 */
export async function evaluateDetectorRun(options: DetectorEvalOptions): Promise<DetectorEvalSummary> {
  const { run } = options
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const trained = await openTrainedDetector(run, {
    split: options.split,
    onEvent,
    check: config => routingOverride(options, config.model),
    ...(options.data === undefined ? {} : { data: options.data }),
  })
  const { config, checkpoint, dataset, split } = trained
  const engine = await engineOf(trained)
  try {
    const override = routingOverride(options, config.model)
    const evaluator = new DetectorEvaluator([engine], config.model, dataset, override)
    const records = await evaluator.evaluate({
      split: splitNamed(dataset, split),
      batch: config.training.batch,
      onProgress: (done, total) => onEvent({ kind: 'progress', what: 'evaluating', done, total }),
    })
    const { images, loss, evaluation } = records!
    return {
      run,
      split,
      step: checkpoint.step,
      images,
      loss,
      stats: evaluation.stats,
      counts: evaluation.counts,
      perCategory: evaluation.perCategory.map(({ perIoU: _, ...numbers }) => numbers),
      sizes: sizesOf(dataset),
      layers: layerSummaries(records!, dataset.classes),
      routing: describeRouting(options),
    }
  } finally {
    await engine.stop()
  }
}

/** COCO's size limits in pixels of a data set's stored images. */
export function sizesOf({ sizeFactor }: { readonly sizeFactor: number }): SizeLimits {
  const [small, medium] = cocoSizes
  return [small * sizeFactor, medium * sizeFactor]
}
