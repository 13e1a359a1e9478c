import { type HostTensor, type State, scalar, sizeOf } from '../base/tensor.ts'
import {
  type ChangedChoice,
  choicesOf,
  interpret,
  interpretFollowing,
  lower,
  type NdArray,
  type Tensor,
} from '../graph/index.ts'
import { zerosFor } from '../optim/index.ts'
import type { Engine } from '../runtime/index.ts'
import { differentiate, nextValue, optimizerStep, type WriteStepOptions } from './step.ts'

/**
 * How far training in float32 is from the same training in float64, and why. Both begin with the same values and see the same
 * batches. The float64 training is computed twice: with its own discrete choices, and with those of float32 (see `ChangedChoice`).
 * What remains in the second is rounding, or a fault of the engine. Each step is also computed in float64 from the values that
 * float32 has reached, since Adam makes much of little: its first step has the size of the learning rate whatever the
 * gradient, so rounding in a gradient of almost 0 goes into the next values.
 */

/** What a step of training is measured with. */
export interface DriftOptions {
  readonly step: WriteStepOptions
  /** First values of the model, by name; the optimizer's own begin at 0. */
  readonly state: State
  /** What is fed in each step, without the learning rate: images, labels, noise. */
  readonly batches: readonly ReadonlyMap<string, HostTensor>[]
  readonly learningRate: number
}

/** One step's gradients of all parameters in float32 against float64. */
export interface Drift {
  /** ‖g₃₂ − g₆₄‖ / ‖g₆₄‖. */
  readonly difference: number
  /** The parameter whose gradient differs most. */
  readonly parameter: string
}

/** A step in float32 against float64. */
export interface StepDrift {
  /** Float64 goes by its own choices, from the first step on. */
  readonly own: Drift
  /** Float64 goes by the choices of float32, from the first step on. */
  readonly following: Drift
  /** Float64 begins this step with the values of float32, and goes by its choices. */
  readonly sameValues: Drift
  /**
   * By how much the gradients change, relative to their norm, when what each op gives in float64 is rounded to float32. It is what
   * rounding does to any computation in float32, whatever the engine. It is large where an expert got one image, whose values
   * BatchNorm divides by a deviation much smaller than their mean.
   */
  readonly rounding: number
  /** Choices of this step that float64, having followed all before, would have made otherwise. */
  readonly changed: readonly ChangedChoice[]
  /** In float32. */
  readonly loss: number
}

/**
 * Trains in float32 on the engine and in float64 in the interpreter, which is slow: for narrow networks and few steps.
 *
 * @throws MoietyError as `Engine.load` and `LoadedProgram.step`
 */
export async function measureDrift(
  engine: Engine,
  { step, state, batches, learningRate }: DriftOptions,
): Promise<StepDrift[]> {
  const { graph, loss, gradients, assigned } = differentiate(step)
  const { optimized } = optimizerStep(graph, gradients, step.optimizer, step.clipNorm)
  const changed = new Map([...optimized.updates, ...assigned])
  const derivatives = gradients.map(({ gradient }) => gradient)
  const wanted = [...derivatives, ...changed.values()]
  const choices = choicesOf(wanted)
  const program = await engine.load(
    lower(
      new Map<string, Tensor>([
        ['loss', loss],
        ...gradients.map(({ name, gradient }) => [`gradient ${name}`, gradient] as const),
        ...choices.map((tensor, i) => [`choice ${i}`, tensor] as const),
        ...[...changed].map(([name, value]) => [nextValue(name), value] as const),
      ]),
    ),
  )
  try {
    const first = new Map([...state, ...zerosFor(optimized.own)])
    await engine.setState(first)
    const updates = new Map([...changed.keys()].map(name => [nextValue(name), name]))
    const names = gradients.map(({ name }) => name)
    let [own, following] = [toFloat64(first), toFloat64(first)]
    const steps: StepDrift[] = []
    let turned = false
    for (const batch of batches) {
      const fed = new Map([...batch, ['learningRate', scalar(learningRate)]])
      const values = toFloat64(await engine.readState())
      const { outputs } = await program.step(fed, { updates, guards: ['loss'] })
      const given = new Map(choices.map((tensor, i) => [tensor, widened(outputs.get(`choice ${i}`)!)]))
      const feeds = toFloat64(fed)
      const followed = interpretFollowing(wanted, new Map([...following, ...feeds]), given)
      turned ||= followed.changed.length > 0
      // Until a choice differs, both are one.
      const alone = turned ? interpret(wanted, new Map([...own, ...feeds])) : followed.values
      const again = interpretFollowing(derivatives, new Map([...values, ...feeds]), given)
      const rounded = interpretFollowing(derivatives, new Map([...values, ...feeds]), given, {
        round: Math.fround,
      })
      const single = names.map(name => outputs.get(`gradient ${name}`)!)
      steps.push({
        own: driftOf(names, single, alone),
        following: driftOf(names, single, followed.values),
        sameValues: driftOf(names, single, again.values),
        rounding: driftOf(names, rounded.values, again.values).difference,
        changed: followed.changed,
        loss: Number(outputs.get('loss')!.data[0]),
      })
      const after = (values: readonly NdArray[]): [string, NdArray][] =>
        [...changed.keys()].map((name, i) => [name, values[names.length + i]!])
      own = new Map([...own, ...after(alone)])
      following = new Map([...following, ...after(followed.values)])
    }
    return steps
  } finally {
    await program.release()
  }
}

function driftOf(
  names: readonly string[],
  single: readonly { readonly data: ArrayLike<number | bigint> }[],
  double: readonly NdArray[],
): Drift {
  const squares = names.map((_, i) => {
    const [mine, other] = [single[i]!.data, double[i]!.data]
    return other.reduce((total, value, at) => total + (Number(mine[at]) - value) ** 2, 0)
  })
  const size = names.reduce((total, _, i) => double[i]!.data.reduce((sum, v) => sum + v * v, total), 0)
  const most = squares.indexOf(Math.max(...squares))
  return {
    difference: Math.sqrt(squares.reduce((total, part) => total + part, 0) / size),
    parameter: names[Math.max(most, 0)]!,
  }
}

function toFloat64(tensors: ReadonlyMap<string, HostTensor>): Map<string, NdArray> {
  return new Map([...tensors].map(([name, tensor]) => [name, widened(tensor)]))
}

function widened({ shape, data }: HostTensor): NdArray {
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => Number(data[i])) }
}
