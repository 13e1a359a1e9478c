import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator, withDefaults } from '../base/component.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { Json } from '../files/json.ts'
import type { Measures } from '../metrics/measure.ts'
import type { LayerStats } from '../metrics/utilization.ts'

/** What a callback receives of a step. */
export interface StepReport {
  /** Steps that are done. */
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly learningRate: number
}

/** What a callback receives of an epoch on one split. */
export interface EpochReport {
  readonly epoch: number
  readonly epochs: number
  /** `train`, or what the training is tested on. */
  readonly split: 'train' | 'val' | 'test'
  readonly loss: number
  readonly measures: Measures
  readonly layers: readonly LayerStats[]
}

/** What a callback can do to the training. */
export interface TrainingControl {
  /** Ends the training after the epoch as if it had been its last one. */
  stop(reason: string): void
  /** A copy of the parameters and everything else in the training's state, by name. */
  state(): Promise<ReadonlyMap<string, HostTensor>>
}

/** Follows a training. Each function may return a promise, which is waited for; what it throws ends the training. */
export interface Callback {
  /** Called after every step. */
  onStep?(step: StepReport, training: TrainingControl): void | Promise<void>
  /** Called after every epoch with what was measured on the images trained on, and again with the test, if there was one. */
  onEpoch?(epoch: EpochReport, training: TrainingControl): void | Promise<void>
  /** Called when the training is finished, not where it is interrupted. */
  onEnd?(): void | Promise<void>
  /** What the callback remembers, for the checkpoint: a training that is resumed then continues as if it had not stopped. */
  save?(): Json
  /** Called with what `save` returned before the training continues. */
  restore?(saved: Json): void
}

/** A callback that a configuration can name. */
export type CallbackDefinition = Creator<'callback', Callback> & NeededMeasures

interface NeededMeasures {
  /** Names of the measures that a callback with these options reads: a training without one of them is refused before it begins. */
  measures?(options: object): readonly string[]
}

/**
 * Defines a callback, so that a configuration can name it in `training.callbacks`.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineCallback<const Name extends string, Options extends z.ZodRawShape>(
  spec: CreatorSpec<Name, Options, Callback> & {
    /** Names of the measures that it reads: a training without one of them is refused before it begins. */
    readonly measures?: (options: z.output<z.ZodObject<Options>>) => readonly string[]
  },
) {
  const definition = defineCreator('callback', spec)
  const { name, options, measures } = spec
  if (measures === undefined) return definition
  const owner = `the callback "${name}"`
  return {
    ...definition,
    measures: (given: object) => measures(withDefaults<Options>(options, given as never, owner)),
  }
}
