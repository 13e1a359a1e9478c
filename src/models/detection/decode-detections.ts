import { dimProduct } from '../../graph/dims.ts'
import {
  add,
  gatherRows,
  mul,
  nonMaxSuppression,
  reshape,
  sigmoid,
  slice,
  type Tensor,
  transpose,
} from '../../graph/index.ts'
import { type Canvas, type Deviations, decodeBoxes } from './box-coding.ts'
import type { ClassScores } from './losses.ts'

/** Which boxes are reported (METHOD.md §5.1). */
export interface DetectionsOptions {
  /** A detection's score is above this. */
  readonly score: number
  /** Largest intersection over union of two detections of a category in an image. */
  readonly iou: number
  /** Maximum number of detections of a category in an image. */
  readonly maxPerClass: number
  /** Of the boxes' codes. Default: `deviations`. */
  readonly deviations?: Deviations
}

/** METHOD.md §5.1; AP counts the best 100 of an image. */
export const defaultDetections: DetectionsOptions = { score: 0.05, iou: 0.5, maxPerClass: 100 }

/** The M detections of a batch: by image, then category, then falling score. M may be 0. */
export interface Detections {
  /** x1, y1, x2, y2 in pixels of the canvas, [M, 4]. */
  readonly boxes: Tensor
  /** Probabilities, [M]. */
  readonly scores: Tensor
  /** Categories from 0, int64 [M]. */
  readonly labels: Tensor
  /** Which image of the batch, int64 [M]. */
  readonly image: Tensor
  /** The anchor of each detection, int64 [M]. */
  readonly anchor: Tensor
}

/** Name of the extent M. */
const count = 'detections'

/**
 * The detections: codes decoded and clipped, non-maximum suppression for each category.
 *
 * @param classes - [N, A, C]; N may be a name, A and C are numbers
 * @param codes - [N, A, 4]
 * @param anchors - [A, 4] (`anchorConstant`)
 * @throws MoietyError (usage) when shapes do not fit each other
 */
export function detections(
  classes: ClassScores,
  codes: Tensor,
  anchors: Tensor,
  canvas: Canvas,
  options: DetectionsOptions = defaultDetections,
): Detections {
  const images = classes.value.dim(0)
  const [total, categories] = classes.value.shape.slice(1).map(Number)
  const probabilities = classes.kind === 'logits' ? sigmoid(classes.value) : classes.value
  const boxes = decodeBoxes(codes, anchors, canvas, options.deviations)
  const chosen = nonMaxSuppression(boxes, transpose(probabilities, [0, 2, 1]), { ...options, count })
  const [image, labels, anchor] = [0, 1, 2].map(column =>
    reshape(slice(chosen, 1, column, column + 1), [count]),
  )
  const times = (number: Tensor, factor: number): Tensor =>
    mul(number, number.graph.constant('int64', [], [factor]))
  const row = add(times(image!, total!), anchor!)
  return {
    boxes: gatherRows(reshape(boxes, [dimProduct([images, total!]), 4]), row),
    scores: gatherRows(
      reshape(probabilities, [dimProduct([images, total!, categories!])]),
      add(times(row, categories!), labels!),
    ),
    labels: labels!,
    image: image!,
    anchor: anchor!,
  }
}
