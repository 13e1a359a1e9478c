import type { DetectionRows } from './columns.ts'
import { type Verdicts, verdict } from './match.ts'
import { areaNames, iouThresholds, maxDetections, recallThresholds } from './settings.ts'

/**
 * From verdicts to precision and recall (`accumulate` of pycocotools). The detections of a category in all images come
 * in one list by falling score, equal ones by image and then as in the image. After each of them, with TP right and FP
 * wrong so far and P objects to find,
 *
 *     recall = TP / P        precision = TP / (TP + FP + ε)        ε = 2⁻⁵², which keeps 0 / 0 from being NaN
 *
 * The precision at recall r is the largest one from the place on where recall reaches r, or 0 where it never does.
 */

/**
 * All that was measured, row by row in the order of the axes: T IoU thresholds, R recall thresholds, K categories by
 * rising id, A areas (all, small, medium, large), M numbers of detections (1, 10, 100). −1 where there is nothing to
 * find, as in pycocotools.
 */
export interface DetectionCurves {
  /** [T, R, K, A, M] */
  readonly precision: Float64Array
  /** [T, K, A, M] the highest recall. */
  readonly recall: Float64Array
  readonly categories: number
}

const areas = areaNames.length
const counts = maxDetections.length
const epsilon = Number.EPSILON

/** Curves in which nothing has been measured yet. */
export function emptyCurves(categories: number): DetectionCurves {
  const cells = iouThresholds.length * categories * areas * counts
  return {
    precision: new Float64Array(cells * recallThresholds.length).fill(-1),
    recall: new Float64Array(cells).fill(-1),
    categories,
  }
}

/** Where a precision stands in {@link DetectionCurves}, by the numbers of its axes. */
export function precisionAt(
  curves: DetectionCurves,
  t: number,
  r: number,
  k: number,
  a: number,
  m: number,
): number {
  return (((t * recallThresholds.length + r) * curves.categories + k) * areas + a) * counts + m
}

/** Where a recall stands, likewise. */
export function recallAt(curves: DetectionCurves, t: number, k: number, a: number, m: number): number {
  return ((t * curves.categories + k) * areas + a) * counts + m
}

/** Writes what the verdicts on one category, by its number, come to. */
export function accumulate(
  curves: DetectionCurves,
  detections: DetectionRows,
  category: number,
  { verdicts, objects }: Verdicts,
): void {
  const from = detections.starts[category]!
  const total = detections.starts[category + 1]! - from
  const falling = Uint32Array.from({ length: total }, (_, d) => d).sort(
    (a, b) => detections.scores[from + b]! - detections.scores[from + a]! || a - b,
  )
  const curve = { recall: new Float64Array(total), precision: new Float64Array(total) }
  for (const [m, most] of maxDetections.entries()) {
    const counted = falling.filter(d => detections.ranks[from + d]! < most)
    for (let a = 0; a < areas; a++) {
      if (objects[a] === 0) continue
      for (let t = 0; t < iouThresholds.length; t++) {
        const place = (a * iouThresholds.length + t) * total
        trace(curve, counted, verdicts.subarray(place, place + total), objects[a]!)
        curves.recall[recallAt(curves, t, category, a, m)] = curve.recall[counted.length - 1] ?? 0
        let reached = 0
        for (const [r, threshold] of recallThresholds.entries()) {
          while (reached < counted.length && curve.recall[reached]! < threshold) reached++
          curves.precision[precisionAt(curves, t, r, category, a, m)] =
            reached < counted.length ? curve.precision[reached]! : 0
        }
      }
    }
  }
}

/** Recall and precision after each detection, the precision made to fall only. */
function trace(
  curve: { readonly recall: Float64Array; readonly precision: Float64Array },
  counted: Uint32Array,
  verdicts: Uint8Array,
  objects: number,
): void {
  let right = 0
  let wrong = 0
  for (let i = 0; i < counted.length; i++) {
    const value = verdicts[counted[i]!]
    if (value === verdict.right) right++
    else if (value === verdict.wrong) wrong++
    curve.recall[i] = right / objects
    curve.precision[i] = right / (wrong + right + epsilon)
  }
  for (let i = counted.length - 1; i > 0; i--) {
    if (curve.precision[i]! > curve.precision[i - 1]!) curve.precision[i - 1] = curve.precision[i]!
  }
}
