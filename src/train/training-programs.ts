import { draws } from '../base/random.ts'
import { type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import type { Batch } from '../data/index.ts'
import { classifierOf } from '../models/index.ts'
import type { Config } from '../run/config.ts'
import type { Engine, LoadedProgram } from '../runtime/index.ts'
import { type TrainingStep, trainingStep } from './step.ts'

export interface ReadyStep {
  readonly step: TrainingStep
  readonly loaded: LoadedProgram
}

/**
 * The training step for every batch size that comes up: an epoch's last batch may be smaller than the others. All of
 * them share the engine's state.
 */
export class TrainingPrograms {
  readonly #ready = new Map<number, ReadyStep>()

  constructor(
    readonly engine: Engine,
    readonly config: Config,
    readonly classes: number,
    readonly size: number,
  ) {}

  /** The step for batches of `count` images. */
  async for(count: number): Promise<ReadyStep> {
    const known = this.#ready.get(count)
    if (known !== undefined) return known
    const { optimizer, training, model } = this.config
    const step = trainingStep({
      classifier: classifierOf(model, { classes: this.classes }),
      classes: this.classes,
      batch: count,
      size: this.size,
      optimizer,
      labelSmoothing: training.labelSmoothing,
      clipNorm: training.clipNorm,
    })
    const made = { step, loaded: await this.engine.load(step.program) }
    this.#ready.set(count, made)
    return made
  }

  /** What a step is fed. Its noise is a function of (seed, layer, number of the step). */
  feeds(
    { needsEpoch, noise }: TrainingStep,
    { images, labels }: Batch,
    moment: { readonly step: number; readonly epoch: number; readonly rate: number },
  ): Map<string, HostTensor> {
    return new Map([
      ['images', images],
      ['labels', labels],
      ['learningRate', scalar(moment.rate)],
      ...(needsEpoch ? [['epoch', scalar(moment.epoch)] as const] : []),
      ...noise.map(({ name, shape }) => [name, this.#noise(name, shape, moment.step)] as const),
    ])
  }

  #noise(name: string, shape: readonly number[], step: number): HostTensor {
    const source = draws(this.config.seed, name, step)
    return {
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
    }
  }
}
