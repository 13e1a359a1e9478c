import { fail } from '../../base/errors.ts'
import type { Canvas } from './detection-dataset.ts'

/**
 * RetinaNet's rule for resizing images of any size to few shapes (METHOD.md §5.1): an image keeps its aspect ratio and
 * becomes as large as both limits allow, scale = min(shortest / its shorter side, longest / its longer side).
 */
export interface CanvasRule {
  /** Most pixels of the longer side. */
  readonly longest: number
  /** Most pixels of the shorter side; as much as `longest` for one square canvas. */
  readonly shortest: number
}

/** The coarsest useful stride of a feature pyramid; canvases are multiples of it. */
const stride = 32

/** Largest longer side, in pixels; a float32 canvas of this size takes 48 MB. */
const mostSide = 2048

/**
 * The canvas rule for the options `size` and `shortest`.
 *
 * @throws MoietyError of kind `usage` for sizes that are impossible
 */
export function canvasRule(size: number, shortest: number | null | undefined): CanvasRule {
  if (!(Number.isInteger(size) && size >= stride && size <= mostSide)) {
    fail({
      kind: 'usage',
      message: `expected a canvas of ${stride} … ${mostSide} pixels on its longest side, got ${size}`,
      where: 'data.size',
      help: 'RetinaNet has 1024, with data.shortest 608; 320 suits small images',
    })
  }
  const shorter = shortest ?? size
  if (!(Number.isInteger(shorter) && shorter >= stride && shorter <= size)) {
    fail({
      kind: 'usage',
      message: `expected a shorter side of the canvas of ${stride} … ${size} pixels, which is data.size, got ${shorter}`,
      where: 'data.shortest',
      help: 'omit it for a square canvas',
    })
  }
  return { longest: size, shortest: shorter }
}

/** One square canvas where both sides are rounded up to the same, or one for scenes that are not higher than wide and one for those that are. */
export function canvasesOf({ longest, shortest }: CanvasRule): readonly Canvas[] {
  const [long, short] = [roundUp(longest), roundUp(shortest)]
  return short === long
    ? [[long, long]]
    : [
        [short, long],
        [long, short],
      ]
}

/** The index in `canvases` of a scene's canvas. */
export function canvasOf(
  canvases: readonly Canvas[],
  { width, height }: { readonly width: number; readonly height: number },
): number {
  return canvases.length > 1 && height > width ? 1 : 0
}

/**
 * The size of a resized image, in whole pixels: each side is rounded, and at least 1.
 *
 * @param width - of the stored image, in pixels
 * @param height - of the stored image, in pixels
 */
export function resizedSize(
  { longest, shortest }: CanvasRule,
  width: number,
  height: number,
): { readonly width: number; readonly height: number } {
  const scale = Math.min(shortest / Math.min(width, height), longest / Math.max(width, height))
  const side = (stored: number): number => Math.max(1, Math.round(stored * scale))
  return { width: side(width), height: side(height) }
}

function roundUp(pixels: number): number {
  return Math.ceil(pixels / stride) * stride
}
