import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { sizeOf } from '../base/tensor.ts'
import * as g from '../graph/index.ts'
import { denseDispatch, sparseDispatch } from '../moe/dispatch.ts'
import { dropout, Scope } from './index.ts'

const filled = (shape: readonly number[], value = 1): g.NdArray => ({
  shape,
  data: new Float64Array(sizeOf(shape)).fill(value),
})

/** The uniform numbers that a step would feed. */
function fed(scope: Scope): Map<string, g.NdArray> {
  return new Map(
    [...scope.declarations.noise].map(([name, { tensor, distribution }]) => {
      const source = draws(3, name, 7)
      const shape = tensor.shape.map(Number)
      return [
        name,
        { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => source[distribution]()) },
      ]
    }),
  )
}

describe('dropout', () => {
  it('keeps values with probability 1 − p, divides them by it, and lets gradients through where they were kept', () => {
    const graph = new g.Graph()
    const scope = Scope.root(graph, { training: true })
    const x = graph.input('x', 'float32', [8, 16, 5, 5])
    const y = dropout(scope, x, { p: 0.3 })
    const [out, dx] = g.interpret(
      [y, ...g.gradients(g.sum(y), [x])],
      new Map([['x', filled([8, 16, 5, 5], 2)], ...fed(scope)]),
    )
    const kept = [...out!.data].filter(value => value !== 0)
    for (const value of kept) expect(value).toBeCloseTo(2 / 0.7, 6)
    // Five standard deviations of a share of 3,200 draws.
    expect(Math.abs(kept.length / 3200 - 0.7)).toBeLessThan(5 * Math.sqrt(0.21 / 3200))
    expect([...dx!.data]).toEqual([...out!.data].map(value => value / 2))
  })

  it('drops whole channels on request', () => {
    const graph = new g.Graph()
    const scope = Scope.root(graph, { training: true })
    const y = dropout(scope, graph.input('x', 'float32', [6, 10, 3, 3]), { p: 0.5, of: 'channels' })
    const [out] = g.interpret([y], new Map([['x', filled([6, 10, 3, 3])], ...fed(scope)]))
    const sums = Array.from({ length: 60 }, (_, i) =>
      out!.data.subarray(9 * i, 9 * i + 9).reduce((a, b) => a + b, 0),
    )
    expect(new Set(sums)).toEqual(new Set([0, 18]))
  })

  it('is x itself in evaluation and for p = 0, and refuses p = 1 and unknown extents', () => {
    const graph = new g.Graph()
    const x = graph.input('x', 'float32', [2, 3, 4, 4])
    expect(dropout(Scope.root(graph, { training: false }), x, { p: 0.5 })).toBe(x)
    const training = Scope.root(graph, { training: true })
    expect(dropout(training, x, { p: 0 })).toBe(x)
    expect(() => dropout(training, x, { p: 1 })).toThrow('p from 0 to below 1')
    expect(() => dropout(training, x, { p: Number.NaN })).toThrow('but got NaN')
    expect(() => dropout(training, graph.input('any', 'float32', ['n', 3]), { p: 0.5 })).toThrow(
      'known extents',
    )
  })

  it('draws again when a layer is applied again', () => {
    const graph = new g.Graph()
    const scope = Scope.root(graph, { training: true })
    const x = graph.input('x', 'float32', [4, 50])
    dropout(scope, x, { p: 0.5 })
    dropout(scope, graph.input('other', 'float32', [4, 20]), { p: 0.5 })
    expect([...scope.declarations.noise].map(([name, { tensor }]) => [name, tensor.shape])).toEqual([
      ['dropout', [4, 50]],
      ['dropout.2', [4, 20]],
    ])
  })

  it('drops the same values of an image in sparse and in dense dispatch', () => {
    const results = [sparseDispatch, denseDispatch].map(dispatch => {
      const graph = new g.Graph()
      const scope = Scope.root(graph, { training: true })
      const x = graph.input('x', 'float32', [4, 2, 3, 3])
      const weights = graph.input('w', 'float32', [4, 2])
      const expert = (inner: Scope, input: g.Tensor): g.Tensor => dropout(inner, input, { p: 0.4 })
      const y = dispatch(scope, x, weights, [expert, expert])
      const feeds = new Map([
        ['x', { shape: [4, 2, 3, 3], data: Float64Array.from({ length: 72 }, (_, i) => i + 1) }],
        ['w', { shape: [4, 2], data: Float64Array.from([1, 0, 0.25, 0.75, 0, 1, 0, 1]) }],
        ...fed(scope),
      ])
      return {
        names: [...scope.declarations.noise.keys()],
        values: g.interpret([y, ...g.gradients(g.sum(y), [x])], feeds),
      }
    })
    expect(results[0]!.names).toEqual(['experts.0.dropout', 'experts.1.dropout'])
    expect(results[0]!.names).toEqual(results[1]!.names)
    for (const [i, value] of results[0]!.values.entries())
      for (const [at, number] of value.data.entries())
        expect(number).toBeCloseTo(results[1]!.values[i]!.data[at]!, 9)
  })
})
