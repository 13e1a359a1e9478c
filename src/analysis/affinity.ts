import type { RoutedLayer } from '../tasks/routing.ts'
import type { Affinity } from './findings.ts'

/**
 * Which experts the images of each class go to (METHOD.md §6.2). The same for superclasses: what is counted is whatever
 * `labels` says.
 *
 * @param labels - int32 [N], from 0 to `classes` − 1; images with −1 belong to none and are left out of the rows, not of the
 *   mean that lift is measured against
 * @returns rows of null for classes without images, columns of null in `lift` for experts without weight
 */
export function affinityOf(
  { experts, weights }: Pick<RoutedLayer, 'experts' | 'weights'>,
  labels: Int32Array,
  classes: number,
): Affinity {
  const images = new Float64Array(classes)
  const weight = new Float64Array(classes * experts)
  const chosen = new Float64Array(classes * experts)
  const overall = new Float64Array(experts)
  for (const [n, label] of labels.entries()) {
    if (label >= 0) images[label]! += 1
    for (let e = 0; e < experts; e++) {
      const w = weights[n * experts + e]!
      overall[e]! += w / labels.length
      if (label < 0) continue
      weight[label * experts + e]! += w
      chosen[label * experts + e]! += Number(w > 0)
    }
  }
  const rows = (sums: Float64Array, divide: (expert: number) => number): (number | null)[][] =>
    Array.from({ length: classes }, (_, c) =>
      Array.from({ length: experts }, (_, e) => {
        const divisor = images[c]! * divide(e)
        return divisor === 0 ? null : sums[c * experts + e]! / divisor
      }),
    )
  return {
    weight: rows(weight, () => 1),
    activation: rows(chosen, () => 1),
    lift: rows(weight, e => overall[e]!),
  }
}
