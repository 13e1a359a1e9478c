import { expect } from 'vitest'
import { draws } from '../src/base/random.ts'
import { type HostTensor, sizeOf } from '../src/base/tensor.ts'
import {
  add,
  Graph,
  type GraphDType,
  gradients,
  interpret,
  lower,
  mul,
  type NdArray,
  sum,
  type Tensor,
} from '../src/graph/index.ts'
import type { Engine } from '../src/runtime/index.ts'

/**
 * The oracle: a computation is correct when (1) its gradients in the float64 interpreter agree with finite differences
 * of its value there, and (2) the engine's float32 results, values and gradients, agree with the interpreter's.
 */
export interface OracleInput {
  /** The shape of the values fed. */
  readonly shape: readonly number[]
  readonly dtype?: GraphDType
  /** Names of symbolic axes. */
  readonly symbolic?: Readonly<Record<number, string>>
  /** Values, or the range that they are drawn from; default [−1, 1). */
  readonly values?: readonly number[]
  readonly range?: readonly [number, number]
}

export interface OracleCase {
  readonly inputs: Readonly<Record<string, OracleInput>>
  readonly build: (inputs: Readonly<Record<string, Tensor>>) => Tensor | readonly Tensor[]
  /** Inputs to differentiate; default: all float32 ones. Empty where the op has no gradient. */
  readonly wrt?: readonly string[]
  /** Largest difference between engine and interpreter, relative to the largest value; default 1e-5. */
  readonly tolerance?: number
}

interface Built {
  readonly outputs: readonly Tensor[]
  readonly objective: Tensor
  readonly targets: readonly string[]
  readonly gradients: readonly Tensor[]
  readonly feeds: ReadonlyMap<string, NdArray>
  readonly dtypes: ReadonlyMap<string, GraphDType>
}

function valuesOf(name: string, { shape, dtype = 'float32', values, range = [-1, 1] }: OracleInput): NdArray {
  if (values !== undefined) return { shape, data: Float64Array.from(values) }
  const source = draws(7, `oracle ${name} ${shape.join()}`)
  const draw = (): number => {
    if (dtype === 'bool') return source.below(2)
    // Rounded to float32, so that engine and interpreter start from the same numbers.
    return dtype === 'int64' ? source.below(range[1]) : Math.fround(source.between(range[0], range[1]))
  }
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, draw) }
}

/** The computation with the objective Σ y·r over its float outputs, r fixed random numbers. */
function build({ inputs, build: make, wrt }: OracleCase): Built {
  const graph = new Graph()
  const feeds = new Map<string, NdArray>()
  const dtypes = new Map<string, GraphDType>()
  const tensors: Record<string, Tensor> = {}
  for (const [name, input] of Object.entries(inputs)) {
    const { shape, dtype = 'float32', symbolic = {} } = input
    tensors[name] = graph.input(
      name,
      dtype,
      shape.map((extent, axis) => symbolic[axis] ?? extent),
    )
    feeds.set(name, valuesOf(name, input))
    dtypes.set(name, dtype)
  }
  const made = make(tensors)
  const outputs = Array.isArray(made) ? made : [made]
  const targets = wrt ?? [...dtypes].filter(([, dtype]) => dtype === 'float32').map(([name]) => name)
  if (targets.length === 0)
    return { outputs, objective: graph.scalar(0), targets, gradients: [], feeds, dtypes }
  const values = interpret(outputs, feeds)
  const parts = outputs.flatMap((output: Tensor, i: number) => {
    if (output.dtype !== 'float32') return []
    const name = `cotangent ${i}`
    const r = graph.input(name, 'float32', output.shape)
    feeds.set(name, valuesOf(name, { shape: values[i]!.shape }))
    dtypes.set(name, 'float32')
    return [sum(mul(output, r))]
  })
  const objective = parts.reduce((total: Tensor, part: Tensor) => add(total, part))
  return {
    outputs,
    objective,
    targets,
    gradients: gradients(
      objective,
      targets.map(name => tensors[name]!),
    ),
    feeds,
    dtypes,
  }
}

/** (1): the interpreter's gradients against central differences along a random direction, at several step lengths. */
export function expectDifferentiable(item: OracleCase): void {
  const { objective, targets, gradients: computed, feeds } = build(item)
  if (targets.length === 0) return
  const slopes = interpret(computed, feeds)
  const directions = new Map(
    targets.map(name => [name, valuesOf(`direction ${name}`, { shape: feeds.get(name)!.shape })]),
  )
  let slope = 0
  let scale = 1e-9
  for (const [i, name] of targets.entries()) {
    const gradient = slopes[i]!.data
    expect(slopes[i]!.shape, `shape of the gradient of ${name}`).toEqual(feeds.get(name)!.shape)
    for (const [at, along] of directions.get(name)!.data.entries()) {
      slope += gradient[at]! * along
      scale += Math.abs(gradient[at]! * along)
    }
  }
  const valueAt = (step: number): number => {
    const moved = new Map(feeds)
    for (const [name, direction] of directions) {
      const { shape, data } = feeds.get(name)!
      moved.set(name, { shape, data: data.map((value, at) => value + step * direction.data[at]!) })
    }
    return interpret([objective], moved)[0]!.data[0]!
  }
  const errors = [1e-4, 1e-5, 1e-6].map(
    step => Math.abs((valueAt(step) - valueAt(-step)) / (2 * step) - slope) / scale,
  )
  expect(Math.min(...errors), `finite differences: slope ${slope}`).toBeLessThan(1e-6)
}

/** (2): the engine's values and gradients against the interpreter's. */
export async function expectEngineAgrees(engine: Engine, item: OracleCase): Promise<void> {
  const { outputs, gradients: computed, targets, feeds, dtypes } = build(item)
  const wanted = [...outputs, ...computed]
  const labels = [...outputs.map((_, i) => `output ${i}`), ...targets.map(name => `gradient of ${name}`)]
  const expected = interpret(wanted, feeds)
  const program = lower(new Map(labels.map((label, i) => [label, wanted[i]!])))
  const loaded = await engine.load(program)
  const fed = new Map(program.inputs.map(({ name }) => [name, toHost(feeds.get(name)!, dtypes.get(name)!)]))
  const results = await loaded.run(fed)
  await loaded.release()
  for (const [i, label] of labels.entries()) {
    const { shape, data } = expected[i]!
    const got = results.get(label)!
    expect([...got.shape], `shape of ${label}`).toEqual([...shape])
    const scale = data.reduce(
      (most, value) => Math.max(most, Number.isFinite(value) ? Math.abs(value) : 0),
      1e-3,
    )
    let worst = 0
    for (const [at, value] of data.entries()) {
      const mine = Number(got.data[at])
      const same = Object.is(mine, value) || (Number.isNaN(mine) && Number.isNaN(value)) || mine === value
      const difference = same ? 0 : Math.abs(mine - value) / scale
      worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
    }
    expect(worst, `${label}: largest difference relative to ${scale}`).toBeLessThanOrEqual(
      item.tolerance ?? 1e-5,
    )
  }
}

function toHost({ shape, data }: NdArray, dtype: GraphDType): HostTensor {
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: Float32Array.from(data) }
    case 'int64':
      return { dtype, shape, data: BigInt64Array.from(data, value => BigInt(value)) }
    case 'bool':
    case 'uint8':
      return { dtype, shape, data: Uint8Array.from(data) }
  }
}
