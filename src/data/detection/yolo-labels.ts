import { polygonArea } from '../coco/outline.ts'
import type { Box } from '../coco/record.ts'
import type { ProblemKind } from '../problem-kinds.ts'

/** An object of a label file: fractions of the image's width and height. */
export interface YoloObject {
  readonly label: number
  /** Left edge, top edge, width, height. */
  readonly box: Box
  /** Fraction of the image's area. */
  readonly area: number
}

/** What a line was: `kind` where it is not just a class and a box. */
export interface YoloLine {
  readonly object: YoloObject | undefined
  readonly kind: Extract<ProblemKind, 'unreadable-label' | 'outline-box' | 'confidence-column'> | undefined
}

/**
 * Reads one line of a label file: `class x y width height` of the centre; with a confidence behind it; or
 * `class x1 y1 x2 y2 x3 y3 …`, the outline of an object or the corners of a turned box, which become the box around them.
 *
 * @param hasKeypoints - whether numbers behind the box are keypoints
 */
export function readYoloLine(line: string, hasKeypoints: boolean): YoloLine {
  const values = line
    .trim()
    .split(/[\s,]+/)
    .map(numberOf)
  const [label, ...rest] = values
  const isLabel = label !== undefined && Number.isSafeInteger(label) && label >= 0
  if (!isLabel || rest.some(value => !Number.isFinite(value))) return unreadable
  if (rest.length === 4 || rest.length === 5 || (hasKeypoints && rest.length > 5)) {
    const [x, y, width, height] = rest
    if (width! < 0 || height! < 0) return unreadable
    const box = [x! - width! / 2, y! - height! / 2, width!, height!] as const
    return {
      object: { label, box, area: width! * height! },
      kind: rest.length === 5 && !hasKeypoints ? 'confidence-column' : undefined,
    }
  }
  if (rest.length < 6 || rest.length % 2 !== 0) return unreadable
  const columns = rest.filter((_, i) => i % 2 === 0)
  const rows = rest.filter((_, i) => i % 2 === 1)
  const [left, top] = [least(columns), least(rows)]
  const box = [left, top, most(columns) - left, most(rows) - top] as const
  return { object: { label, box, area: polygonArea(rest) }, kind: 'outline-box' }
}

const unreadable: YoloLine = { object: undefined, kind: 'unreadable-label' }

// Not Number alone, which reads an empty text as 0 and also hexadecimal numbers.
const numberOf = (text: string): number =>
  /^[+-]?(\d|\.\d)[\d.e+-]*$/i.test(text) ? Number(text) : Number.NaN
const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b))
const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b))
