import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomLogits, routingSteps, vector } from '../../../test/routing-steps.ts'
import { draws } from '../../base/random.ts'
import { lossFree } from './loss-free.ts'
import { none } from './none.ts'

describe('loss-free balancing', () => {
  it('moves each bias by the rate, up for experts below the mean load, down for those above, not at it', () => {
    const routed = routingSteps(lossFree({ rate: 0.25 }), { images: 3, experts: 4, k: 2 })
    const { counters } = routed.step(
      [
        [3, 2, 1, 0],
        [3, 2, 1, 0],
        [3, 0, 0.5, 2],
      ],
      new Map([['b', vector([0, 0, 0.125, 0])]]),
    )
    // Loads 3, 2, 0, 1 around a mean of 1.5.
    expect([...counters.get('b')!.data]).toEqual([-0.25, -0.25, 0.375, 0.25])
    const even = routingSteps(lossFree({ rate: 0.25 }), {
      images: 2,
      experts: 2,
      k: 1,
      weighting: 'softmax-before-top-k',
    })
    const balanced = even.step(
      [
        [1, 0],
        [0, 1],
      ],
      even.first,
    )
    expect([...balanced.counters.get('b')!.data]).toEqual([0, 0])
  })

  it('changes who is chosen but not how the chosen are weighed', () => {
    const routed = routingSteps(lossFree(), { images: 1, experts: 3, k: 2 })
    const { weights, loss } = routed.step([[2, 1, 0]], new Map([['b', vector([-5, 0.25, -0.5])]]))
    expect(weights[0]![0]).toBe(0)
    expect(weights[0]![1]).toBeCloseTo(1 / (1 + Math.exp(-1)), 12)
    expect(loss).toBe(0)
  })

  it('with softmax before top-k weighs the chosen by the unbiased softmax too', () => {
    const routed = routingSteps(lossFree(), {
      images: 1,
      experts: 3,
      k: 2,
      weighting: 'softmax-before-top-k',
    })
    const { weights } = routed.step([[2, 1, 0]], new Map([['b', vector([-5, 0.25, -0.5])]]))
    expect(weights[0]![0]).toBe(0)
    expect(weights[0]![1]).toBeCloseTo(1 / (1 + Math.exp(-1)), 12)
  })

  it('evens the load of a biased gate', () => {
    const gate = { images: 8, experts: 4, k: 2 }
    const batches = Array.from({ length: 150 }, (_, step) =>
      randomLogits(draws(2, 'gate', step), 8, [2, 1, 0, -1], 1),
    )
    const lateLoads = (constraint: Parameters<typeof routingSteps>[0]): number[] => {
      const late = routingSteps(constraint, gate).run(batches).slice(100)
      return [0, 1, 2, 3].map(
        i => late.flatMap(({ weights }) => weights).filter(row => row[i]! > 0).length / (50 * 8),
      )
    }
    const free = lateLoads(none())
    expect(Math.max(...free) - Math.min(...free)).toBeGreaterThan(0.7)
    const balanced = lateLoads(lossFree({ rate: 0.05 }))
    expect(Math.max(...balanced) - Math.min(...balanced)).toBeLessThan(0.1)
  })

  it('never moves a bias by anything but −rate, 0 or +rate', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (seed, experts, k) => {
          const rate = 0.125
          const routed = routingSteps(lossFree({ rate }), { images: 5, experts, k: Math.min(k, experts) })
          const rows = randomLogits(draws(seed, 'gate'), 5, new Array<number>(experts).fill(0))
          const { counters, weights } = routed.step(rows, routed.first)
          const loads = rows[0]!.map((_, i) => weights.filter(row => row[i]! > 0).length)
          const mean = loads.reduce((a, b) => a + b) / experts
          expect([...counters.get('b')!.data]).toEqual(loads.map(value => rate * Math.sign(mean - value)))
        },
      ),
      { numRuns: 20 },
    )
  })
})
