import { type DetectionCurves, precisionAt, recallAt } from './accumulate.ts'
import { type AreaName, areaNames, iouThresholds, maxDetections, recallThresholds } from './settings.ts'

/**
 * COCO's twelve numbers, each a mean over what could be measured; null where nothing could. AP is average precision, AR
 * the average of the highest recalls.
 */
export interface DetectionStats {
  /** Over IoU from 0.50 to 0.95. */
  readonly AP: number | null
  /** At an IoU of 0.50 alone. */
  readonly AP50: number | null
  /** At an IoU of 0.75 alone. */
  readonly AP75: number | null
  /** Of small objects: area of at most 32². */
  readonly APs: number | null
  /** Of medium objects: area from 32² to 96². */
  readonly APm: number | null
  /** Of large objects: area of at least 96². */
  readonly APl: number | null
  /** With one detection an image and category. */
  readonly AR1: number | null
  /** With ten. */
  readonly AR10: number | null
  /** With a hundred, as in all that follow and all AP. */
  readonly AR100: number | null
  readonly ARs: number | null
  readonly ARm: number | null
  readonly ARl: number | null
}

/** What is measured at one IoU threshold, over objects of all areas, with a hundred detections. */
export interface IouStats {
  readonly iou: number
  readonly AP: number | null
  readonly AR: number | null
}

/** What to average over; all of it where nothing is said, and a hundred detections. */
interface Cut {
  /** Number of the IoU threshold. */
  readonly t?: number
  /** Number of the category. */
  readonly k: number | undefined
  readonly area?: AreaName
  readonly most?: (typeof maxDetections)[number]
}

/** Mean over the values that are there; −1 says that there is none. */
class Mean {
  #sum = 0
  #count = 0

  add(value: number): void {
    if (value <= -1) return
    this.#sum += value
    this.#count++
  }

  get value(): number | null {
    return this.#count === 0 ? null : this.#sum / this.#count
  }
}

function averagePrecision(curves: DetectionCurves, cut: Cut): number | null {
  const mean = new Mean()
  eachCell(curves, cut, (t, k, a, m) => {
    for (let r = 0; r < recallThresholds.length; r++)
      mean.add(curves.precision[precisionAt(curves, t, r, k, a, m)]!)
  })
  return mean.value
}

function averageRecall(curves: DetectionCurves, cut: Cut): number | null {
  const mean = new Mean()
  eachCell(curves, cut, (t, k, a, m) => mean.add(curves.recall[recallAt(curves, t, k, a, m)]!))
  return mean.value
}

function eachCell(
  { categories }: DetectionCurves,
  { t, k, area = 'all', most = 100 }: Cut,
  cell: (t: number, k: number, a: number, m: number) => void,
): void {
  const a = areaNames.indexOf(area)
  const m = maxDetections.indexOf(most)
  const thresholds = t === undefined ? Array.from(iouThresholds.keys()) : [t]
  for (const threshold of thresholds) {
    if (k !== undefined) cell(threshold, k, a, m)
    else for (let category = 0; category < categories; category++) cell(threshold, category, a, m)
  }
}

/** The twelve numbers over all categories, or of one, by its number. */
export function detectionStats(curves: DetectionCurves, k?: number): DetectionStats {
  return {
    AP: averagePrecision(curves, { k }),
    AP50: averagePrecision(curves, { k, t: iouThresholds.indexOf(0.5) }),
    AP75: averagePrecision(curves, { k, t: iouThresholds.indexOf(0.75) }),
    APs: averagePrecision(curves, { k, area: 'small' }),
    APm: averagePrecision(curves, { k, area: 'medium' }),
    APl: averagePrecision(curves, { k, area: 'large' }),
    AR1: averageRecall(curves, { k, most: 1 }),
    AR10: averageRecall(curves, { k, most: 10 }),
    AR100: averageRecall(curves, { k }),
    ARs: averageRecall(curves, { k, area: 'small' }),
    ARm: averageRecall(curves, { k, area: 'medium' }),
    ARl: averageRecall(curves, { k, area: 'large' }),
  }
}

/** AP and AR at each IoU threshold, over all categories or of one, by its number. */
export function iouStats(curves: DetectionCurves, k?: number): IouStats[] {
  return Array.from(iouThresholds, (iou, t) => ({
    // 0.9, not 0.8999999999999999.
    iou: Number(iou.toFixed(2)),
    AP: averagePrecision(curves, { k, t }),
    AR: averageRecall(curves, { k, t }),
  }))
}
