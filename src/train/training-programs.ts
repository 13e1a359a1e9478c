import { draws } from '../base/random.ts'
import { type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import type { Engine, LoadedProgram } from '../runtime/index.ts'
import type { BatchForm, TrainingStep } from './step.ts'
import type { Task, TaskBatch } from './task.ts'

export interface ReadyStep {
  readonly step: TrainingStep
  readonly loaded: LoadedProgram
}

/**
 * The training step for every form of batch that comes up: an epoch's last batch may be smaller than the others, and images
 * may lie on canvases of several shapes. All of them share the engine's state.
 */
export class TrainingPrograms {
  readonly #ready = new Map<string, ReadyStep>()

  constructor(
    readonly engine: Engine,
    readonly task: Pick<Task, 'step'>,
    readonly seed: number,
  ) {}

  /** The step for batches of a form. */
  async for(form: BatchForm): Promise<ReadyStep> {
    const key = `${form.images}×${form.height}×${form.width}`
    const known = this.#ready.get(key)
    if (known !== undefined) return known
    const step = this.task.step(form)
    const made = { step, loaded: await this.engine.load(step.program) }
    this.#ready.set(key, made)
    return made
  }

  /** What a step is fed. Its noise is a function of (seed, layer, number of the step). */
  feeds(
    { needsEpoch, noise }: TrainingStep,
    batch: TaskBatch,
    moment: { readonly step: number; readonly epoch: number; readonly rate: number },
  ): Map<string, HostTensor> {
    return new Map([
      ...batch.feeds,
      ['learningRate', scalar(moment.rate)],
      ...(needsEpoch ? [['epoch', scalar(moment.epoch)] as const] : []),
      ...noise.map(({ name, shape }) => [name, this.#noise(name, shape, moment.step)] as const),
    ])
  }

  #noise(name: string, shape: readonly number[], step: number): HostTensor {
    const source = draws(this.seed, name, step)
    return {
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
    }
  }
}
