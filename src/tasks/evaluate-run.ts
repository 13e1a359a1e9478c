import type { SplitName } from '../data/index.ts'
import {
  type LayerSummary,
  type Measures,
  type NetworkCost,
  stoppedBy,
  type TrainEvent,
} from '../run/events.ts'
import type { Device } from '../runtime/index.ts'
import type { CheckpointChoice } from './choose-checkpoint.ts'
import { type DataChoice, engineOf, openTrainedRun } from './open-run.ts'
import { layerSummaries } from './routing.ts'
import { describeRouting, mixturesIn, type RoutingChoice, routingOverride } from './routing-choice.ts'
import type { Task, TextTable } from './task.ts'

/** Which run to evaluate, on what, and with which experts. */
export interface EvalOptions extends RoutingChoice, CheckpointChoice {
  /** The run's folder. */
  readonly run: string
  /** The run's task, where its configuration does not describe it. */
  readonly task?: Task | undefined
  /** Another data set with the same classes, instead of the one it was trained on. */
  readonly data?: DataChoice | undefined
  /** By default the one that the run was tested on while it trained. */
  readonly split?: SplitName | undefined
  /** Device of the engine, instead of that of the training. */
  readonly device?: Device | undefined
  /** Reports how everything comes along, and which images were left out. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** What a run reaches on a split. */
export interface EvalSummary {
  readonly run: string
  /** `classification`, `detection`, … */
  readonly task: string
  readonly split: SplitName
  /** Of the checkpoint. */
  readonly step: number
  /** Which checkpoint and weights, in words. */
  readonly checkpoint: string
  readonly images: number
  /** Mean over images. */
  readonly loss: number
  /** By the names of the task's measures, from 0 to 1. */
  readonly measures: Measures
  /** What an image takes as trained, whatever `routing` says. */
  readonly cost: NetworkCost
  readonly layers: readonly LayerSummary[]
  /** How experts were chosen, in words. */
  readonly routing: string
  /** What else the task counts: of a detector `counts`, `perCategory` and `sizes`. */
  readonly details: Readonly<Record<string, unknown>>
  /** The same as tables. */
  readonly tables: readonly TextTable[]
}

/**
 * Evaluates a checkpoint of a run, by default the newest one, with its experts as trained or chosen otherwise.
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, data with other classes, or experts that
 *   its mixtures do not have; `data`; `disk` for a damaged checkpoint; `diverged` where the loss is not finite
 */
export async function evaluateRun(options: EvalOptions): Promise<EvalSummary> {
  const { run, data, split: wanted } = options
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const { task, checkpoint, split } = await openTrainedRun(run, {
    task: options.task,
    checkpoint: options.checkpoint,
    weights: options.weights,
    data,
    split: wanted,
    onEvent,
    check: config => {
      // Of a network that its own code builds, the mixtures are known once it is built.
      if (options.task === undefined && config.model.network === undefined)
        routingOverride(options, mixturesIn(config.model))
    },
  })
  const { config } = task
  const engine = await engineOf({ config, checkpoint }, { device: options.device })
  try {
    const evaluation = task.evaluation([engine], routingOverride(options, task.mixtures))
    const onProgress = (done: number, total: number) =>
      onEvent({ kind: 'progress', what: 'evaluating', done, total })
    const result = (await evaluation.run(split, { onProgress }))!
    const { images, loss, measures, details, tables } = result
    const { parameters, activeParameters, multiplyAdds } = task.facts
    return {
      run,
      task: task.kind.name,
      split,
      step: checkpoint.step,
      checkpoint: checkpoint.description,
      images,
      loss,
      measures,
      cost: { parameters, activeParameters, multiplyAdds },
      layers: layerSummaries(result, task.data.classes),
      routing: describeRouting(options),
      details,
      tables,
    }
  } finally {
    await engine.stop()
  }
}
