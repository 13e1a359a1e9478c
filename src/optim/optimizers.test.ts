import { describe, expect, it } from 'vitest'
import type { OptimizerConfig } from '../config/config.ts'
import { Graph, interpret, type NdArray } from '../graph/index.ts'
import { clipGradients, gradientNorm, optimize, trainedTogether, zerosFor } from './index.ts'

const vector = (values: readonly number[]): NdArray => ({
  shape: [values.length],
  data: Float64Array.from(values),
})
const scalarOf = (value: number): NdArray => ({ shape: [], data: Float64Array.of(value) })

/** Runs several steps of an optimizer on one parameter with given gradients, in float64. */
function run(
  config: OptimizerConfig,
  start: readonly number[],
  gradients: readonly (readonly number[])[],
): number[] {
  const graph = new Graph()
  const shape = [start.length]
  const gradient = graph.input('gradient', 'float32', shape)
  const rate = graph.input('rate', 'float32', [])
  const { updates, own } = optimize(
    trainedTogether(graph, [{ name: 'w', shape, gradient }], config.groups),
    config,
    rate,
  )
  const names = [...updates.keys()]
  let state = new Map<string, NdArray>([['w', vector(start)]])
  for (const [name, tensor] of zerosFor(own))
    state.set(name, { shape: tensor.shape, data: Float64Array.from(tensor.data, Number) })
  for (const step of gradients) {
    const feeds = new Map([
      ...state,
      ['gradient', vector(step)],
      ['rate', scalarOf(config.learningRate)],
    ] as const)
    const values = interpret(
      names.map(name => updates.get(name)!),
      feeds,
    )
    state = new Map(names.map((name, i) => [name, values[i]!]))
  }
  return [...state.get('w')!.data]
}

const start = [1, -2, 0.5]
const gradients = [
  [0.1, -0.3, 0],
  [0.2, 0.1, 0],
  [-0.4, 0.2, 0.3],
]
const expectSame = (got: readonly number[], expected: readonly number[]): void => {
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 12)
}

describe('Adam', () => {
  const base = { learningRate: 0.01, betas: [0.9, 0.99], epsilon: 1e-8 } as const

  /** The formulas of the paper, a number at a time. */
  const reference = (decoupled: boolean, weightDecay: number): number[] =>
    start.map((first, i) => {
      let [w, m, v] = [first, 0, 0]
      for (const [t, step] of gradients.entries()) {
        if (decoupled) w -= base.learningRate * weightDecay * w
        const g = step[i]! + (decoupled ? 0 : weightDecay * w)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        const corrected = Math.sqrt(v / (1 - 0.99 ** (t + 1))) + base.epsilon
        w -= (base.learningRate * (m / (1 - 0.9 ** (t + 1)))) / corrected
      }
      return w
    })

  it('follows its paper, corrections from the state', () => {
    expectSame(run({ name: 'adam', ...base, weightDecay: 0 }, start, gradients), reference(false, 0))
  })

  it('adds weight decay to the gradient', () => {
    expectSame(run({ name: 'adam', ...base, weightDecay: 0.1 }, start, gradients), reference(false, 0.1))
  })

  it('decays apart from the gradient as AdamW', () => {
    expectSame(run({ name: 'adamw', ...base, weightDecay: 0.1 }, start, gradients), reference(true, 0.1))
  })
})

describe('SGD', () => {
  const reference = (momentum: number, nesterov: boolean, weightDecay: number): number[] =>
    start.map((first, i) => {
      let [w, u] = [first, 0]
      for (const step of gradients) {
        const g = step[i]! + weightDecay * w
        u = momentum * u + g
        w -= 0.1 * (nesterov ? g + momentum * u : u)
      }
      return w
    })

  it.each([
    [0, false, 0],
    [0.9, false, 0],
    [0.9, true, 0],
    [0.9, true, 0.05],
  ] as const)(
    'with momentum %d, Nesterov %s, decay %d follows its recursion',
    (momentum, nesterov, weightDecay) => {
      const config = { name: 'sgd', learningRate: 0.1, momentum, nesterov, weightDecay } as const
      expectSame(run(config, start, gradients), reference(momentum, nesterov, weightDecay))
    },
  )
})

describe('vectors that are trained as one', () => {
  const adam = {
    name: 'adam',
    learningRate: 0.1,
    betas: [0.9, 0.99],
    epsilon: 1e-8,
    weightDecay: 0.01,
  } as const
  const nesterov = {
    name: 'sgd',
    learningRate: 0.1,
    momentum: 0.9,
    nesterov: true,
    weightDecay: 0,
  } as const
  const shapes = { scale: [2], kernel: [2, 2], bias: [1], shift: [3] }

  /** Every tensor of the state after a step, from made-up values. */
  function stepped(config: OptimizerConfig, isTogether: boolean): Map<string, NdArray> {
    const graph = new Graph()
    const derivatives = Object.entries(shapes).map(([name, shape]) => ({
      name,
      shape,
      gradient: graph.input(`gradient of ${name}`, 'float32', shape),
    }))
    const trained = isTogether
      ? trainedTogether(graph, derivatives)
      : derivatives.flatMap(one => trainedTogether(graph, [one]))
    expect(trained).toHaveLength(isTogether ? 2 : 4)
    const { updates, own } = optimize(trained, config, graph.input('rate', 'float32', []))
    const fed: [string, readonly number[]][] = [
      ...derivatives.flatMap(({ name, shape }): [string, number[]][] => [
        [name, shape],
        [`gradient of ${name}`, shape],
      ]),
      ...own.map(({ name, shape }): [string, readonly number[]] => [name, shape]),
      ['rate', []],
    ]
    const feeds = fed.map(([name, shape]) => {
      const count = shape.reduce((product, extent) => product * extent, 1)
      const data = Float64Array.from({ length: count }, (_, i) => name.length / 9 + i / 7)
      return [name, { shape: [...shape], data }] as const
    })
    const names = [...updates.keys()].sort()
    const values = interpret(
      names.map(name => updates.get(name)!),
      new Map(feeds),
    )
    return new Map(names.map((name, i) => [name, values[i]!]))
  }

  it.each([
    ['adam', adam],
    ['sgd', nesterov],
  ])('become what each would alone, under their own names: %s', (_, config) => {
    const together = stepped(config, true)
    expect(together.size).toBeGreaterThanOrEqual(8)
    expect(together).toEqual(stepped(config, false))
  })
})

describe('a group of parameters', () => {
  const adam = { learningRate: 0.02, betas: [0.9, 0.99], epsilon: 1e-8 } as const
  it.each<OptimizerConfig>([
    { name: 'adam', ...adam, weightDecay: 0 },
    { name: 'adamw', ...adam, weightDecay: 0 },
    { name: 'sgd', learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 0 },
  ])('is trained with its own rate and weight decay by $name', config => {
    const own = { parameters: 'w*', rate: 3, weightDecay: 0.1 }
    const alone = { ...config, learningRate: 0.06, weightDecay: 0.1 }
    expectSame(run({ ...config, groups: [own] }, start, gradients), run(alone, start, gradients))
    // What the entry does not name is trained as ever, and so is what it leaves open.
    const open = { parameters: 'w', rate: 1, weightDecay: null }
    expect(run({ ...config, groups: [open] }, start, gradients)).toEqual(run(config, start, gradients))
  })

  const graph = new Graph()
  const derivatives = ['conv1.weight', 'layer4.experts.0.bn.bias', 'layer4.experts.1.bn.bias', 'fc.bias'].map(
    name => ({ name, shape: [2], gradient: graph.input(`gradient of ${name}`, 'float32', [2]) }),
  )
  const group = (parameters: string, rate: number) => ({ parameters, rate, weightDecay: null })

  it('has what its pattern names and no earlier one does', () => {
    const trained = trainedTogether(graph, derivatives, [group('*.experts.1.*', 2), group('*.bias', 3)])
    expect(trained.map(({ group, parameters }) => [group?.rate, parameters.map(({ name }) => name)])).toEqual(
      [
        [2, ['layer4.experts.1.bn.bias']],
        [3, ['layer4.experts.0.bn.bias', 'fc.bias']],
        [1, ['conv1.weight']],
      ],
    )
  })

  it('that names nothing is a mistake, and so is one that an earlier one has emptied', () => {
    const named = () => trainedTogether(graph, derivatives, [group('layer4.expert.*', 2)])
    expect(named).toThrow('"layer4.expert.*" names no parameter')
    const emptied = () => trainedTogether(graph, derivatives, [group('*', 2), group('fc.bias', 3)])
    expect(emptied).toThrow('"fc.bias" names no parameter')
    // Only the star is special.
    expect(() => trainedTogether(graph, derivatives, [group('fc?bias', 2)])).toThrow('names no parameter')
  })
})

describe('gradient clipping', () => {
  const clipped = (limit: number): number[] => {
    const graph = new Graph()
    const parts = [graph.constant('float32', [2], [3, 0]), graph.constant('float32', [1], [4])]
    const results = clipGradients(parts, gradientNorm(parts), limit)
    return interpret(results, new Map()).flatMap(({ data }) => [...data])
  }

  it('shrinks all gradients together to the limit', () => {
    const [a, b, c] = clipped(1)
    expect(a).toBeCloseTo(0.6, 6)
    expect(b).toBe(0)
    expect(c).toBeCloseTo(0.8, 6)
  })

  it('leaves gradients within the limit as they are', () => {
    expect(clipped(10)).toEqual([3, 0, 4])
  })
})
