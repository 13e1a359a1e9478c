import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { averagePrecision, meanAveragePrecision } from './average-precision.ts'
import { bestThreshold, countsAt, precisionRecall } from './label-thresholds.ts'

/** Images with few distinct scores, so that many are equal. */
const ranking = fc
  .array(
    fc.record({ score: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.5000001, 1), positive: fc.constantFrom(0, 1) }),
    {
      minLength: 1,
      maxLength: 30,
    },
  )
  .map(images => ({
    scores: images.map(({ score }) => score),
    positives: images.map(({ positive }) => positive),
  }))

/** The definition, threshold by threshold, each counted anew. */
function slowAveragePrecision(scores: readonly number[], positives: readonly number[]): number | null {
  const total = positives.filter(one => one === 1).length
  if (total === 0) return null
  let [sum, before] = [0, 0]
  for (const threshold of [...new Set(scores)].sort((a, b) => b - a)) {
    const found = positives.filter((_, i) => scores[i]! >= threshold)
    const right = found.filter(one => one === 1).length
    sum += (right / total - before) * (right / found.length)
    before = right / total
  }
  return sum
}

describe('the average precision', () => {
  it.each([
    // The example of scikit-learn's documentation: 0.5 · 1 + 0.5 · 2/3.
    [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.5 + 1 / 3],
    [[3, 2, 1], [1, 1, 0], 1],
    // Right at places 2 and 4: (1/2 + 2/4) / 2.
    [[9, 8, 7, 6], [0, 1, 0, 1], 0.5],
    // All equal: one step, with the fraction of positives as precision.
    [[2, 2, 2, 2], [1, 0, 0, 0], 0.25],
    // A tie of a right and a wrong one below a right one: (1 · 1 + 1 · 2/3) / 2, whichever of them comes first.
    [[5, 4, 4], [1, 0, 1], (1 + 2 / 3) / 2],
    [[5, 4, 4], [1, 1, 0], (1 + 2 / 3) / 2],
    [[-1e30, 0, 1e30], [1, 0, 0], 1 / 3],
  ])('of scores %j and positives %j is %d', (scores, positives, expected) => {
    expect(averagePrecision(scores, positives)).toBeCloseTo(expected, 12)
  })

  it('is null where there is nothing to find, and such classes do not enter the mean', () => {
    expect(averagePrecision([1, 2], [0, 0])).toBeNull()
    expect(averagePrecision([], [])).toBeNull()
    expect(meanAveragePrecision([0.5, null, 1])).toBe(0.75)
    expect(meanAveragePrecision([null])).toBeNull()
    expect(() => averagePrecision([1, Number.NaN], [0, 1])).toThrow('the score of image 1 is NaN')
  })

  it('is what the definition says, whatever the ties and the order of the images', () => {
    fc.assert(
      fc.property(ranking, fc.integer(), ({ scores, positives }, seed) => {
        const expected = slowAveragePrecision(scores, positives)
        const value = averagePrecision(scores, positives)
        if (expected === null) expect(value).toBeNull()
        else expect(value).toBeCloseTo(expected, 12)
        const turn = Math.abs(seed) % scores.length
        const turned = <T>(list: readonly T[]): T[] => [...list.slice(turn), ...list.slice(0, turn)]
        const other = averagePrecision(turned(scores), turned(positives))
        if (value === null) expect(other).toBeNull()
        else expect(other).toBeCloseTo(value, 12)
      }),
    )
  })
})

describe('the threshold of a class', () => {
  it('has the highest F1, and of equal ones it is the highest', () => {
    // From the top: F1 2/3, 2/4, 4/5, 4/6.
    expect(bestThreshold([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0])).toBe(0.7)
    // 2/3 twice: of the first alone, and of all.
    expect(bestThreshold([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 1])).toBe(0.9)
    expect(bestThreshold([0.9, 0.8], [0, 0])).toBeNull()
  })

  it('is not beaten by any other', () => {
    fc.assert(
      fc.property(ranking, fc.double({ min: -1, max: 2, noNaN: true }), ({ scores, positives }, other) => {
        const threshold = bestThreshold(scores, positives)
        if (threshold === null) return
        const f1 = (at: number): number => precisionRecall(countsAt(scores, positives, at)).f1!
        expect(f1(threshold)).toBeGreaterThanOrEqual(f1(other))
      }),
    )
  })

  it('gives precision, recall and F1; a fraction of nothing is null', () => {
    const counts = countsAt([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 1], 0.7)
    expect(counts).toEqual({ found: 3, positives: 3, right: 2 })
    expect(precisionRecall(counts)).toEqual({ precision: 2 / 3, recall: 2 / 3, f1: 2 / 3 })
    expect(precisionRecall({ found: 0, positives: 2, right: 0 })).toEqual({
      precision: null,
      recall: 0,
      f1: 0,
    })
    expect(precisionRecall({ found: 0, positives: 0, right: 0 })).toEqual({
      precision: null,
      recall: null,
      f1: null,
    })
  })
})
