import { type SplitName, splitNamed } from '../data/index.ts'
import { preferredClasses } from '../metrics/preferred-classes.ts'
import { type LayerSummary, stoppedBy, type TrainEvent } from '../run/events.ts'
import { evaluateSplit } from './classification/evaluate-split.ts'
import { evaluationProgram } from './classification/evaluation-program.ts'
import { classifierOf } from './classifier-of.ts'
import { type DataChoice, engineOf, openTrainedRun } from './open-run.ts'
import { describeRouting, type RoutingChoice, routingOverride } from './routing-choice.ts'

/** Which run to evaluate, on what, and with which experts. */
export interface EvalOptions extends RoutingChoice {
  /** The run's folder; its newest checkpoint is evaluated. */
  readonly run: string
  /** Another data set with the same classes, instead of the one it was trained on. */
  readonly data?: DataChoice
  /** By default the one that the run was tested on while it trained. */
  readonly split?: SplitName
  /** Told how opening the data and evaluating come along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal
}

/** Accuracies are fractions, the loss is the mean cross-entropy. */
export interface EvalSummary {
  readonly run: string
  readonly split: SplitName
  /** Training steps of the checkpoint. */
  readonly step: number
  readonly images: number
  readonly loss: number
  readonly top1: number
  readonly top5: number
  readonly layers: readonly LayerSummary[]
  /** "as trained", or how experts were chosen instead. */
  readonly routing: string
}

/**
 * Evaluates the newest checkpoint of a run, as trained or with another routing (METHOD.md §6.4–5).
 *
 * @throws MoietyError `usage` for a folder that is no run, a K or an expert that the model does not have, or data with
 *   other classes; `data`; `disk` for a damaged checkpoint
 */
export async function evaluateRun(options: EvalOptions): Promise<EvalSummary> {
  const { run } = options
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const trained = await openTrainedRun(run, {
    split: options.split,
    onEvent,
    check: config => routingOverride(options, config.model),
    ...(options.data === undefined ? {} : { data: options.data }),
  })
  const { config, checkpoint, dataset, split } = trained
  const override = routingOverride(options, config.model)
  const engine = await engineOf(trained)
  try {
    const evaluation = evaluationProgram({
      classifier: classifierOf(config.model, { classes: dataset.classes.length, override }),
      size: dataset.size,
    })
    const loaded = await engine.load(evaluation.program)
    const result = await evaluateSplit({
      dataset,
      split: splitNamed(dataset, split),
      evaluation,
      loaded: [loaded],
      batch: config.training.batch,
      onProgress: (done, total) => onEvent({ kind: 'progress', what: 'evaluating', done, total }),
    })
    const { images, loss, top1, top5, layers, classWeights } = result!
    return {
      run,
      split,
      step: checkpoint.step,
      images,
      loss,
      top1,
      top5,
      layers: layers.map((layer, i) => ({
        ...layer,
        preferred: preferredClasses(classWeights[i]!, dataset.classes),
      })),
      routing: describeRouting(options),
    }
  } finally {
    await engine.stop()
  }
}
