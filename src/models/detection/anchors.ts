import { sizeOf } from '../../base/tensor.ts'
import { type StemName, stems } from '../resnet.ts'

/**
 * Anchors: the reference boxes of a detector, the same at every position of a level (METHOD.md §5.1). A box is x1, y1,
 * x2, y2 in pixels of the canvas.
 */
export interface AnchorOptions {
  /** Side of a level's smallest square, in strides of that level. */
  readonly size: number
  /** Factors of the side. */
  readonly scales: readonly number[]
  /** Height ÷ width; the area is that of the square. */
  readonly ratios: readonly number[]
  /**
   * `centred`: in the middle of each position's pixels. `torchvision`: at their first one, with sides and corners in whole pixels, and
   * positions as far apart as the canvas ÷ their number, rounded down. Default: centred.
   */
  readonly placement?: 'centred' | 'torchvision' | undefined
}

/** METHOD.md §5.1: sides of 4 strides, three to an octave. */
export const defaultAnchors: AnchorOptions = {
  size: 4,
  scales: [1, 2 ** (1 / 3), 2 ** (2 / 3)],
  ratios: [0.5, 1, 2],
}

/** A level of the feature pyramid and its part of the anchors. */
export interface AnchorLevel {
  /** Pixels between neighbouring positions. */
  readonly stride: number
  /** Rows of positions. */
  readonly height: number
  /** Columns of positions. */
  readonly width: number
  /** Number of its first anchor. */
  readonly start: number
  /** Number after its last anchor. */
  readonly end: number
}

/** All anchors of a canvas. */
export interface Anchors {
  /** [A, 4]. */
  readonly boxes: Float32Array
  /** P3 to P7. */
  readonly levels: readonly AnchorLevel[]
}

/** Number of anchors at a position. */
export function anchorsAPosition({ scales, ratios }: AnchorOptions): number {
  return scales.length * ratios.length
}

/** The strides of P3 to P7 in pixels: 8 to 128 with the ImageNet stem, half of that with the strided one, 2 to 32 with CIFAR's. */
export function pyramidStrides(stem: StemName): number[] {
  const { stride, pools } = stems[stem]
  // C2 has the stem's stride; each further level doubles it.
  const first = 2 * stride * (pools ? 2 : 1)
  return [0, 1, 2, 3, 4].map(level => first * 2 ** level)
}

/**
 * Every anchor of a canvas: by level, row, column, then ratio, then scale (as torchvision and yhenon order them). The
 * centre of position (i, j) is ((j + ½)·stride, (i + ½)·stride), as in yhenon; torchvision omits the ½ and rounds, see `placement`.
 *
 * @param canvas - height and width in pixels
 * @param strides - of the levels; a level has ⌈extent ÷ stride⌉ positions, as after the convolutions
 */
export function anchorsOf(
  [canvasHeight, canvasWidth]: readonly [height: number, width: number],
  strides: readonly number[],
  options: AnchorOptions = defaultAnchors,
): Anchors {
  const each = anchorsAPosition(options)
  const levels: AnchorLevel[] = []
  let start = 0
  for (const stride of strides) {
    const [height, width] = [Math.ceil(canvasHeight / stride), Math.ceil(canvasWidth / stride)]
    const end = start + sizeOf([height, width, each])
    levels.push({ stride, height, width, start, end })
    start = end
  }
  const boxes = new Float32Array(4 * start)
  for (const level of levels) {
    if (options.placement === 'torchvision')
      placeAsTorchvision(boxes, level, [canvasHeight, canvasWidth], options)
    else placeLevel(boxes, level, options)
  }
  return { boxes, levels }
}

function placeLevel(boxes: Float32Array, level: AnchorLevel, { size, scales, ratios }: AnchorOptions): void {
  const { stride, height, width, start } = level
  // width · height = side², height ÷ width = ratio.
  const halves = ratios.flatMap(ratio =>
    scales.map(scale => {
      const side = size * stride * scale
      return [side / Math.sqrt(ratio) / 2, (side * Math.sqrt(ratio)) / 2] as const
    }),
  )
  let at = 4 * start
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y] = [(column + 0.5) * stride, (row + 0.5) * stride]
      for (const [halfWidth, halfHeight] of halves) {
        boxes[at++] = x - halfWidth
        boxes[at++] = y - halfHeight
        boxes[at++] = x + halfWidth
        boxes[at++] = y + halfHeight
      }
    }
  }
}

/** torchvision's `AnchorGenerator`, with the sizes of `_default_anchorgen`; in float32, halves rounded to even, as torch does. */
function placeAsTorchvision(
  boxes: Float32Array,
  { stride, height, width, start }: AnchorLevel,
  [canvasHeight, canvasWidth]: readonly [height: number, width: number],
  { size, scales, ratios }: AnchorOptions,
): void {
  const { fround } = Math
  const halves = ratios.flatMap(ratio =>
    scales.map(scale => {
      const side = Math.trunc(size * stride * scale)
      const tall = fround(Math.sqrt(fround(ratio)))
      return [toEven(fround(fround(1 / tall) * side) / 2), toEven(fround(tall * side) / 2)] as const
    }),
  )
  const [down, across] = [Math.floor(canvasHeight / height), Math.floor(canvasWidth / width)]
  let at = 4 * start
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      for (const [halfWidth, halfHeight] of halves) {
        boxes[at++] = column * across - halfWidth
        boxes[at++] = row * down - halfHeight
        boxes[at++] = column * across + halfWidth
        boxes[at++] = row * down + halfHeight
      }
}

/** The nearest whole number, an even one at a half. */
function toEven(value: number): number {
  const low = Math.floor(value)
  if (value - low !== 0.5) return Math.round(value)
  return low % 2 === 0 ? low : low + 1
}
