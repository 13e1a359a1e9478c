import { describe, expect, it } from 'vitest'
import { floats } from '../base/tensor.ts'
import { Graph, interpret, lower } from '../graph/index.ts'
import { Engine } from '../runtime/index.ts'
import { correctCounts } from './correct-counts.ts'

function counts(rows: readonly (readonly number[])[], labels: readonly number[]): number[] {
  const graph = new Graph()
  const classes = rows[0]!.length
  const logits = graph.input('logits', 'float32', [rows.length, classes])
  const answers = graph.input('labels', 'int64', [rows.length])
  const results = interpret(
    correctCounts(logits, answers).map(([, tensor]) => tensor),
    new Map([
      ['logits', { shape: [rows.length, classes], data: Float64Array.from(rows.flat()) }],
      ['labels', { shape: [rows.length], data: Float64Array.from(labels) }],
    ]),
  )
  return results.map(({ data }) => data[0]!)
}

describe('what counts as right', () => {
  it('is the class with the largest logit, and one of the five largest', () => {
    const row = [6, 5, 4, 3, 2, 1]
    expect([0, 1, 4, 5].map(label => counts([row], [label]))).toEqual([
      [1, 1],
      [0, 1],
      [0, 1],
      [0, 0],
    ])
  })

  it('is counted over images', () => {
    expect(
      counts(
        [
          [1, 2],
          [2, 1],
          [0, 3],
        ],
        [1, 0, 0],
      ),
    ).toEqual([2, 3])
  })

  it('is the first of equal ones alone: a network that says nothing is right by chance', () => {
    const rows = Array.from({ length: 10 }, () => new Array<number>(10).fill(0.5))
    const labels = Array.from({ length: 10 }, (_, i) => i)
    expect(counts(rows, labels)).toEqual([1, 5])
  })

  it('is never what is not a number', () => {
    expect(counts([[Number.NaN, Number.NaN, Number.NaN]], [0])).toEqual([0, 0])
    expect(counts([[Number.NaN, 1, 0, 0, 0, 0, 0]], [1])).toEqual([0, 1])
    expect(counts([[Number.POSITIVE_INFINITY, 1, 2]], [1])).toEqual([0, 1])
    expect(counts([[Number.POSITIVE_INFINITY, 1, 2]], [0])).toEqual([1, 1])
  })

  it('is the same for the engine', async () => {
    const rows = [
      [Number.NaN, 1, 0, 0, 0, 0],
      [Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN],
      [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
      [Number.POSITIVE_INFINITY, 1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5, 6],
    ]
    const labels = [1, 0, 3, 0, 5]
    const graph = new Graph()
    const logits = graph.input('logits', 'float32', ['N', 6])
    const answers = graph.input('labels', 'int64', ['N'])
    const engine = await Engine.start({ threads: 1 })
    const loaded = await engine.load(lower(new Map(correctCounts(logits, answers))))
    const outputs = await loaded.run(
      new Map([
        ['logits', floats([5, 6], Float32Array.from(rows.flat()))],
        ['labels', { dtype: 'int64', shape: [5], data: BigInt64Array.from(labels, BigInt) } as const],
      ]),
    )
    await engine.stop()
    const came = ['correct1', 'correct5'].map(name => Number(outputs.get(name)!.data[0]))
    expect(came).toEqual(counts(rows, labels))
    expect(came).toEqual([2, 4])
  })
})
