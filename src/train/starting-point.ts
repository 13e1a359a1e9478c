import type { Config } from '../config/config.ts'
import { isJsonObject, type Json } from '../files/json.ts'
import { withAverages } from '../optim/index.ts'
import { type Checkpoint, latestCheckpoint } from '../run/checkpoint.ts'
import { readPlan, type TrainingPlan } from '../run/extensions.ts'
import type { Engine } from '../runtime/index.ts'
import { type DataIdentity, refuseOtherData } from '../tasks/data-identity.ts'
import { type EpochSums, emptyEpoch, readSums } from './epoch-sums.ts'
import { extendedPlan } from './extend.ts'
import { withPublishedWeights } from './pretrained.ts'
import { describeDamage, refuseEditedConfig, refuseOtherModel } from './resume.ts'
import type { StepFacts } from './step.ts'

/** Where training stands between two steps. All that matters is here or in the engine's state. */
export interface Position {
  step: number
  epoch: number
  /** Batches of the epoch that are done. */
  batch: number
  sums: EpochSums
}

/** Where a training begins or continues. */
export interface StartingPoint {
  readonly position: Position
  /** How long it is to be. */
  readonly plan: TrainingPlan
  /** The path of the checkpoint, if there was one. */
  readonly checkpoint: string | undefined
  /** What its callbacks remember. */
  readonly callbacks: Json | undefined
  /** What the checkpoint remembers of its training; null for a new one. */
  readonly extra: Json
}

/** The data that there is. */
export interface StartData {
  readonly identity: DataIdentity
  readonly title: string
  /** Of data with boxes: by class. */
  readonly categoryIds?: readonly number[] | undefined
}

/**
 * The newest checkpoint of a run, or undefined where it has none. It needs no program: what is refused is refused before one is made.
 *
 * @param run - the run's folder
 * @param resume - `auto` passes over damaged checkpoints
 * @param onWarning - called with those
 * @throws MoietyError `usage` or `data` where it belongs to another configuration or data; `disk` where it is damaged and `resume`
 *   is not `auto`
 */
export function checkpointOf(
  run: string,
  {
    config,
    data,
    resume,
    onWarning,
  }: {
    readonly config: Config
    readonly data: StartData
    readonly resume: true | 'auto'
    readonly onWarning: (message: string) => void
  },
): Checkpoint | undefined {
  const { checkpoint, damaged } = latestCheckpoint(run, { fallback: resume === 'auto' })
  if (damaged.length > 0) onWarning(describeDamage(damaged, checkpoint))
  if (checkpoint === undefined) return undefined
  refuseOtherData(checkpoint.extra, data.identity, data.title)
  refuseEditedConfig(config, checkpoint)
  return checkpoint
}

export interface StartOptions {
  readonly config: Config
  readonly data: StartData
  readonly engine: Engine
  readonly step: StepFacts
  /** Where to go on from; undefined for a new training. */
  readonly checkpoint: Checkpoint | undefined
  /** Epochs that the run's own configuration has; a resume may have given more. */
  readonly epochsBefore: number
  readonly stepsPerEpoch: number
  /** Called with what was chosen in weights to start from. */
  readonly onNote: (message: string) => void
}

/**
 * Puts the first state, or that of the checkpoint, into the engine.
 *
 * @returns where training stands then, how long it is to be, and the path of the checkpoint, if there was one
 * @throws MoietyError `disk` where the checkpoint belongs to another model; `usage` or `data` where weights to start from do not fit
 */
export async function startingPoint(options: StartOptions): Promise<StartingPoint> {
  const { config, data, engine, step, checkpoint, onNote, epochsBefore, stepsPerEpoch } = options
  const initial = step.initialState(config.seed)
  if (checkpoint === undefined) {
    const begun = await withPublishedWeights(initial, config.model, onNote, {
      seed: config.seed,
      categoryIds: data.categoryIds,
    })
    await engine.setState(withAverages(begun, step.average?.names ?? []), { transfer: true })
    return {
      position: { step: 0, epoch: 0, batch: 0, sums: emptyEpoch(step.layers) },
      plan: { epochs: config.training.epochs, extensions: [] },
      checkpoint: undefined,
      callbacks: undefined,
      extra: null,
    }
  }
  refuseOtherModel(initial, checkpoint)
  await engine.setState(checkpoint.state, { transfer: true })
  const { extra, epoch, batch } = checkpoint
  const sums = readSums(extra) ?? emptyEpoch(step.layers)
  const plan = readPlan(extra) ?? { epochs: epochsBefore, extensions: [] }
  return {
    position: { step: checkpoint.step, epoch, batch, sums },
    plan: extendedPlan(plan, config, { step: checkpoint.step, stepsPerEpoch }),
    checkpoint: checkpoint.path,
    callbacks: isJsonObject(extra) ? extra.callbacks : undefined,
    extra,
  }
}
