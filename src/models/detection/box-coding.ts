import {
  add,
  concat,
  div,
  exp,
  type Graph,
  maximum,
  minimum,
  mul,
  slice,
  sub,
  type Tensor,
} from '../../graph/index.ts'

/**
 * The regression target of an anchor with centre (x, y), width w and height h for an object (x*, y*, w*, h*):
 *
 *     (x* − x) / (0.1·w),   (y* − y) / (0.1·h),   ln(w* / w) / 0.2,   ln(h* / h) / 0.2
 *
 * (METHOD.md §5.1; R-CNN's coding with the deviations of Fast R-CNN's code). Boxes are x1, y1, x2, y2 in pixels.
 */
export const deviations: Deviations = [0.1, 0.1, 0.2, 0.2]

/** What the four numbers of a code are divided by; all 1 in torchvision's RetinaNet. */
export type Deviations = readonly [x: number, y: number, width: number, height: number]

/** Largest logarithm of a side's growth in decoding: no side grows more than 62.5 times. As in torchvision. */
export const largestGrowth = Math.log(1000 / 16)

/** Height and width of a canvas in pixels. */
export type Canvas = readonly [height: number, width: number]

/**
 * Writes the code of box `b` relative to anchor `a` to `target` from `to` on. Both boxes must have an area.
 *
 * @param leastSide - in pixels; a shorter side of the box is coded as this, about the same centre
 */
export function encodeBox(
  boxes: ArrayLike<number>,
  b: number,
  anchors: ArrayLike<number>,
  a: number,
  target: Float32Array | Float64Array,
  to: number,
  leastSide = 0,
  divisors = deviations,
): void {
  for (const axis of [0, 1] as const) {
    const [low, high] = [boxes[4 * b + axis]!, boxes[4 * b + axis + 2]!]
    const [from, until] = [anchors[4 * a + axis]!, anchors[4 * a + axis + 2]!]
    const length = until - from
    target[to + axis] = ((low + high) / 2 - (from + until) / 2) / length / divisors[axis]
    target[to + axis + 2] = Math.log(Math.max(high - low, leastSide) / length) / divisors[axis === 0 ? 2 : 3]
  }
}

/**
 * Decodes boxes, clipped to the canvas, in float64: what `decodeBoxes` computes in a graph.
 *
 * @param codes - [A, 4]
 * @param anchors - [A, 4]
 * @returns [A, 4]
 */
export function decodedBoxes(
  codes: ArrayLike<number>,
  anchors: ArrayLike<number>,
  canvas: Canvas,
  divisors = deviations,
): Float64Array {
  const boxes = new Float64Array(codes.length)
  for (let at = 0; at < codes.length; at += 4) {
    for (const axis of [0, 1] as const) {
      const [from, until] = [anchors[at + axis]!, anchors[at + axis + 2]!]
      const length = until - from
      const centre = (from + until) / 2 + codes[at + axis]! * divisors[axis] * length
      const growth = Math.min(codes[at + axis + 2]! * divisors[axis === 0 ? 2 : 3], largestGrowth)
      const half = (length * Math.exp(growth)) / 2
      // Widths are along x, which is axis 0 of a box and axis 1 of a canvas.
      const end = canvas[axis === 0 ? 1 : 0]
      boxes[at + axis] = Math.min(Math.max(centre - half, 0), end)
      boxes[at + axis + 2] = Math.min(Math.max(centre + half, 0), end)
    }
  }
  return boxes
}

/**
 * Anchors as a constant of a graph. A graph whose programs decode more than once needs it once.
 *
 * @param boxes - [A, 4]
 */
export function anchorConstant(graph: Graph, boxes: Float32Array): Tensor {
  return graph.stored('anchors', [boxes.length / 4, 4], boxes)
}

/**
 * Decodes boxes, clipped to the canvas.
 *
 * @param codes - [N, A, 4]
 * @param anchors - [A, 4]
 * @returns [N, A, 4]
 */
export function decodeBoxes(
  codes: Tensor,
  anchors: Tensor,
  [height, width]: Canvas,
  divisors = deviations,
): Tensor {
  const { graph } = codes
  const pair = (first: number, second: number): Tensor => graph.constant('float32', [2], [first, second])
  const [low, high] = [slice(anchors, 1, 0, 2), slice(anchors, 1, 2, 4)]
  const lengths = sub(high, low)
  const centres = div(add(low, high), 2)
  const shift = mul(slice(codes, 2, 0, 2), pair(divisors[0], divisors[1]))
  const growth = mul(slice(codes, 2, 2, 4), pair(divisors[2], divisors[3]))
  const moved = add(mul(shift, lengths), centres)
  const halves = mul(exp(minimum(growth, largestGrowth)), div(lengths, 2))
  const inside = (corners: Tensor): Tensor => maximum(minimum(corners, pair(width, height)), 0)
  return concat([inside(sub(moved, halves)), inside(add(moved, halves))], 2)
}
