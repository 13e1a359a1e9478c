import type { Predictions } from '../metric.ts'

/** int32 [N]: the class with the largest probability for each image; of equal ones the first. */
export function namedClasses({ labels, probabilities, classes }: Predictions): Int32Array {
  return Int32Array.from(labels, (_, n) => {
    const row = probabilities.subarray(n * classes.length, (n + 1) * classes.length)
    return row.reduce((best, value, label) => (value > row[best]! ? label : best), 0)
  })
}
