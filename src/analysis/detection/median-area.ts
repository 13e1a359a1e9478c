/**
 * The weighted median: the smallest value with at least half of all weight at or below it. Null where there is no weight.
 *
 * @param weights - none below 0, as many as values
 */
export function weightedMedian(values: readonly number[], weights: readonly number[]): number | null {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total <= 0) return null
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b)
  let below = 0
  for (const at of order) {
    below += weights[at]!
    // Weights such as 0.1 + 0.2 may miss the half by their rounding.
    if (below >= total / 2 - 1e-9 * total) return values[at]!
  }
  return values[order.at(-1)!]!
}
