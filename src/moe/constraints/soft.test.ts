import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lossAtImportance, randomLogits, routingSteps } from '../../../test/routing-steps.ts'
import { draws } from '../../base/random.ts'
import { entropy, importance, kl, switchLoss, zLoss } from './index.ts'

const losses = [
  ['importance', importance({ weight: 1 })],
  ['kl', kl({ weight: 1 })],
  ['switch', switchLoss({ weight: 1 })],
  ['entropy', entropy({ weight: 1 })],
  ['z-loss', zLoss({ weight: 1 })],
] as const

const balancing = [
  ['importance', importance({ weight: 1 })],
  ['kl', kl({ weight: 1 })],
] as const

const seeds = fc.nat()
const usages = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 8 })

const usable = usages.filter(usage => usage.some(value => value > 0))

describe('soft constraints', () => {
  it.each(losses)(
    '%s does not care how experts are numbered, and its gradient follows them',
    (_name, loss) => {
      fc.assert(
        fc.property(seeds, fc.integer({ min: 2, max: 6 }), (seed, experts) => {
          const source = draws(seed, 'logits')
          const rows = randomLogits(source, 5, new Array<number>(experts).fill(0))
          const order = [...source.permutation(experts)]
          const shape = { images: 5, experts, k: Math.min(2, experts) }
          const routed = routingSteps(loss, shape)
          const one = routed.step(rows, routed.first)
          const other = routed.step(
            rows.map(row => order.map(i => row[i]!)),
            routed.first,
          )
          expect(other.loss).toBeCloseTo(one.loss, 12)
          for (const [n, row] of other.gradient.entries())
            for (const [place, i] of order.entries()) expect(row[place]).toBeCloseTo(one.gradient[n]![i]!, 12)
        }),
        { numRuns: 20 },
      )
    },
  )

  it.each(balancing)('%s is zero when experts share equally, and only then', (_name, loss) => {
    fc.assert(
      fc.property(usable, usage => {
        const value = lossAtImportance(loss, usage).loss
        // p_i = (I_i + 1e-10) / N sums to a little more than 1.
        if (new Set(usage).size === 1) expect(Math.abs(value)).toBeLessThan(1e-8)
        else expect(value).toBeGreaterThan(1e-4)
      }),
    )
    expect(Math.abs(lossAtImportance(loss, [3, 3, 3, 3]).loss)).toBeLessThan(1e-10)
  })

  it.each(balancing)('%s falls when importance moves from any expert to a less used one', (_name, loss) => {
    fc.assert(
      fc.property(usable, usage => {
        const { gradient } = lossAtImportance(loss, usage)
        for (const [i, mine] of usage.entries())
          for (const [j, other] of usage.entries())
            if (mine > other) expect(gradient[i]! - gradient[j]!).toBeGreaterThan(1e-6)
      }),
    )
  })

  it.each(balancing)(
    '%s lowers the logit of the more used of the two experts of each image',
    (_name, loss) => {
      fc.assert(
        fc.property(seeds, seed => {
          const routed = routingSteps(loss, { images: 6, experts: 4, k: 2 })
          const rows = randomLogits(draws(seed, 'logits'), 6, [1, 0, 0, -1])
          const { weights, importance: used, gradient } = routed.step(rows, routed.first)
          for (const [n, row] of weights.entries()) {
            const [i, j] = [...row.keys()].filter(expert => row[expert]! > 0)
            expect(Math.sign(gradient[n]![i!]!)).toBe(Math.sign(used[i!]! - used[j!]!))
            expect(gradient[n]![i!]! + gradient[n]![j!]!).toBeCloseTo(0, 12)
          }
        }),
        { numRuns: 25 },
      )
    },
  )

  it.each(balancing)('%s has the gradient of METHOD.md §2 with respect to importance', (name, loss) => {
    fc.assert(
      fc.property(usable, usage => {
        const { gradient } = lossAtImportance(loss, usage)
        const [E, N] = [usage.length, usage.reduce((a, b) => a + b)]
        const mean = N / E
        const variance = usage.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (E - 1)
        const square = mean ** 2 + 1e-10
        for (const [i, value] of usage.entries()) {
          const wanted =
            name === 'importance'
              ? (2 * (value - mean)) / ((E - 1) * square) - (2 * mean * variance) / (E * square ** 2)
              : (Math.log((E * (value + 1e-10)) / N) + 1) / N
          expect(gradient[i]).toBeCloseTo(wanted, 9)
        }
      }),
    )
  })

  it.each(losses)(
    '%s stays finite, and so does its gradient, when one expert gets everything',
    (_name, loss) => {
      const routed = routingSteps(loss, { images: 4, experts: 4, k: 2 })
      const rows = Array.from({ length: 4 }, () => [900, -50, -900, 0])
      const { loss: value, gradient, weights } = routed.step(rows, routed.first)
      expect(weights).toEqual(rows.map(() => [1, 0, 0, 0]))
      expect([value, ...gradient.flat()].every(Number.isFinite)).toBe(true)
    },
  )

  it('importance is E and KL is ln E when one expert gets everything', () => {
    for (const experts of [2, 4, 10]) {
      const usage = [7, ...new Array<number>(experts - 1).fill(0)]
      expect(lossAtImportance(importance({ weight: 1 }), usage).loss).toBeCloseTo(experts, 8)
      expect(lossAtImportance(kl({ weight: 1 }), usage).loss).toBeCloseTo(Math.log(experts), 8)
    }
  })

  it('entropy is lowest, −ln E, for confident choices spread evenly, and 0 for any gate that ignores the image', () => {
    const routed = routingSteps(entropy({ weight: 1 }), { images: 4, experts: 4, k: 2 })
    const confident = [0, 1, 2, 3].map(i => [0, 0, 0, 0].map((_, j) => (i === j ? 60 : 0)))
    expect(routed.step(confident, routed.first).loss).toBeCloseTo(-Math.log(4), 8)
    const constant = [0, 1, 2, 3].map(() => [2, -1, 0.5, 0])
    expect(routed.step(constant, routed.first).loss).toBeCloseTo(0, 8)
  })

  it('the switch loss is 0 for uniform probabilities and E − 1 when one expert gets everything', () => {
    const routed = routingSteps(switchLoss({ weight: 1 }), { images: 3, experts: 4, k: 2 })
    const at = (row: readonly number[]) => routed.step([row, row, row], routed.first).loss
    expect(at([0, 0, 0, 0])).toBeCloseTo(0, 12)
    expect(at([0, 80, 0, 0])).toBeCloseTo(3, 12)
  })
})
