import { apply, shapeError, type Tensor } from '../graph.ts'

/**
 * Non-maximum suppression: of overlapping boxes of a class, the one with the highest score is kept. The selection is discrete, so
 * it has no gradient.
 */

/** Limits of non-maximum suppression. */
export interface SuppressionOptions {
  /** Maximum number of boxes kept per class and image. */
  readonly maxPerClass: number
  /** A box is removed if its intersection over union with a higher-scoring one of its class is above this. */
  readonly iou: number
  /** A box is removed unless its score is above this. */
  readonly score: number
  /** Name of the extent M, known only when the graph runs. */
  readonly count: string
}

/**
 * The boxes kept, for each class of each image: the best one, then the best of those that overlap none of
 * those kept, and so on. At equal scores the smaller index comes first. A box without an area overlaps nothing.
 *
 * @param boxes - [N, A, 4], two opposite corners each, x1, y1, x2, y2
 * @param scores - [N, C, A]
 * @returns int64 [M, 3]: image, class, box; by image, then class, then descending score. M may be 0
 * @throws MoietyError (usage) for other shapes, or fewer than 1 box a class
 */
export function nonMaxSuppression(boxes: Tensor, scores: Tensor, options: SuppressionOptions): Tensor {
  const { maxPerClass, iou, score, count } = options
  const [images, anchors, corners] = boxes.shape
  const fits =
    boxes.rank === 3 &&
    scores.rank === 3 &&
    corners === 4 &&
    scores.shape[0] === images &&
    scores.shape[2] === anchors &&
    Number.isInteger(maxPerClass) &&
    maxPerClass >= 1
  if (!fits) {
    return shapeError(
      'nonMaxSuppression',
      `boxes [N, A, 4], scores [N, C, A] and 1 box a class or more (got ${maxPerClass})`,
      [boxes, scores],
    )
  }
  return apply({
    name: 'nonMaxSuppression',
    inputs: [boxes, scores],
    outputs: [{ dtype: 'int64', shape: [count, 3] }],
    attributes: { maxPerClass, iou, score, count },
    // ONNX reads y1, x1, y2, x2: with x and y swapped everywhere, areas and intersections are the same.
    lower: (emit, [box, confidence]) => [
      emit.node('NonMaxSuppression', [
        box!,
        confidence!,
        emit.ints(maxPerClass),
        emit.constant('float32', [1], [iou]),
        emit.constant('float32', [1], [score]),
      ]),
    ],
    evaluate: ([box, confidence]) => {
      const [total, classes, length] = [0, 1, 2].map(axis => confidence!.shape[axis]!)
      const rows: number[] = []
      for (let image = 0; image < total!; image++) {
        const own = box!.data.subarray(image * length! * 4, (image + 1) * length! * 4)
        for (let kind = 0; kind < classes!; kind++) {
          const start = (image * classes! + kind) * length!
          const kept = suppress(own, confidence!.data.subarray(start, start + length!), options)
          for (const index of kept) rows.push(image, kind, index)
        }
      }
      return [{ shape: [rows.length / 3, 3], data: Float64Array.from(rows) }]
    },
  })
}

/** Indices of the boxes of one class of one image that are kept, by descending score. */
function suppress(
  boxes: Float64Array,
  scores: Float64Array,
  { maxPerClass, iou, score }: SuppressionOptions,
): number[] {
  const kept: number[] = []
  // The engine compares in float32.
  const least = Math.fround(score)
  const candidates = [...scores.keys()].filter(i => scores[i]! > least)
  for (const i of candidates.sort((a, b) => scores[b]! - scores[a]! || a - b)) {
    if (kept.length === maxPerClass) break
    if (kept.every(j => overlap(boxes, i, j) <= Math.fround(iou))) kept.push(i)
  }
  return kept
}

/** Intersection over union of two boxes given by any two opposite corners; 0 where one has no area. */
function overlap(boxes: Float64Array, i: number, j: number): number {
  const sides = [0, 1].map(axis => {
    const [a, b] = [i, j].map(k => [boxes[4 * k + axis]!, boxes[4 * k + axis + 2]!].sort((p, q) => p - q))
    return {
      both: Math.max(0, Math.min(a![1]!, b![1]!) - Math.max(a![0]!, b![0]!)),
      one: a![1]! - a![0]!,
      other: b![1]! - b![0]!,
    }
  })
  const [x, y] = [sides[0]!, sides[1]!]
  const [one, other] = [x.one * y.one, x.other * y.other]
  if (one <= 0 || other <= 0) return 0
  const intersection = x.both * y.both
  return intersection / (one + other - intersection)
}
