import { add, mul, sub, type Tensor } from '../graph/index.ts'

/**
 * The exponential moving average of a network's weights: a ← a + (1 − d)·(w − a) after each step (Polyak and Juditsky 1992;
 * as timm's `ModelEmaV3` and TensorFlow's `ExponentialMovingAverage`). Parameters and BatchNorm's running statistics are averaged,
 * as timm does with `exclude_buffers=False`, its default; counters of constraints are not, for they only matter in training.
 */

/** Part of the optimizer's state, so whoever reads a network alone does not meet it. */
const prefix = 'optimizer.average.'

/** The tensor of the state that averages another one. */
export function averageName(name: string): string {
  return `${prefix}${name}`
}

/** The names of what is averaged, among those of a state. */
export function averagesOf(names: Iterable<string>): string[] {
  return [...names].flatMap(name => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
}

/** Whether a statistic, a tensor of the state that is no parameter, is averaged. */
export function isAveragedStatistic(name: string): boolean {
  return /(^|\.)running_(mean|var)$/.test(name)
}

/**
 * The decay of a step: TensorFlow's warm-up, by which the first values are soon forgotten
 * (tf.train.ExponentialMovingAverage with `num_updates`).
 *
 * @param step - steps that were taken before this one
 */
export function decayAt(step: number, decay: number): number {
  return Math.min(decay, (1 + step) / (10 + step))
}

/** @param decay - scalar d */
export function averaged(before: Tensor, value: Tensor, decay: Tensor): Tensor {
  return add(before, mul(sub(value, before), sub(1, decay)))
}
