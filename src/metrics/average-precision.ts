/**
 * Average precision of a ranking, Σ (Rₙ − Rₙ₋₁) Pₙ over its distinct scores from the highest down, Pₙ and Rₙ being precision and
 * recall where everything from the n-th score up counts as found. Equal scores are one step, so their order does not matter.
 * There is no interpolation: this is `average_precision_score` of scikit-learn.
 *
 * @param scores - one for each image; a higher one comes first
 * @param isPositive - 1 where the image has the class, otherwise 0
 * @returns from 0 to 1; null where no image has the class (scikit-learn says 0, with a warning)
 */
export function averagePrecision(scores: ArrayLike<number>, isPositive: ArrayLike<number>): number | null {
  let sum = 0
  let before = 0
  let total = 0
  for (const { found, right } of rankingSteps(scores, isPositive)) {
    sum += (right - before) * (right / found)
    before = right
    total = right
  }
  return total === 0 ? null : sum / total
}

/** The mean of the average precision over classes; classes without a positive image have none. Null where none has one. */
export function meanAveragePrecision(perClass: readonly (number | null)[]): number | null {
  const known = perClass.filter(value => value !== null)
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0) / known.length
}

/** How many images are found at a score or above, and how many of them have the class. */
export interface RankingStep {
  readonly score: number
  readonly found: number
  readonly right: number
}

/** One step for each distinct score, from the highest down. @throws RangeError for a score that is NaN */
export function* rankingSteps(
  scores: ArrayLike<number>,
  isPositive: ArrayLike<number>,
): Generator<RankingStep> {
  const order = Float64Array.from(scores, (score, i) => {
    if (Number.isNaN(score)) throw new RangeError(`the score of image ${i} is NaN, which has no rank`)
    return i
  }).sort((a, b) => scores[b]! - scores[a]!)
  let right = 0
  for (const [place, i] of order.entries()) {
    right += isPositive[i]!
    const next = order[place + 1]
    if (next === undefined || scores[next] !== scores[i]) yield { score: scores[i]!, found: place + 1, right }
  }
}
