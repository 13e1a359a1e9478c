import { fail } from '../../base/errors.ts'
import type { CocoAnnotation } from '../../data/coco/annotations.ts'
import type { Box } from '../../data/coco/record.ts'
import type { Detection } from '../../data/coco/results.ts'
import { accumulate, type DetectionCurves, emptyCurves } from './accumulate.ts'
import { detectionRows, numbering, type ObjectRows, objectRows } from './columns.ts'
import { judge, verdict } from './match.ts'
import { areaRanges, cocoSizes, maxDetections, type SizeLimits } from './settings.ts'
import { type DetectionStats, detectionStats, type IouStats, iouStats } from './summarise.ts'

/** What is in the images. `CocoAnnotations` is one. */
export interface GroundTruth {
  readonly images: readonly { readonly id: number }[]
  readonly categories: readonly { readonly id: number; readonly name: string }[]
  readonly annotations: readonly CocoAnnotation[]
}

/** How to evaluate; COCO's way where nothing is said. */
export interface DetectionEvaluationOptions {
  /**
   * Side lengths in pixels that part small from medium and medium from large objects, instead of COCO's [32, 96]: for
   * images that are smaller than COCO's.
   */
  readonly sizes?: SizeLimits
  /** Called after each category. */
  readonly onProgress?: (done: number, total: number) => void
}

/** How many there were. */
export interface DetectionCounts {
  /** Without crowds. */
  readonly objects: number
  readonly crowds: number
  readonly detections: number
}

/** The twelve numbers of one category. */
export interface CategoryEvaluation extends DetectionStats, DetectionCounts {
  readonly id: number
  readonly name: string
  readonly perIoU: readonly IouStats[]
}

/** What {@link evaluateDetections} measures. */
export interface DetectionEvaluation {
  readonly stats: DetectionStats
  readonly perIoU: readonly IouStats[]
  /** By rising id. */
  readonly perCategory: readonly CategoryEvaluation[]
  readonly counts: DetectionCounts & { readonly images: number; readonly categories: number }
  /** What all of it was averaged from. */
  readonly curves: DetectionCurves
  readonly matches: DetectionMatches
}

/**
 * Which detection found which object at an IoU of 0.5, among objects of all areas: the matching that AP50 is computed from. The
 * highest score chooses first, so the matching of the detections from a score up is a part of this one.
 */
export interface DetectionMatches {
  /** [detections] 1 for one that is right, 0 for one that is wrong, 2 for one that does not count (it found a crowd, or is after the hundredth). */
  readonly verdicts: Uint8Array
  /** [annotations] the number of the detection that found it; −1 for none. */
  readonly foundBy: Int32Array
}

/**
 * COCO's evaluation of boxes, the numbers that pycocotools 2.0 gives (`COCOeval` with `iouType='bbox'` and its default
 * parameters), to rounding. docs/reference/detection-evaluation.md says what each means.
 *
 * @param truth - boxes in pixels, areas in square pixels; ids may have gaps and come in any order
 * @param detections - any number; of each image and category the hundred with the highest scores count
 * @throws MoietyError of kind `data` for a box or a score that is not finite, a negative extent, an image or a category
 *   that is not in the truth; of kind `usage` for sizes that do not rise
 */
export function evaluateDetections(
  truth: GroundTruth,
  detections: readonly Detection[],
  { sizes = cocoSizes, onProgress }: DetectionEvaluationOptions = {},
): DetectionEvaluation {
  if (!(sizes[0] > 0 && sizes[1] > sizes[0] && Number.isFinite(sizes[1]))) {
    fail({
      kind: 'usage',
      message: `expected sizes that rise from above 0, got ${sizes.join(', ')}`,
      where: 'sizes',
    })
  }
  const images = numbering(truth.images.map(({ id }) => id))
  const categories = numbering(truth.categories.map(({ id }) => id))
  for (const [i, one] of truth.annotations.entries()) {
    check(one, one.area, images, categories, () => `annotations[${i}]`)
  }
  for (const [i, one] of detections.entries()) {
    check(one, one.score, images, categories, () => `detections[${i}]`)
  }
  const objects = objectRows(truth.annotations, images, categories)
  const found = detectionRows(detections, images, categories, Math.max(...maxDetections))
  const curves = emptyCurves(categories.size)
  const ranges = areaRanges(sizes)
  const matches = {
    verdicts: new Uint8Array(detections.length).fill(verdict.ignored),
    foundBy: new Int32Array(truth.annotations.length).fill(-1),
  }
  for (let k = 0; k < categories.size; k++) {
    const judged = judge(found, objects, k, ranges)
    accumulate(curves, found, k, judged)
    for (const [d, object] of judged.taken.entries()) {
      const detection = found.items[found.starts[k]! + d]!
      matches.verdicts[detection] = judged.verdicts[d]!
      if (object >= 0 && objects.crowds[object] === 0) matches.foundBy[objects.items[object]!] = detection
    }
    onProgress?.(k + 1, categories.size)
  }
  const names = new Map(truth.categories.map(({ id, name }) => [id, name]))
  const detectionsOf = new Map<number, number>()
  for (const { categoryId } of detections)
    detectionsOf.set(categoryId, (detectionsOf.get(categoryId) ?? 0) + 1)
  const perCategory = Array.from(categories, ([id, k]) => ({
    id,
    name: names.get(id) ?? String(id),
    ...countObjects(objects, objects.starts[k]!, objects.starts[k + 1]!),
    detections: detectionsOf.get(id) ?? 0,
    ...detectionStats(curves, k),
    perIoU: iouStats(curves, k),
  }))
  return {
    stats: detectionStats(curves),
    perIoU: iouStats(curves),
    perCategory,
    counts: {
      images: images.size,
      categories: categories.size,
      ...countObjects(objects, 0, truth.annotations.length),
      detections: detections.length,
    },
    curves,
    matches,
  }
}

function countObjects({ crowds }: ObjectRows, from: number, to: number): { objects: number; crowds: number } {
  const amount = crowds.subarray(from, to).reduce((sum, crowd) => sum + crowd, 0)
  return { objects: to - from - amount, crowds: amount }
}

function check(
  { box, imageId, categoryId }: { readonly box: Box; readonly imageId: number; readonly categoryId: number },
  number: number,
  images: ReadonlyMap<number, number>,
  categories: ReadonlyMap<number, number>,
  where: () => string,
): void {
  const [x, y, width, height] = box
  const right = Number.isFinite(x) && Number.isFinite(y) && Number.isFinite(width) && Number.isFinite(height)
  const reason = !right
    ? `expected a box of four finite numbers, got [${box.join(', ')}]`
    : width < 0 || height < 0
      ? `expected a width and a height from 0, got ${width} and ${height}`
      : !Number.isFinite(number)
        ? `expected a finite score or area, got ${number}`
        : !images.has(imageId)
          ? `expected the id of an image of the truth, got ${imageId}`
          : !categories.has(categoryId)
            ? `expected the id of a category of the truth, got ${categoryId}`
            : undefined
  if (reason === undefined) return
  fail({ kind: 'data', message: reason, where: where(), help: 'correct it, or leave it out' })
}
