/**
 * Exponential moving average, corrected for its start as Adam's is: a value counts `factor` as much as the one after it. 0 leaves the
 * values as they are.
 */
export function smoothed(values: readonly (number | null)[], factor: number): (number | null)[] {
  let sum = 0
  let weight = 0
  return values.map(value => {
    if (value === null) return null
    sum = factor * sum + (1 - factor) * value
    weight = factor * weight + (1 - factor)
    return sum / weight
  })
}
