/** What has a confidence within one of the bins of a reliability diagram. */
export interface CalibrationBin {
  /** The confidences of the bin: above `from` up to and including `to`; 0 belongs to the first. */
  readonly from: number
  readonly to: number
  readonly count: number
  /** Means over what is in the bin; null where nothing is. */
  readonly confidence: number | null
  /** The fraction that is right. */
  readonly accuracy: number | null
}

/** Whether confidences are what they claim: of answers given with 0.8, four in five should be right. */
export interface Calibration {
  /** Expected calibration error: the mean of |accuracy − confidence| over bins, weighted by what is in them. Null of nothing. */
  readonly ece: number | null
  /** Maximum calibration error: the largest |accuracy − confidence| of a bin. */
  readonly mce: number | null
  /** Means over everything; a confidence above the accuracy is overconfidence. */
  readonly confidence: number | null
  readonly accuracy: number | null
  readonly bins: readonly CalibrationBin[]
}

/** As many bins of the same width as Guo et al. (2017) have. */
const usualBins = 15

/**
 * Calibration over bins of equal width (Naeini et al. 2015; Guo et al. 2017, equations 2 to 5).
 *
 * @param confidences - from 0 to 1
 * @param isRight - 1 for a right answer, otherwise 0; of a label's probability, 1 where the image shows it
 * @throws RangeError for a confidence outside
 */
export function calibrationOf(
  confidences: ArrayLike<number>,
  isRight: ArrayLike<number>,
  bins = usualBins,
): Calibration {
  const total = confidences.length
  const [counts, sums, right] = [0, 0, 0].map(() => new Float64Array(bins))
  for (let n = 0; n < total; n++) {
    const confidence = confidences[n]!
    if (!(confidence >= 0 && confidence <= 1 + 1e-6))
      throw new RangeError(`the confidence of answer ${n} is ${confidence}, which is not from 0 to 1`)
    const bin = binOf(confidence, bins)
    counts![bin]! += 1
    sums![bin]! += confidence
    right![bin]! += isRight[n]!
  }
  const made = Array.from(
    counts!,
    (count, bin): CalibrationBin => ({
      from: bin / bins,
      to: (bin + 1) / bins,
      count,
      confidence: count === 0 ? null : sums![bin]! / count,
      accuracy: count === 0 ? null : right![bin]! / count,
    }),
  )
  const gaps = made.map(({ confidence, accuracy }) => Math.abs((confidence ?? 0) - (accuracy ?? 0)))
  const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0)
  return {
    ece: total === 0 ? null : gaps.reduce((all, gap, bin) => all + gap * counts![bin]!, 0) / total,
    mce: total === 0 ? null : Math.max(...gaps),
    confidence: total === 0 ? null : sum(sums!) / total,
    accuracy: total === 0 ? null : sum(right!) / total,
    bins: made,
  }
}

/** The bin ((b / bins), (b + 1) / bins] of a confidence; the limits are the doubles that the bins report. */
function binOf(confidence: number, bins: number): number {
  let bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))
  if (bin > 0 && confidence <= bin / bins) bin -= 1
  else if (bin < bins - 1 && confidence > (bin + 1) / bins) bin += 1
  return bin
}
