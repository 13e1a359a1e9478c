import { type DetectionCurves, precisionAt } from './accumulate.ts'
import { areaNames, iouThresholds, maxDetections, recallThresholds } from './settings.ts'

/** Precision at each of COCO's 101 recalls, over objects of all areas and a hundred detections: the mean of a curve is its AP. */
export interface PrecisionRecallCurves {
  /** 0, 0.01, … 1. */
  readonly recall: readonly number[]
  /** Means over classes with an object; null where there is none. */
  readonly iou50: readonly number[] | null
  readonly iou75: readonly number[] | null
  /** The mean over IoU from 0.50 to 0.95. */
  readonly mean: readonly number[] | null
  /** By category in the order of ids, at an IoU of 0.50. */
  readonly perCategory: readonly (readonly number[] | null)[]
}

/** The precision–recall curves that COCO's AP are the means of. */
export function precisionRecallCurves(curves: DetectionCurves): PrecisionRecallCurves {
  const all = Array.from({ length: curves.categories }, (_, k) => k)
  const every = Array.from(iouThresholds.keys())
  const [at50, at75] = [[iouThresholds.indexOf(0.5)], [iouThresholds.indexOf(0.75)]]
  return {
    recall: Array.from(recallThresholds, value => Number(value.toFixed(2))),
    iou50: meanCurve(curves, at50, all),
    iou75: meanCurve(curves, at75, all),
    mean: meanCurve(curves, every, all),
    perCategory: all.map(k => meanCurve(curves, at50, [k])),
  }
}

const a = areaNames.indexOf('all')
const m = maxDetections.indexOf(100)

function meanCurve(
  curves: DetectionCurves,
  thresholds: readonly number[],
  categories: readonly number[],
): number[] | null {
  const known = categories.filter(k => curves.precision[precisionAt(curves, 0, 0, k, a, m)]! > -1)
  if (known.length === 0) return null
  return Array.from(recallThresholds, (_, r) => {
    let sum = 0
    for (const t of thresholds)
      for (const k of known) sum += curves.precision[precisionAt(curves, t, r, k, a, m)]!
    return sum / (thresholds.length * known.length)
  })
}
