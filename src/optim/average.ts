import type { HostTensor, State } from '../base/tensor.ts'
import { add, type Graph, mul, sub, type Tensor } from '../graph/index.ts'
import { joined, separated } from './trained.ts'

/**
 * The exponential moving average of a network's weights: a ← a + (1 − d)·(w − a) after each step (Polyak and Juditsky 1992;
 * as timm's `ModelEmaV3` and TensorFlow's `ExponentialMovingAverage`). Parameters and BatchNorm's running statistics are averaged,
 * as timm does with `exclude_buffers=False`, its default; counters of constraints are not, because they are only used in training.
 */

/** Part of the optimizer's state, so reading only a network skips it. */
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

/** The input of a step that is fed {@link decayAt}. */
export const decayInput = 'averageDecay'

/** A tensor of the state and what a step makes of it. */
export interface ChangedTensor {
  readonly name: string
  readonly value: Tensor
}

/**
 * New values of the averages, by their names in the state.
 *
 * @param changed - new values of parameters and statistics; what is averaged of them
 */
export function averageStep(graph: Graph, changed: readonly ChangedTensor[]): Map<string, Tensor> {
  const decay = graph.input(decayInput, 'float32', [], {
    least: 0,
    most: 1,
    expected: 'the decay of the average of the weights, from 0 to 1',
    help: 'feed what decayAt returns',
  })
  const left = sub(1, decay)
  const next = new Map<string, Tensor>()
  // All vectors as one, as the optimizer has them.
  for (const group of alike(changed)) {
    const shapes = group.map(({ name, value }) => ({
      name: averageName(name),
      shape: value.shape.map(Number),
    }))
    const before = joined(shapes.map(({ name, shape }) => graph.input(name, 'float32', shape)))
    const now = joined(group.map(({ value }) => value))
    const after = add(before, mul(sub(now, before), left))
    for (const [i, part] of separated(after, shapes).entries()) next.set(shapes[i]!.name, part)
  }
  return next
}

function alike(changed: readonly ChangedTensor[]): (readonly ChangedTensor[])[] {
  const vectors = changed.filter(({ value }) => value.rank === 1)
  const others = changed.filter(({ value }) => value.rank !== 1).map(one => [one])
  return vectors.length === 0 ? others : [vectors, ...others]
}

/** A state whose averages begin as what they average. */
export function withAverages(state: State, names: readonly string[]): Map<string, HostTensor> {
  const averages = names.map(name => {
    const { dtype, shape, data } = state.get(name)!
    return [averageName(name), { dtype, shape, data: data.slice() } as HostTensor] as const
  })
  return new Map([...state, ...averages])
}

/** The state of a network whose weights are their averages. */
export function averagedState(state: State): Map<string, HostTensor> {
  const averaged = new Map(state)
  for (const name of averagesOf(state.keys())) averaged.set(name, state.get(averageName(name))!)
  return averaged
}
