/** Standard errors by which a class has to differ from all images: so far away are one of twenty by chance. */
const leastErrors = 2

/** How much of a class an expert gets. */
export interface Lift {
  /** Mean weight over the class, divided by that over all images; NaN where the expert gets next to nothing. */
  readonly ratio: number
  /** Whether it is further from 1 than chance brings so few images. */
  readonly isBeyondChance: boolean
}

/** Of each class and expert. The error is that of a mean of so few images, drawn from all of them without replacement. */
export function liftsOf(
  weights: Float32Array,
  labels: Int32Array,
  classes: number,
  experts: number,
): Lift[][] {
  const sums = Array.from({ length: classes }, () => new Float64Array(experts))
  const counts = new Array<number>(classes).fill(0)
  const [totals, squares] = [new Float64Array(experts), new Float64Array(experts)]
  for (const [image, label] of labels.entries()) {
    counts[label]! += 1
    for (let expert = 0; expert < experts; expert++) {
      const weight = weights[image * experts + expert]!
      sums[label]![expert]! += weight
      totals[expert]! += weight
      squares[expert]! += weight * weight
    }
  }
  const images = labels.length
  return sums.map((row, label) =>
    Array.from(row, (sum, expert): Lift => {
      const [mean, count] = [totals[expert]! / images, counts[label]!]
      if (mean <= 0.01 || count === 0) return { ratio: Number.NaN, isBeyondChance: false }
      const variance = squares[expert]! / images - mean * mean
      const error = Math.sqrt((variance / count) * ((images - count) / Math.max(1, images - 1)))
      const own = sum / count
      return { ratio: own / mean, isBeyondChance: Math.abs(own - mean) > leastErrors * error }
    }),
  )
}
