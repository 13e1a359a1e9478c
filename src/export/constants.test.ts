import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats } from '../base/tensor.ts'
import { add, conv2d, Graph, interpret, mul, relu, sum, type Tensor, zeroRows } from '../graph/index.ts'
import { batchNorm, conv, Scope } from '../nn/index.ts'
import { constantOf, foldConstants, withConstants } from './constants.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'

const names = (outputs: ReadonlyMap<string, Tensor>): string[] => {
  const seen = new Set<Tensor['node']>()
  const visit = (node: Tensor['node']): void => {
    if (seen.has(node)) return
    seen.add(node)
    for (const { node: input } of node.inputs) visit(input)
  }
  for (const { node } of outputs.values()) visit(node)
  return [...seen].map(node => node.name)
}

describe('constants in the place of inputs', () => {
  const build = () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [3])
    const w = graph.input('w', 'float32', [3])
    return { x, w, outputs: new Map([['y', mul(x, add(w, 1))]]) }
  }

  it('leave only the other inputs to be fed', () => {
    const { outputs } = build()
    const baked = withConstants(
      outputs,
      new Map([
        ['w', floats([3], [1, 2, 3])],
        ['unknown', floats([1], [0])],
      ]),
    )
    const feeds = new Map([['x', { shape: [3], data: Float64Array.of(1, 1, 2) }]])
    expect([...interpret([baked.get('y')!], feeds)[0]!.data]).toEqual([2, 3, 8])
  })

  it('must have the shape of the input', () => {
    const { outputs } = build()
    const wrong = new Map([['w', floats([2], [1, 2])]])
    expect(() => withConstants(outputs, wrong)).toThrow('expected float32 [3], but got float32 [2]')
  })

  it('are computed with beforehand, once', () => {
    const { outputs } = build()
    const folded = foldConstants(withConstants(outputs, new Map([['w', floats([3], [1, 2, 3])]])))
    expect(names(folded).sort()).toEqual(['input', 'mul', 'stored'])
    expect([...constantOf(folded.get('y')!.node.inputs[1]!)!.data]).toEqual([2, 3, 4])
  })

  it('are kept where the result would be larger, or is not float32', () => {
    const graph = new Graph()
    const zeros = zeroRows(graph.input('x', 'float32', [5]), [7])
    const outputs = foldConstants(new Map([['y', zeros]]))
    expect(names(outputs)).toContain('zeroRows')
  })
})

describe('folding BatchNorm', () => {
  const state = (scope: Scope) =>
    new Map(
      scope.declarations.all().map(({ name, shape }) => {
        const source = draws(1, name)
        const low = name.endsWith('var') ? 0.2 : -1
        const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => source.between(low, 2))
        return [name, floats(shape, data)] as const
      }),
    )
  const image = {
    shape: [2, 4, 5, 5],
    data: Float64Array.from({ length: 200 }, (_, i) => draws(2, 'x', i).normal()),
  }

  /** Folds what `body` builds on x [2, 4, 5, 5], and compares the two in float64. */
  function fold(body: (scope: Scope, x: Tensor) => Tensor) {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: false })
    const outputs = new Map([['y', body(scope, graph.input('x', 'float32', [2, 4, 5, 5]))]])
    const before = foldConstants(withConstants(outputs, state(scope)))
    const { outputs: after, ...counts } = foldBatchNorm(before)
    const feeds = new Map([['x', image]])
    const [expected, found] = [before, after].map(one => interpret([one.get('y')!], feeds)[0]!.data)
    const difference = Math.max(...expected!.map((value, i) => Math.abs(value - found![i]!)))
    return { ...counts, difference, names: names(after) }
  }

  it.each([
    ['a convolution', {}],
    ['one with a bias', { bias: true }],
    ['one with groups, a stride and a dilation', { groups: 2, stride: 2, dilation: 2, bias: true }],
  ])('makes one convolution of %s and what follows it', (_, options) => {
    const result = fold((scope, x) => {
      const y = scope.in('conv', inner => conv(inner, x, { outputs: 6, kernel: 3, ...options }))
      return relu(scope.in('bn', inner => batchNorm(inner, y)))
    })
    expect(result).toMatchObject({ folded: 1, left: 0 })
    expect(result.difference).toBeLessThan(1e-12)
    expect(result.names).not.toContain('channelAffine')
  })

  it('leaves it where the result of the convolution is used elsewhere, too', () => {
    const result = fold((scope, x) => {
      const y = scope.in('conv', inner => conv(inner, x, { outputs: 4, kernel: 3 }))
      return add(
        y,
        scope.in('bn', inner => batchNorm(inner, y)),
      )
    })
    expect(result).toMatchObject({ folded: 0, left: 1, difference: 0 })
  })

  it('leaves it where there is no convolution before it, or one with a kernel that is computed', () => {
    const result = fold((scope, x) => {
      const y = scope.in('bn', inner => batchNorm(inner, x))
      const kernel = mul(
        scope.parameter('k', [4, 4, 1, 1], () => new Float32Array(16)),
        sum(x),
      )
      return scope.in('bn2', inner => batchNorm(inner, conv2d(y, kernel)))
    })
    expect(result).toMatchObject({ folded: 0, left: 2, difference: 0 })
  })

  it('names a kernel that is used twice separately', () => {
    const result = fold((scope, x) => {
      const twice = (y: Tensor): Tensor =>
        scope.in('conv', inner => conv(inner, y, { outputs: 4, kernel: 3 }))
      const first = scope.in('bn1', inner => batchNorm(inner, twice(x)))
      return scope.in('bn2', inner => batchNorm(inner, twice(first)))
    })
    expect(result).toMatchObject({ folded: 2, left: 0 })
    expect(result.difference).toBeLessThan(1e-9)
  })
})
