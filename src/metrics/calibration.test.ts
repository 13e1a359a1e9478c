import { describe, expect, it } from 'vitest'
import { calibrationOf } from './calibration.ts'

// 0.4, 0.6 and 0.8 lie on limits between bins, and belong to the lower ones.
const confidences = [0.05, 0.1, 0.15, 0.35, 0.4, 0.55, 0.6, 0.8, 0.85, 0.95, 1]
const right = [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1]

describe('calibration', () => {
  it("has the bins of scikit-learn's calibration_curve", () => {
    const { bins } = calibrationOf(confidences, right, 5)
    const near = (values: readonly (number | null)[], expected: readonly number[]) => {
      expect(values).toHaveLength(expected.length)
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 12)
    }
    near(
      bins.map(({ accuracy }) => accuracy),
      [0.3333333333333333, 0.5, 0.5, 1, 0.6666666666666666],
    )
    near(
      bins.map(({ confidence }) => confidence),
      [0.1, 0.375, 0.575, 0.8, 0.9333333333333332],
    )
    expect(bins.map(({ count }) => count)).toEqual([3, 2, 2, 1, 3])
  })

  it('has the errors that the bins give by hand', () => {
    const { ece, mce, confidence, accuracy } = calibrationOf(confidences, right, 5)
    // (3·|1/3 − 0.1| + 2·|0.5 − 0.375| + 2·|0.5 − 0.575| + |1 − 0.8| + 3·|2/3 − 0.9333|) / 11
    expect(ece).toBeCloseTo((0.7 + 0.25 + 0.15 + 0.2 + 0.8) / 11, 12)
    expect(mce).toBeCloseTo(0.9333333333333332 - 2 / 3, 12)
    expect(confidence).toBeCloseTo(5.8 / 11, 12)
    expect(accuracy).toBe(6 / 11)
  })

  it('is perfect where every bin is as right as it claims', () => {
    const { ece, mce } = calibrationOf([0.25, 0.25, 0.25, 0.25, 1], [1, 0, 0, 0, 1], 4)
    expect(ece).toBe(0)
    expect(mce).toBe(0)
  })

  it('puts every limit into the bin that it ends, and 0 into the first', () => {
    for (const bins of [3, 7, 10, 15]) {
      const limits = Array.from({ length: bins + 1 }, (_, i) => i / bins)
      const { bins: made } = calibrationOf(limits, new Array(bins + 1).fill(1), bins)
      expect(made.map(({ count }) => count)).toEqual([2, ...new Array(bins - 1).fill(1)])
    }
  })

  it('is nothing of nothing, and refuses what is no probability', () => {
    expect(calibrationOf([], [])).toMatchObject({ ece: null, mce: null, confidence: null, accuracy: null })
    expect(() => calibrationOf([0.5, 1.2], [1, 1])).toThrow(/answer 1 is 1\.2/)
    expect(() => calibrationOf([Number.NaN], [1])).toThrow(RangeError)
  })
})
