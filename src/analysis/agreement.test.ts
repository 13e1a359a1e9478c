import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { agreementOf } from './agreement.ts'
import { bestMatching } from './matching.ts'

/** All ways to give each row a column of its own: slow and obvious. */
function bestByTrying(gains: readonly (readonly number[])[]): number {
  const rows = gains.length
  const columns = gains[0]!.length
  const search = (row: number, used: ReadonlySet<number>, left: number): number => {
    if (row === rows || left === 0) return 0
    let best = rows - row > left ? search(row + 1, used, left) : Number.NEGATIVE_INFINITY
    for (let c = 0; c < columns; c++) {
      if (used.has(c)) continue
      best = Math.max(best, gains[row]![c]! + search(row + 1, new Set([...used, c]), left - 1))
    }
    return best
  }
  return search(0, new Set(), Math.min(rows, columns))
}

describe('the best matching', () => {
  it('has the largest sum of all matchings, square or not', () => {
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
      .chain(([rows, columns]) =>
        fc.array(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: columns, maxLength: columns }), {
          minLength: rows,
          maxLength: rows,
        }),
      )
    fc.assert(
      fc.property(matrix, gains => {
        const pairs = bestMatching(gains)
        expect(pairs.length).toBe(Math.min(gains.length, gains[0]!.length))
        expect(new Set(pairs.map(([row]) => row)).size).toBe(pairs.length)
        expect(new Set(pairs.map(([, column]) => column)).size).toBe(pairs.length)
        expect(pairs.reduce((total, [row, column]) => total + gains[row]![column]!, 0)).toBe(
          bestByTrying(gains),
        )
      }),
    )
  })
})

describe('agreement between two runs', () => {
  const options = { against: 'other', seed: 1, permutations: 100 }
  const source = draws(4, 'weights by class')
  const own = Array.from({ length: 30 }, () => {
    const row = [source.uniform(), source.uniform(), source.uniform()]
    const total = row.reduce((a, b) => a + b, 0)
    return row.map(value => value / total)
  })

  it('is complete for the same experts under other numbers', () => {
    const found = agreementOf(
      own,
      own.map(([a, b, c]) => [c!, a!, b!]),
      options,
    )!
    expect(found.pairs.map(({ expert, other }) => [expert, other])).toEqual([
      [0, 1],
      [1, 2],
      [2, 0],
    ])
    for (const { similarity } of found.pairs) expect(similarity).toBeCloseTo(1, 12)
    expect(found.mean!).toBeGreaterThan(found.chance95!)
  })

  it('is within chance for experts that have nothing to do with each other', () => {
    const strangers = Array.from({ length: 30 }, () => [source.uniform(), source.uniform(), source.uniform()])
    const found = agreementOf(own, strangers, options)!
    expect(found.mean!).toBeLessThan(0.5)
    expect(found.chance!).toBeGreaterThan(0)
  })

  it('has no similarity for an expert that gets the same of every class', () => {
    const found = agreementOf(
      [
        [1, 0],
        [1, 0],
      ],
      [
        [0.7, 0.3],
        [0.2, 0.8],
      ],
      options,
    )!
    expect(found.pairs.map(({ similarity }) => similarity)).toEqual([null, null])
    expect(found.mean).toBeNull()
  })

  it('passes over classes of which one of the two has no image', () => {
    const blank = own.map((row, c) => (c === 0 ? row.map(() => null) : row))
    expect(agreementOf(blank, own, options)!.mean).toBeCloseTo(1, 12)
  })
})
