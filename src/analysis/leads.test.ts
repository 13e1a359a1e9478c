import { describe, expect, it } from 'vitest'
import { pairedCounts, predictionLead } from '../tasks/classification/accuracy.ts'
import { pairLead } from './coactivation.ts'

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value)

describe('two predictions of the same images', () => {
  it('are counted class by class, worked out by hand', () => {
    const labels = Int32Array.of(0, 0, 0, 1, 1)
    const trained = Int32Array.of(0, 0, 1, 1, 0)
    const alone = Int32Array.of(0, 1, 0, 0, 0)
    expect(pairedCounts(trained, alone, labels, 2)).toEqual({
      together: [2, 1],
      lost: [1, 1],
      gained: [1, 0],
    })
  })
})

describe('the first of several experts', () => {
  const labels = new Int32Array(1000)
  /** Predictions that are right for the first, wrong for the next, and so on. */
  const predicted = (...runs: readonly (readonly [number, number])[]) =>
    Int32Array.from(runs.flatMap(([count, prediction]) => times(count, prediction)))

  it('is not told where two differ by two images in a thousand', () => {
    // 393 and 395 right, on different images: 39.3 and 39.5 % with a standard error of 1.5 points.
    const first = predicted([393, 0], [607, 1])
    const second = predicted([200, 1], [395, 0], [405, 1])
    const lead = predictionLead([first, second], labels, 'wrong')!
    expect(lead.first).toBe(0)
    expect(lead.p).toBeGreaterThan(0.5)
    expect(lead.low).toBeLessThan(0)
    expect(lead.high).toBeGreaterThan(0)
  })

  it('is told where the images on which they differ all favour one', () => {
    // Ten images more, and none fewer: 2 / 2¹⁰.
    const lead = predictionLead(
      [predicted([383, 0], [617, 1]), predicted([393, 0], [607, 1])],
      labels,
      'wrong',
    )!
    expect(lead).toMatchObject({ first: 0, second: 1 })
    expect(lead.difference).toBeCloseTo(0.01, 12)
    expect(lead.p).toBeCloseTo(2 / 1024, 12)
  })
})

describe('the pair that is chosen together most often', () => {
  const routed = (...rows: readonly (readonly [number, readonly number[]])[]) => ({
    experts: 3,
    weights: Float32Array.from(rows.flatMap(([count, row]) => times(count, row).flat())),
  })

  it('is held against the next pair over the same images', () => {
    const clear = pairLead(routed([60, [0.5, 0.5, 0]], [20, [0.5, 0, 0.5]], [20, [0, 0.5, 0.5]]))!
    expect(clear.first).toEqual([0, 1])
    expect(clear.difference).toBeCloseTo(0.4, 12)
    // 60 against 20, times two rivals.
    expect(clear.p).toBeLessThan(0.001)
    const near = pairLead(routed([35, [0.5, 0.5, 0]], [33, [0.5, 0, 0.5]], [32, [0, 0.5, 0.5]]))!
    expect(near.p).toBe(1)
  })

  it('counts images that chose three experts for all their pairs', () => {
    const third = 1 / 3
    const lead = pairLead(routed([50, [third, third, third]], [8, [0.5, 0.5, 0]]))!
    // Eight images chose the first pair and no other: 2 · 2/2⁸.
    expect(lead.p).toBeCloseTo(4 / 256, 12)
  })

  it('does not exist for two experts', () => {
    expect(pairLead({ experts: 2, weights: Float32Array.of(0.5, 0.5) })).toBeNull()
  })
})
