import { rankingSteps } from './average-precision.ts'

/**
 * The threshold with the highest F₁ on some images: an image is found where its score is at least the threshold. Of equal ones the
 * highest. It is the score of an image, since F₁ changes only there.
 *
 * @param isPositive - 1 where the image has the class, otherwise 0
 * @param positives - how many there are to find, where some have no score at all
 * @returns null where no image has the class, and every threshold has F₁ 0
 */
export function bestThreshold(
  scores: ArrayLike<number>,
  isPositive: ArrayLike<number>,
  positives = sumOf(isPositive),
): number | null {
  if (sumOf(isPositive) === 0) return null
  let best: { readonly score: number; readonly f1: number } | undefined
  for (const { score, found, right } of rankingSteps(scores, isPositive)) {
    const f1 = (2 * right) / (found + positives)
    if (best === undefined || f1 > best.f1) best = { score, f1 }
  }
  return best?.score ?? null
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum
}

/** How many images are found, have the class, and both. */
export interface LabelCounts {
  readonly found: number
  readonly positives: number
  readonly right: number
}

/** What is found at a threshold: scores that are at least it. */
export function countsAt(
  scores: ArrayLike<number>,
  isPositive: ArrayLike<number>,
  threshold: number,
): LabelCounts {
  let [found, positives, right] = [0, 0, 0]
  for (let i = 0; i < scores.length; i++) {
    const isFound = Number(scores[i]! >= threshold)
    found += isFound
    positives += isPositive[i]!
    right += isFound * isPositive[i]!
  }
  return { found, positives, right }
}

/** Precision, recall and F₁ from 0 to 1; null for a fraction of nothing. */
export interface PrecisionRecall {
  /** Which fraction of what was found is right; null where nothing was found. */
  readonly precision: number | null
  /** Which fraction of the positives was found; null where there are none. */
  readonly recall: number | null
  /** Twice the right ones ÷ (found + positives), the harmonic mean of both; null where there is neither. */
  readonly f1: number | null
}

/** Precision, recall and F₁ of counts. */
export function precisionRecall({ found, positives, right }: LabelCounts): PrecisionRecall {
  return {
    precision: found === 0 ? null : right / found,
    recall: positives === 0 ? null : right / positives,
    f1: found + positives === 0 ? null : (2 * right) / (found + positives),
  }
}
