import { describe, expect, it } from 'vitest'
import { binomialTail, leadOf, mcnemar, normalQuantile, normalTail, pairedDifference } from './exact-tests.ts'
import { draws } from './random.ts'

/** 2 · Σ C(n, i) / 2ⁿ over i ≥ max(b, c), in whole numbers. */
function mcnemarInWholeNumbers(b: number, c: number): number {
  const n = b + c
  let choose = 1n
  let sum = 0n
  for (let i = 0; i <= n; i++) {
    if (i >= Math.max(b, c)) sum += choose
    choose = (choose * BigInt(n - i)) / BigInt(i + 1)
  }
  const scale = 10n ** 90n
  return Math.min(1, Number((2n * sum * scale) / 2n ** BigInt(n)) / 1e90)
}

const relative = (found: number, expected: number) => Math.abs(found / expected - 1)

describe('the normal distribution', () => {
  it('has the tails of the tables', () => {
    const table = [
      [0, 0.5],
      [0.5, 0.3085375387259869],
      [1.96, 0.024997895148220435],
      [3, 0.0013498980316300933],
      [5, 2.866515718791933e-7],
      [10, 7.619853024160495e-24],
    ] as const
    for (const [z, tail] of table) {
      expect(relative(normalTail(z), tail), String(z)).toBeLessThan(1e-12)
      expect(normalTail(-z)).toBeCloseTo(1 - tail, 14)
      expect(normalQuantile(tail)).toBeCloseTo(z, 10)
    }
    expect(normalQuantile(0)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('the binomial tail', () => {
  it('agrees with a count by hand', () => {
    // 3 heads or more of 4: (4 + 1) / 16.
    expect(binomialTail(3, 4, 0.5)).toBeCloseTo(5 / 16, 14)
    // 1 or more of 3 with ⅓: 1 − (⅔)³.
    expect(binomialTail(1, 3, 1 / 3)).toBeCloseTo(19 / 27, 14)
    expect([binomialTail(0, 5, 0.2), binomialTail(6, 5, 0.2)]).toEqual([1, 0])
    expect([binomialTail(1, 5, 0), binomialTail(5, 5, 1)]).toEqual([0, 1])
  })

  it('agrees with published software, small tails included', () => {
    expect(relative(binomialTail(60, 60, 0.3), 4.239115827521611e-32)).toBeLessThan(1e-11)
    expect(relative(binomialTail(600, 1000, 0.5), 1.3642320780329735e-10)).toBeLessThan(1e-10)
    expect(relative(binomialTail(5100, 10000, 0.5), 0.023292763852473225)).toBeLessThan(1e-10)
    expect(relative(binomialTail(10, 30, 0.4), 0.8237135152559876)).toBeLessThan(1e-12)
  })
})

describe("McNemar's exact test", () => {
  it('gives the values worked out by hand', () => {
    // 2 · 1/32; 2 · (1 + 9)/512; 2 · (1 + 12 + 66)/4096.
    expect(mcnemar({ first: 0, second: 5 })).toBeCloseTo(0.0625, 14)
    expect(mcnemar({ first: 8, second: 1 })).toBeCloseTo(0.0390625, 14)
    expect(mcnemar({ first: 2, second: 10 })).toBeCloseTo(158 / 4096, 14)
    expect([mcnemar({ first: 7, second: 7 }), mcnemar({ first: 0, second: 0 })]).toEqual([1, 1])
  })

  it("agrees with the textbook's approval ratings: 150 changed one way, 86 the other", () => {
    // Agresti 2013, §11.1: z² = (86 − 150)² / 236 = 17.36; by scipy's exact binomial test p = 3.716·10⁻⁵.
    const p = mcnemar({ first: 86, second: 150 })
    expect(relative(p, mcnemarInWholeNumbers(86, 150))).toBeLessThan(1e-11)
    expect(relative(p, 3.7159361395713866e-5)).toBeLessThan(1e-11)
  })

  it('agrees with a count in whole numbers for any two numbers', () => {
    const source = draws(1, 'discordant')
    for (let i = 0; i < 60; i++) {
      const [first, second] = [source.below(200), source.below(200)]
      expect(relative(mcnemar({ first, second }), mcnemarInWholeNumbers(first, second))).toBeLessThan(1e-10)
    }
  })

  it('rejects true equality no more often than the level says', () => {
    let rejected = 0
    for (let i = 0; i < 2000; i++) {
      const source = draws(2, 'equal', i)
      const heads = Array.from({ length: 40 }, () => source.below(2)).reduce((a, b) => a + b, 0)
      rejected += Number(mcnemar({ first: heads, second: 40 - heads }) <= 0.05)
    }
    expect(rejected / 2000).toBeLessThan(0.06)
  })
})

describe('a difference on the same images', () => {
  it('is that of Agresti and Min, worked out by hand', () => {
    // n* = 1602, (150 − 86)/1602 = 0.03995; error √(237 − 64²/1602)/1602 = 0.009556; × 1.95996 = 0.01873.
    const { difference, low, high } = pairedDifference({ first: 150, second: 86 }, 1600)
    expect(difference).toBeCloseTo(0.04, 12)
    expect(low).toBeCloseTo(0.03995 - 0.01873, 4)
    expect(high).toBeCloseTo(0.03995 + 0.01873, 4)
  })

  it('is no certainty where no image differs', () => {
    const { difference, low, high } = pairedDifference({ first: 0, second: 0 }, 50)
    expect(difference).toBe(0)
    expect(low).toBeLessThan(-0.01)
    expect(high).toBeCloseTo(-low, 12)
  })
})

describe('the largest of several', () => {
  /** Of candidates given as lists of right images. */
  const of = (rows: readonly (readonly number[])[], count: number) =>
    leadOf(
      rows.map(row => row.length),
      (a, b) => rows[a]!.filter(n => rows[b]!.includes(n)).length,
      count,
    )
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

  it('is compared with its closest rival, for as many rivals as there are', () => {
    // Images 0–29, 10–29 and 60–89: the second has none that the first lacks, p = 2/2¹⁰; the third shares none.
    const lead = of([range(0, 30), range(10, 30), range(60, 88)], 100)!
    expect(lead).toMatchObject({ first: 0, second: 2 })
    expect(lead.p).toBe(1)
    expect(lead.difference).toBeCloseTo(0.02, 12)
    const clear = of([range(0, 30), range(10, 30), range(20, 30)], 100)!
    expect(clear).toMatchObject({ first: 0, second: 1 })
    expect(clear.p).toBeCloseTo(2 * (2 / 2 ** 10), 14)
  })

  it('has a wider interval the more rivals there are', () => {
    const two = of([range(0, 30), range(10, 30)], 100)!
    const three = of([range(0, 30), range(10, 30), range(20, 30)], 100)!
    expect(three.low).toBeLessThan(two.low)
  })

  it('does not exist for one, or without images', () => {
    expect(of([range(0, 3)], 10)).toBeNull()
    expect(of([[], []], 0)).toBeNull()
  })

  it('is claimed of equals no more often than the level says, however many are to choose from', () => {
    let claimed = 0
    const trials = 400
    for (let trial = 0; trial < trials; trial++) {
      const source = draws(3, 'equals', trial)
      const rows = Array.from({ length: 6 }, () => range(0, 200).filter(() => source.uniform() < 0.4))
      claimed += Number((of(rows, 200)?.p ?? 1) <= 0.05)
    }
    expect(claimed / trials).toBeLessThanOrEqual(0.05)
  })
})
