import { fail } from '../base/errors.ts'
import { classifierOf } from '../models/index.ts'
import type { RoutingOverride } from '../moe/index.ts'
import type { Config } from '../run/config.ts'
import type { LayerSummary, TrainEvent } from '../run/events.ts'
import { evaluateSplit } from './evaluate-split.ts'
import { preferredClasses } from './preference.ts'
import { evaluationProgram } from './program.ts'
import { type DataChoice, engineOf, openTrainedRun } from './trained-run.ts'

/** Which run to evaluate, on what, and with which experts. */
export interface EvalOptions {
  /** The run's folder; its newest checkpoint is evaluated. */
  readonly run: string
  /** Another data set with the same classes, instead of the one it was trained on. */
  readonly data?: DataChoice
  /** How many experts compute each image, instead of as many as in training. */
  readonly k?: number
  /** The one expert that computes every image, counted from 0. */
  readonly only?: number
  /** The expert that is left out, counted from 0. */
  readonly without?: number
  /** All experts compute every image and weigh the same: the ensemble that the gate is measured against. */
  readonly equal?: true
  readonly split?: 'test' | 'train'
  /** Told how opening the data and evaluating come along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
}

/** Accuracies are fractions, the loss is the mean cross-entropy. */
export interface EvalSummary {
  readonly run: string
  readonly split: 'test' | 'train'
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
  const { run, split = 'test', onEvent = () => undefined } = options
  const trained = await openTrainedRun(run, {
    split,
    onEvent,
    check: config => overrideOf(options, config),
    ...(options.data === undefined ? {} : { data: options.data }),
  })
  const { config, checkpoint, dataset } = trained
  const override = overrideOf(options, config)
  const engine = await engineOf(trained)
  try {
    const evaluation = evaluationProgram({
      classifier: classifierOf(config.model, { classes: dataset.classes.length, override }),
      size: dataset.size,
    })
    const loaded = await engine.load(evaluation.program)
    const result = await evaluateSplit({
      dataset,
      split: dataset[split],
      evaluation,
      loaded,
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
      routing: describeOverride(options),
    }
  } finally {
    await engine.stop()
  }
}

function overrideOf({ k, only, without, equal }: EvalOptions, config: Config): RoutingOverride | undefined {
  if (k === undefined && only === undefined && without === undefined && equal === undefined) return undefined
  const { moe } = config.model
  if (moe.length === 0) {
    fail({
      kind: 'usage',
      message: 'the run has no mixture of experts, so there is no routing to change',
      help: 'leave --k, --only, --without and --equal out',
    })
  }
  if (equal) return { kind: 'equal' }
  const fewest = Math.min(...moe.map(layer => layer.experts))
  for (const [flag, expert] of [
    ['--only', only],
    ['--without', without],
  ] as const) {
    if (expert !== undefined && expert >= fewest) {
      fail({
        kind: 'usage',
        message: `there is no expert ${expert}: experts are 0 to ${fewest - 1}`,
        where: flag,
        help: 'choose one of these',
      })
    }
  }
  const available = fewest - (without === undefined ? 0 : 1)
  const wanted = k ?? Math.max(...moe.map(layer => layer.k))
  if (only === undefined && wanted > available) {
    fail({
      kind: 'usage',
      message: `K = ${wanted} experts cannot be chosen from ${available}`,
      where: '--k',
      help: `choose 1 to ${available} with --k`,
    })
  }
  if (only !== undefined) return { kind: 'single', expert: only }
  return { kind: 'gate', ...(k === undefined ? {} : { k }), ...(without === undefined ? {} : { without }) }
}

function describeOverride({ k, only, without, equal }: EvalOptions): string {
  if (equal) return 'all with equal weight'
  if (only !== undefined) return `expert ${only} alone`
  const parts = [
    ...(k === undefined ? [] : [`K = ${k}`]),
    ...(without === undefined ? [] : [`without expert ${without}`]),
  ]
  return parts.length === 0 ? 'as trained' : parts.join(', ')
}
