import type { Detection } from '../src/data/index.ts'
import type { GroundTruth } from '../src/metrics/detections/index.ts'

/**
 * COCO's evaluation as one would write it down, slow and with nothing shared with the fast one: for every IoU
 * threshold, category, area and number of detections, each image is matched anew, and precision at a recall is looked up
 * as the best precision anywhere at that recall or beyond.
 */
type Annotation = GroundTruth['annotations'][number]
type Box = Annotation['box']

export const ranges = {
  all: [0, 1e10],
  small: [0, 1024],
  medium: [1024, 9216],
  large: [9216, 1e10],
} as const
type Area = keyof typeof ranges

/** null where there is nothing to find. */
export interface Measured {
  readonly precision: number | null
  readonly recall: number | null
}

const rising = (ids: readonly number[]): number[] => [...new Set(ids)].sort((a, b) => a - b)

const inside = (area: number, range: Area): boolean => area >= ranges[range][0] && area <= ranges[range][1]

function iou(detected: Box, { box, crowd }: Annotation): number {
  const overlap = (axis: 0 | 1, extent: 2 | 3): number =>
    Math.min(detected[axis] + detected[extent], box[axis] + box[extent]) - Math.max(detected[axis], box[axis])
  if (overlap(0, 2) <= 0 || overlap(1, 3) <= 0) return 0
  const intersection = overlap(0, 2) * overlap(1, 3)
  const area = detected[2] * detected[3]
  return intersection / (crowd ? area : area + box[2] * box[3] - intersection)
}

/** What became of each detection of an image and category that counts: right, wrong, or undefined for neither. */
function judged(
  detections: readonly Detection[],
  annotations: readonly Annotation[],
  threshold: number,
  range: Area,
  most: number,
): { score: number; right: boolean | undefined }[] {
  const byScore = detections.toSorted((a, b) => b.score - a.score).slice(0, most)
  const wanted = annotations.filter(one => !one.crowd && inside(one.area, range))
  const unwanted = annotations.filter(one => one.crowd || !inside(one.area, range))
  const taken = new Set<Annotation>()
  return byScore.map(({ box, score }) => {
    const take = (from: readonly Annotation[]): Annotation | undefined => {
      const free = from.filter(
        one => (one.crowd || !taken.has(one)) && iou(box, one) >= Math.min(threshold, 1 - 1e-10),
      )
      const best = Math.max(...free.map(one => iou(box, one)))
      return free.findLast(one => iou(box, one) === best)
    }
    const found = take(wanted)
    const other = found ?? take(unwanted)
    if (other !== undefined) taken.add(other)
    if (found !== undefined) return { score, right: true }
    return { score, right: other !== undefined || !inside(box[2] * box[3], range) ? undefined : false }
  })
}

/** Mean precision over recalls 0, 0.01, … 1, and the highest recall, of one category. */
export function measured(
  truth: GroundTruth,
  detections: readonly Detection[],
  category: number,
  { threshold, range, most }: { threshold: number; range: Area; most: number },
): Measured {
  const own = truth.annotations.filter(one => one.categoryId === category)
  const total = own.filter(one => !one.crowd && inside(one.area, range)).length
  if (total === 0) return { precision: null, recall: null }
  const list = rising(truth.images.map(({ id }) => id))
    .flatMap(image =>
      judged(
        detections.filter(one => one.categoryId === category && one.imageId === image),
        own.filter(one => one.imageId === image),
        threshold,
        range,
        most,
      ),
    )
    .sort((a, b) => b.score - a.score)
  const points = list.map((_, i) => {
    const upTo = list.slice(0, i + 1)
    const right = upTo.filter(one => one.right === true).length
    const wrong = upTo.filter(one => one.right === false).length
    return { recall: right / total, precision: right === 0 ? 0 : right / (right + wrong) }
  })
  const at = (recall: number): number =>
    Math.max(0, ...points.filter(point => point.recall >= recall).map(({ precision }) => precision))
  const recalls = Array.from({ length: 101 }, (_, r) => (r === 100 ? 1 : r * 0.01))
  return {
    precision: recalls.reduce((sum, recall) => sum + at(recall), 0) / recalls.length,
    recall: points.at(-1)?.recall ?? 0,
  }
}
