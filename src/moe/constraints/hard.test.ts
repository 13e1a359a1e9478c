import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomLogits, routingSteps, vector } from '../../../test/routing-steps.ts'
import { draws } from '../../base/random.ts'
import { meanImportance } from './mean.ts'
import { none } from './none.ts'
import { relative } from './relative.ts'

/** Random gates, more or less biased, over many steps, in float64 (METHOD.md §3). */
const gates = fc
  .record({
    seed: fc.nat(),
    experts: fc.integer({ min: 2, max: 6 }),
    images: fc.integer({ min: 1, max: 6 }),
    bias: fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 6, maxLength: 6 }),
    spread: fc.constantFrom<number[]>(0, 0.5, 2),
    chosen: fc.nat({ max: 5 }),
  })
  .map(({ experts, chosen, bias, ...rest }) => ({
    ...rest,
    experts,
    k: 1 + (chosen % experts),
    bias: bias.slice(0, experts),
  }))

type Gate = typeof gates extends fc.Arbitrary<infer T> ? T : never

const batchesOf = ({ seed, images, bias, spread }: Gate, steps: number) =>
  Array.from({ length: steps }, (_, step) => randomLogits(draws(seed, 'gate', step), images, bias, spread))

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Every image weighs as many experts as there are allowed ones among its K, and the weights sum to 1. */
function expectProperWeights(weights: readonly (readonly number[])[], acting: number): void {
  for (const row of weights) {
    expect(row.filter(weight => weight > 0).length).toBe(acting)
    expect(total(row)).toBeCloseTo(1, 12)
  }
}

describe('relative importance', () => {
  it('keeps Σ r = 0, excludes exactly the experts over the threshold, and never all of them', () => {
    fc.assert(
      fc.property(gates, fc.constantFrom(0, 0.1, 0.5, 2), (gate, threshold) => {
        const routed = routingSteps(relative({ threshold }), gate)
        let r = [...routed.first.get('r')!.data]
        for (const batch of batchesOf(gate, 40)) {
          const { weights, importance, excluded, counters } = routed.step(batch, new Map([['r', vector(r)]]))
          const isOver = r.map(value => value > threshold)
          // Above rounding, the threshold decides alone.
          if (threshold > 0) expect(excluded).toEqual(isOver.map(Number))
          expect(total(excluded)).toBeLessThan(gate.experts)
          for (const row of weights)
            for (const [i, weight] of row.entries()) if (excluded[i] === 1) expect(weight).toBe(0)
          expectProperWeights(weights, Math.min(gate.k, gate.experts - total(excluded)))
          const average = gate.images / gate.experts
          const wanted = r.map((value, i) => value + (importance[i]! - average) / average)
          r = [...counters.get('r')!.data]
          for (const [i, value] of wanted.entries()) expect(r[i]).toBeCloseTo(value, 10)
          expect(Math.abs(total(r))).toBeLessThan(1e-9)
        }
      }),
      { numRuns: 25 },
    )
  })

  it('leaves one expert even where rounding puts every counter above a threshold of 0', () => {
    const routed = routingSteps(relative({ threshold: 0 }), { images: 1, experts: 3, k: 2 })
    const { excluded, weights } = routed.step([[0, 0, 0]], new Map([['r', vector([2e-16, 1e-16, 2e-16])]]))
    expect(excluded).toEqual([1, 0, 1])
    expect(weights).toEqual([[0, 1, 0]])
  })

  /*
   * A step adds at most E − 1 to a counter and only to one that is not above m, so r_i ≤ m + E − 1; as they sum to 0,
   * r_i ≥ −(E − 1)(m + E − 1). The mean share over T steps is (1 + r_i / T) / E.
   */
  it('makes the long-run shares of a biased gate equal, to (E − 1)(m + E − 1) / (E·T)', () => {
    const [experts, threshold, steps] = [4, 0.5, 300]
    const gate = { seed: 3, experts, images: 4, k: 2, bias: [3, 1, 0, -2], spread: 1 }
    const shares = (constraint: Parameters<typeof routingSteps>[0]): number[] => {
      const results = routingSteps(constraint, gate).run(batchesOf(gate, steps))
      return gate.bias.map((_, i) => total(results.map(({ importance }) => importance[i]! / 4)) / steps)
    }
    const bound = ((experts - 1) * (threshold + experts - 1)) / (experts * steps)
    for (const share of shares(relative({ threshold }))) expect(Math.abs(share - 0.25)).toBeLessThan(bound)
    const free = shares(none())
    expect(Math.max(...free)).toBeGreaterThan(0.6)
    expect(Math.min(...free)).toBeLessThan(0.02)
  })

  it('rests a favourite expert for whole batches, and with few left lets fewer than K act', () => {
    const gate = { seed: 5, experts: 4, images: 4, k: 3, bias: [3, 1, 0, -2], spread: 1 }
    const results = routingSteps(relative({ threshold: 0.5 }), gate).run(batchesOf(gate, 100))
    const acting = results.map(({ weights }) => weights.map(row => row.filter(weight => weight > 0).length))
    for (const [step, counts] of acting.entries()) expect(new Set(counts).size, `step ${step}`).toBe(1)
    expect(Math.min(...acting.flat())).toBeLessThan(3)
  })
})

describe('mean importance', () => {
  /*
   * With c = 1/E + m: an expert that takes part at step t has a ≤ c before it, so a ≤ (t·c + 1) / (t + 1) after it, and
   * one that rests shrinks by t / (t + 1). Hence a_i ≤ c + (1 − c) / t after t steps, whatever the gate does.
   */
  it('holds every running share under c + (1 − c) / t, where c = 1/E + m', () => {
    fc.assert(
      fc.property(gates, fc.constantFrom(0, 0.05, 0.3), (gate, threshold) => {
        const routed = routingSteps(meanImportance({ threshold }), gate)
        const cap = Math.min(1, 1 / gate.experts + threshold)
        let counters = routed.first
        for (const [t, batch] of batchesOf(gate, 40).entries()) {
          const before = [...counters.get('a')!.data]
          const step = routed.step(batch, counters)
          counters = step.counters
          const after = [...counters.get('a')!.data]
          expect([...counters.get('t')!.data]).toEqual([t + 1])
          expect(total(step.excluded)).toBeLessThan(gate.experts)
          for (const [i, value] of after.entries()) {
            expect(value).toBeLessThanOrEqual(cap + (1 - cap) / (t + 1) + 1e-12)
            expect(value).toBeCloseTo((t * before[i]! + step.importance[i]! / gate.images) / (t + 1), 12)
            if (step.excluded[i] === 0) continue
            expect(before[i]).toBeGreaterThan(cap - 1e-12)
            expect(step.weights.map(row => row[i])).toEqual(step.weights.map(() => 0))
          }
        }
      }),
      { numRuns: 25 },
    )
  })

  it('bars an expert over its cap for as many steps as the cap takes, and then lets it in again', () => {
    const routed = routingSteps(meanImportance({ threshold: 0.12 }), { images: 2, experts: 2, k: 2 })
    const favourite = [
      [50, 0],
      [50, 0],
    ]
    const excluded = routed.run(Array.from({ length: 6 }, () => favourite)).map(step => step.excluded)
    // a₀ after each step: 1, 1/2, 2/3, 1/2, 3/5, 1/2; the cap is 0.62.
    expect(excluded).toEqual([
      [0, 0],
      [1, 0],
      [0, 0],
      [1, 0],
      [0, 0],
      [0, 0],
    ])
  })

  it('with a negative threshold that bars everybody, keeps the least used expert', () => {
    fc.assert(
      fc.property(gates, gate => {
        const routed = routingSteps(meanImportance({ threshold: -1 }), gate)
        let counters = routed.first
        for (const batch of batchesOf(gate, 12)) {
          const a = [...counters.get('a')!.data]
          const step = routed.step(batch, counters)
          const fewest = Math.min(...a)
          expect(step.excluded).toEqual(a.map(value => Number(value !== fewest)))
          expectProperWeights(step.weights, Math.min(gate.k, gate.experts - total(step.excluded)))
          counters = step.counters
        }
      }),
      { numRuns: 15 },
    )
  })

  it('leaves one expert even where rounding puts every share above 1/E at a threshold of 0', () => {
    const routed = routingSteps(meanImportance({ threshold: 0 }), { images: 1, experts: 3, k: 2 })
    const above = [1 / 3 + 2e-16, 1 / 3 + 1e-16, 1 / 3 + 2e-16]
    const { excluded, weights } = routed.step(
      [[0, 0, 0]],
      new Map([
        ['a', vector(above)],
        ['t', { shape: [], data: Float64Array.of(9) }],
      ]),
    )
    expect(excluded).toEqual([1, 0, 1])
    expect(weights).toEqual([[0, 1, 0]])
  })
})
