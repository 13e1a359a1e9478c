import { draws } from '../base/random.ts'
import { type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import { decayAt, decayInput } from '../optim/index.ts'
import type { NoiseInput, StepFacts, TrainingStep } from './step.ts'

/** When a step is taken. */
export interface StepMoment {
  readonly step: number
  readonly epoch: number
  /** The learning rate. */
  readonly rate: number
}

/**
 * All that a training step is fed but its state.
 *
 * @param batch - images and targets, by the names of the step's inputs
 * @param seed - the noise is a function of it, the layer and the number of the step
 */
export function stepFeeds(
  step: Pick<TrainingStep, 'noise' | 'needsEpoch' | 'average'>,
  batch: ReadonlyMap<string, HostTensor>,
  moment: StepMoment,
  seed: number,
): Map<string, HostTensor> {
  return new Map([...passFeeds(step, batch, moment, seed), ...rateFeeds(step, moment)])
}

/** What only the optimizer and the average of the weights are fed. */
export function rateFeeds(
  { average }: Pick<StepFacts, 'average'>,
  { step, rate }: StepMoment,
): (readonly [string, HostTensor])[] {
  return [
    ['learningRate', scalar(rate)],
    ...(average === undefined ? [] : [[decayInput, scalar(decayAt(step, average.decay))] as const]),
  ]
}

/**
 * The same without the learning rate, which only the optimizer reads: for one part of a batch. Random numbers are a function
 * of (seed, layer, number of the step, part).
 */
export function passFeeds(
  { noise, needsEpoch }: Pick<StepFacts, 'needsEpoch'> & { readonly noise: readonly NoiseInput[] },
  batch: ReadonlyMap<string, HostTensor>,
  { step, epoch }: StepMoment,
  seed: number,
  part = 0,
): Map<string, HostTensor> {
  const feeds = new Map(batch)
  if (needsEpoch) feeds.set('epoch', scalar(epoch))
  for (const { name, shape, distribution } of noise) {
    const source = draws(seed, name, step, part)
    const data = Float32Array.from({ length: sizeOf(shape) }, () => source[distribution]())
    feeds.set(name, { dtype: 'float32', shape, data })
  }
  return feeds
}
