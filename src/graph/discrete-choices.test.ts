import { describe, expect, it } from 'vitest'
import { choicesOf, interpretFollowing } from './discrete-choices.ts'
import { gradients } from './gradients.ts'
import { Graph, type Tensor } from './graph.ts'
import { interpret } from './interpreter.ts'
import type { NdArray } from './ndarray.ts'
import { sum } from './ops/broadcast.ts'
import { greater, mul, relu, sign, where } from './ops/elementwise.ts'
import { nonzero, topK } from './ops/indexing.ts'
import { maxPool } from './ops/pooling.ts'

const nd = (shape: readonly number[], data: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(data),
})

/** Values and changed choices of `outputs` of x, with their one choice given. */
function follow(x: NdArray, given: readonly number[], build: (x: Tensor) => readonly Tensor[]) {
  const outputs = build(new Graph().input('x', 'float32', x.shape))
  const [choice, ...more] = choicesOf(outputs)
  expect(more).toEqual([])
  const [own] = interpret([choice!], new Map([['x', x]]))
  const feeds = new Map([['x', x]])
  const { values, changed } = interpretFollowing(outputs, feeds, new Map([[choice!, nd(own!.shape, given)]]))
  return { values: values.map(({ data }) => [...data]), changed, own: [...own!.data] }
}

describe('a given discrete choice', () => {
  it('of a relu is which side of 0 an element is on, and its gradient follows', () => {
    const x = nd([4], [-1e-9, 1e-9, 2, -3])
    // What float32 had: 3e-9 where x is below 0, 0 where it is above.
    const { values, changed } = follow(x, [3e-9, 0, 2.5, 0], input => {
      const y = relu(input)
      return [y, ...gradients(sum(mul(y, 5)), [input])]
    })
    // The values are those of x, not of the other computation: they differ by rounding.
    expect(values).toEqual([
      [2 ** -126, 0, 2, 0],
      [5, 0, 5, 0],
    ])
    expect(changed).toEqual([
      { label: 'relu', index: [0], margin: 1e-9, largest: 3 },
      { label: 'relu', index: [1], margin: 1e-9, largest: 3 },
    ])
  })

  it('of the K largest is their indices, and their gradient goes there', () => {
    const { values, changed } = follow(nd([2, 3], [1, 2, 2.25, 5, 4, 3]), [2, 0, 0, 1], input => {
      const { values: largest, indices } = topK(input, 2)
      return [largest, indices, ...gradients(sum(largest), [input])]
    })
    expect(values).toEqual([
      [2.25, 1, 5, 4],
      [2, 0, 0, 1],
      [1, 0, 1, 1, 1, 0],
    ])
    expect(changed).toEqual([{ label: 'topK', index: [0, 1], margin: 1, largest: 5 }])
  })

  it('of a max-pool is the winner of each window, and the gradient goes to it', () => {
    const x = nd([1, 1, 2, 4], [1, 2, 5, 6, 3, 2.5, 8, 7])
    const { values, changed } = follow(x, [5, 6], input => {
      const y = maxPool(input, { kernel: 2 })
      return [y, ...gradients(sum(y), [input])]
    })
    expect(values).toEqual([
      [2.5, 8],
      [0, 0, 0, 0, 0, 1, 1, 0],
    ])
    expect(changed).toEqual([{ label: 'maxPool', index: [0, 0, 0, 0], margin: 0.5, largest: 8 }])
  })

  it('of a comparison is its result, and what depends on it follows: a side, the number of rows', () => {
    const { values, changed } = follow(nd([3], [0.5, -0.25, 2]), [1, 1, 0], input => {
      const above = greater(input, 0)
      return [where(above, input, 7), nonzero(above, 'rows')]
    })
    expect(values).toEqual([
      [0.5, -0.25, 7],
      [0, 1],
    ])
    expect(changed.map(({ index, margin }) => [index, margin])).toEqual([
      [[1], 0.25],
      [[2], 2],
    ])
  })

  it('of a sign is the sign', () => {
    const { values, changed } = follow(nd([3], [0.5, 0, -2]), [0, 1, -1], input => [sign(input)])
    expect(values).toEqual([[0, 1, -1]])
    expect(changed.map(({ margin }) => margin)).toEqual([0.5, 0])
  })

  it('works together with rounding to float32 after each op', () => {
    const outputs = [mul(relu(new Graph().input('x', 'float32', [2])), 3)]
    const feeds = new Map([['x', nd([2], [-1e-9, 0.1])]])
    const given = new Map([[choicesOf(outputs)[0]!, nd([2], [1e-9, 0.1])]])
    const { values, changed } = interpretFollowing(outputs, feeds, given, { round: Math.fround })
    expect([...values[0]!.data]).toEqual([3 * 2 ** -126, Math.fround(Math.fround(0.1) * 3)])
    expect(changed).toHaveLength(1)
  })

  it('equal to its own changes nothing', () => {
    const x = nd([4], [-1, 0, 2, 3])
    const { values, changed } = follow(x, [0, 0, 2, 3], input => [relu(input)])
    expect(values).toEqual([[0, 0, 2, 3]])
    expect(changed).toEqual([])
  })

  it('does not exist between integers: they are compared without rounding', () => {
    const labels = new Graph().input('labels', 'int64', [3])
    expect(choicesOf([greater(labels, labels.graph.constant('int64', [], [1]))])).toEqual([])
  })
})
