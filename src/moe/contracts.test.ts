import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { floats } from '../base/tensor.ts'
import { add, asFloat, Graph, globalAveragePool, greater, slice, sum, type Tensor } from '../graph/index.ts'
import { conv, type Layer, Scope } from '../nn/index.ts'
import { type Constraint, none } from './constraints/index.ts'
import { gapFc } from './gates/index.ts'
import { gateInputs } from './gating.ts'
import { mixtureOfExperts } from './layer.ts'
import type { DispatchName } from './routing-context.ts'

const experts = 3

/** What building a mixture with this constraint ends with. */
function refusal(constraint: unknown, lift: number | null = null): MoietyError | undefined {
  return failed((scope, x) => {
    gateInputs(scope, [x], { experts, gate: gapFc, k: 2, constraint: constraint as Constraint, lift })
  })
}

function failed(build: (scope: Scope, x: Tensor) => void, training = true): MoietyError | undefined {
  const graph = new Graph()
  const x = graph.input('x', 'float32', [4, 3, 5, 5])
  try {
    Scope.root(graph, { training }).in('layer4', scope => build(scope, x))
  } catch (error) {
    if (error instanceof MoietyError) return error
    throw error
  }
  return undefined
}

const own = { name: 'own', noise: false }
const counters = { init: () => ({ r: floats([experts], [0, 0, 0]) }) }
/** A constant of the graph that a routing or a counter is on. */
const filled = ({ graph }: Tensor, shape: readonly number[], dtype: 'float32' | 'bool' = 'float32') =>
  graph.constant(dtype, shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0))
type Given = Readonly<Record<string, Tensor>>

describe('a constraint of a user’s own', () => {
  it('is taken if all of its methods return what they must', () => {
    const whole: Constraint = {
      ...own,
      ...counters,
      excluded: ({ r }) => greater(r!, 1),
      bias: ({ r }) => r!,
      loss: ({ importance }) => sum(importance),
      update: ({ r }, { importance }) => ({ r: add(r!, importance) }),
    }
    expect(refusal(whole)).toBeUndefined()
    expect(refusal(whole, 5)).toBeUndefined()
    expect(refusal({ ...own, ...counters, update: () => ({}) })).toBeUndefined()
  })

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'expected a constraint, an object with a name, but got nothing'],
    ['a function that makes one', none, 'but got a function'],
    ['one without a name', { noise: false }, 'but got an object'],
    [
      'one whose loss is a number',
      { ...own, loss: 3 },
      'loss of the constraint "own" must be a function, but is the number 3',
    ],
  ])('is not %s', (_, constraint, message) => {
    expect(refusal(constraint)?.message).toContain(message)
    expect(refusal(constraint)).toMatchObject({ kind: 'usage', where: 'layer4' })
  })

  const notObjects: [string, () => unknown, string][] = [
    ['nothing', () => undefined, 'returned nothing'],
    ['a Promise', async () => ({}), 'returned a Promise'],
    ['an array', () => [], 'returned an array of 0'],
  ]
  it.each<[string, string, object, string]>([
    ...notObjects.map(
      ([what, init, came]) => ['init', what, { init }, came] as [string, string, object, string],
    ),
    ...notObjects.map(
      ([what, update, came]) =>
        ['update', what, { ...counters, update }, came] as [string, string, object, string],
    ),
    ['init', 'an array of numbers', { init: () => ({ r: [0, 0, 0] }) }, '"r" is an array of 3'],
    ['init', 'a symbolic value', { init: () => ({ r: new Graph().scalar(0) }) }, '"r" is float32[]'],
    ['init', 'NaN', { init: () => ({ r: floats([2], [1, Number.NaN]) }) }, 'with NaN among its values'],
    [
      'init',
      'fewer values than the shape has',
      { init: () => ({ r: floats([3], [1]) }) },
      '"r" is float32[3] with 1 values in a Float32Array',
    ],
    [
      'init',
      'integers',
      { init: () => ({ r: { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) } }) },
      '"r" is int64[1]',
    ],
    [
      'init',
      'a counter with the layer’s own name',
      { init: () => ({ active: floats([1], [1]) }) },
      'cannot be called "active"',
    ],
    ['init', 'a counter without a name', { init: () => ({ '': floats([1], [1]) }) }, 'a name without dots'],
    [
      'excluded',
      'nothing',
      { ...counters, excluded: () => undefined },
      'bool[3], but this one returned nothing',
    ],
    ['excluded', 'a Promise', { ...counters, excluded: async () => undefined }, 'returned a Promise'],
    [
      'excluded',
      'numbers',
      { ...counters, excluded: ({ r }: Given) => asFloat(greater(r!, 0)) },
      'returned float32[3]',
    ],
    [
      'excluded',
      'one for all experts',
      { ...counters, excluded: ({ r }: Given) => filled(r!, [1], 'bool') },
      'returned bool[1]',
    ],
    ['bias', 'nothing', { bias: () => null }, 'float32[3], but this one returned nothing'],
    [
      'bias',
      'one for all experts',
      { ...counters, bias: ({ r }: Given) => slice(r!, 0, 0, 1) },
      'returned float32[1]',
    ],
    ['loss', 'nothing', { loss: () => undefined }, 'a scalar, float32[], but this one returned nothing'],
    ['loss', 'a Promise', { loss: async () => Promise.reject(new Error('of nobody')) }, 'returned a Promise'],
    ['loss', 'a number', { loss: () => 0 }, 'returned the number 0'],
    ['loss', 'one for each expert', { loss: ({ importance }: Given) => importance }, 'returned float32[3]'],
    [
      'loss',
      'a tensor of another graph',
      { loss: () => new Graph().scalar(0) },
      'returned float32[] of another graph',
    ],
    [
      'update',
      'a counter that there is not',
      { ...counters, update: ({ r }: Given) => ({ s: r }) },
      'returned a counter "s", which init has not',
    ],
    [
      'update',
      'a counter of another shape',
      { ...counters, update: ({ r }: Given) => ({ r: sum(r!) }) },
      'its counter "r" as it was declared, float32[3], but this one returned float32[]',
    ],
    ['update', 'a number', { ...counters, update: () => ({ r: 1 }) }, 'returned the number 1'],
  ])('has no %s that returns %s', (_method, _what, methods, message) => {
    const error = refusal({ ...own, ...methods })
    expect(error?.message).toContain(message)
    expect(error).toMatchObject({ kind: 'usage', where: 'layer4, constraint "own"' })
    expect(error?.help).toBeTruthy()
  })

  it('has no counter that another mixture at the same place has', () => {
    const gate = (scope: Scope, x: Tensor) =>
      gateInputs(scope, [x], { experts, gate: gapFc, k: 2, constraint: { ...own, ...counters } })
    const twice = failed((scope, x) => {
      gate(scope, x)
      gate(scope, x)
    })
    expect(twice?.message).toContain('a statistic "layer4.constraint.r" already')
    const apart = failed((scope, x) => {
      for (const name of ['a', 'b']) scope.in(name, inner => gate(inner, x))
    })
    expect(apart).toBeUndefined()
  })
})

describe('an expert of a user’s own', () => {
  const right: Layer = (scope, x) => conv(scope, x, { outputs: 2, kernel: 3 })
  const built = (all: unknown, dispatch: DispatchName): MoietyError | undefined =>
    failed((scope, x) => {
      const options = { gate: gapFc, k: 1, weighting: 'softmax-before-top-k', constraint: none() } as const
      mixtureOfExperts(scope, x, { ...options, experts: all as Layer[], dispatch })
    }, dispatch !== 'stacked')

  const wrong: [string, unknown, string][] = [
    ['returns nothing', () => undefined, 'any, any, any], but this one returned nothing'],
    ['returns a Promise', async (scope: Scope, x: Tensor) => right(scope, x), 'returned a Promise'],
    [
      'returns no feature maps',
      (_: Scope, x: Tensor) => globalAveragePool(x),
      'but this one returned float32[',
    ],
    [
      'returns one image for all',
      (_: Scope, { graph }: Tensor) => graph.constant('float32', [1, 1, 1, 1], [0]),
      'returned float32[1, 1, 1, 1]',
    ],
    ['returns a condition', (_: Scope, x: Tensor) => greater(x, 0), 'returned bool['],
    [
      'returns another number of channels',
      (scope: Scope, x: Tensor) => conv(scope, x, { outputs: 1, kernel: 3 }),
      'expert 1 returned [1, 5, 5] for an image, and expert 0 [2, 5, 5]',
    ],
    [
      'returns other extents',
      (scope: Scope, x: Tensor) => conv(scope, x, { outputs: 2, kernel: 3, stride: 2 }),
      'expert 1 returned [2, 3, 3] for an image',
    ],
    ['is no function', { forward: right }, 'expert 1 must be a function, but is an object'],
  ]
  for (const dispatch of ['sparse', 'dense', 'stacked'] as const) {
    it.each(wrong)(`is refused where it %s (${dispatch})`, (_, expert, message) => {
      const error = built([right, expert], dispatch)
      expect(error?.message).toContain(message)
      expect(error).toMatchObject({ kind: 'usage' })
      if (typeof expert === 'function') expect(error?.where).toBe('layer4.experts.1')
      expect(built([right, right], dispatch)).toBeUndefined()
    })
  }

  it('is refused where it is the only one, too, and where there is no list of them', () => {
    expect(built([() => undefined], 'sparse')?.message).toContain('an expert must return')
    expect(built(right, 'sparse')?.message).toContain('expected an array of experts, but got a function')
    expect(built(new Array(2), 'sparse')?.message).toContain('expert 0 must be a function, but is nothing')
  })
})

it('a gate that is no function is refused', () => {
  const error = failed((scope, x) => {
    gateInputs(scope, [x], { experts, gate: {} as never, k: 2, constraint: none() })
  })
  expect(error?.message).toBe('a gate must be a function, but is an object')
})
