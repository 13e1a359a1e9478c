import { describe, expect, it } from 'vitest'
import { matrix, randomLogits, rowsOf } from '../../../test/routing-steps.ts'
import { draws } from '../../base/random.ts'
import { Graph, gradients, interpret } from '../../graph/index.ts'
import { describeRouting, route } from '../routing.ts'
import { load } from './load.ts'

/** The load loss on clean logits, noise and its deviation, with gradients with respect to clean logits and deviation. */
function loadLoss(
  clean: readonly (readonly number[])[],
  noisy: readonly (readonly number[])[],
  deviation: readonly (readonly number[])[],
  k: number,
): { readonly loss: number; readonly dClean: number[][]; readonly dDeviation: number[][] } {
  const shape = [clean.length, clean[0]!.length]
  const graph = new Graph()
  const [z, noise, s] = ['clean', 'noisy', 'deviation'].map(name => graph.input(name, 'float32', shape))
  const weights = route(noise!, { k, weighting: 'softmax-after-top-k' })
  const loss = load({ weight: 1 }).loss!(describeRouting(weights, noise!, z!, s, k), { labels: undefined })
  const [value, dClean, dDeviation] = interpret(
    [loss, ...gradients(loss, [z!, s!])],
    new Map([
      ['clean', matrix(clean)],
      ['noisy', matrix(noisy)],
      ['deviation', matrix(deviation)],
    ]),
  )
  return { loss: value!.data[0]!, dClean: rowsOf(dClean!), dDeviation: rowsOf(dDeviation!) }
}

/** Φ by Simpson's rule from 0, with no error function in it. */
function normalCdf(x: number): number {
  const steps = 2000
  const density = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI)
  const width = x / steps
  let total = density(0) + density(x)
  for (let i = 1; i < steps; i++) total += (i % 2 === 1 ? 4 : 2) * density(i * width)
  return 0.5 + (total * width) / 3
}

function squaredVariation(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b) / values.length
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1)
  return variance / (mean ** 2 + 1e-10)
}

/** Shazeer et al. 2017, eq. 8 and 9, read literally: sort the others, take the K-th. */
function loadByDefinition(
  clean: readonly (readonly number[])[],
  noisy: readonly (readonly number[])[],
  deviation: readonly (readonly number[])[],
  k: number,
): number[] {
  return clean[0]!.map((_, i) =>
    clean.reduce((sum, row, n) => {
      const others = noisy[n]!.filter((_value, j) => j !== i).sort((a, b) => b - a)
      return sum + normalCdf((row[i]! - others[k - 1]!) / deviation[n]![i]!)
    }, 0),
  )
}

describe('the load loss', () => {
  const source = draws(11, 'load')
  const rows = (spread: number) => randomLogits(source, 5, [0.5, 0, 0, -0.5], spread)
  const clean = rows(1)
  const noisy = clean.map(row => row.map(value => value + 0.7 * source.normal()))
  const deviation = clean.map(row => row.map(() => source.between(0.3, 1.2)))

  it.each([1, 2, 3])('is CV² of Σ Φ((z − K-th of the others) / s) for K = %d', k => {
    const wanted = squaredVariation(loadByDefinition(clean, noisy, deviation, k))
    expect(loadLoss(clean, noisy, deviation, k).loss).toBeCloseTo(wanted, 9)
  })

  it('agrees with its definition where logits tie at the threshold', () => {
    const tied = [
      [1, 1, 1, 0],
      [0, 2, 2, 2],
      [3, 3, 3, 3],
    ]
    const even = tied.map(row => row.map(() => 0.5))
    const wanted = squaredVariation(loadByDefinition(tied, tied, even, 2))
    expect(loadLoss(tied, tied, even, 2).loss).toBeCloseTo(wanted, 9)
  })

  it('has the gradients of its definition with respect to clean logits and deviations', () => {
    const { dClean, dDeviation } = loadLoss(clean, noisy, deviation, 2)
    const step = 1e-5
    const moved = (rowsIn: readonly (readonly number[])[], n: number, i: number, by: number) =>
      rowsIn.map((row, m) => row.map((value, j) => (m === n && i === j ? value + by : value)))
    const at = (z: typeof clean, s: typeof deviation): number =>
      squaredVariation(loadByDefinition(z, noisy, s, 2))
    for (const [n, i] of [
      [0, 0],
      [2, 1],
      [4, 3],
    ] as const) {
      const slope =
        (at(moved(clean, n, i, step), deviation) - at(moved(clean, n, i, -step), deviation)) / (2 * step)
      expect(dClean[n]![i]).toBeCloseTo(slope, 6)
      const other =
        (at(clean, moved(deviation, n, i, step)) - at(clean, moved(deviation, n, i, -step))) / (2 * step)
      expect(dDeviation[n]![i]).toBeCloseTo(other, 6)
    }
  })

  it('reaches experts that nobody chose: they get a gradient that raises them', () => {
    const unequal = [
      [2, 2, 0, 0],
      [2, 2, 0, 0],
    ]
    const even = unequal.map(row => row.map(() => 1))
    const { dClean } = loadLoss(unequal, unequal, even, 2)
    for (const row of dClean) expect(row.map(Math.sign)).toEqual([1, 1, -1, -1])
  })

  it('is refused without noise and with K = E, where nothing could be chosen otherwise', () => {
    const graph = new Graph()
    const logits = graph.input('logits', 'float32', [2, 3])
    const weights = route(logits, { k: 2, weighting: 'softmax-after-top-k' })
    expect(() =>
      load().loss!(describeRouting(weights, logits, logits, undefined, 2), { labels: undefined }),
    ).toThrow(/no noise/)
    expect(() =>
      load().loss!(describeRouting(weights, logits, logits, logits, 3), { labels: undefined }),
    ).toThrow(/K < E/)
  })
})
