/**
 * What COCO measures at, to the bit: pycocotools compares with these doubles, and an IoU may lie exactly on one.
 */

/** `count` numbers from `first` to `last` as numpy's `linspace` rounds them. */
function linspace(first: number, last: number, count: number): Float64Array {
  const step = (last - first) / (count - 1)
  return Float64Array.from({ length: count }, (_, i) => (i === count - 1 ? last : i * step + first))
}

/** How much a detection must overlap an object to be right: IoU of 0.50, 0.55, … 0.95. T = 10. */
export const iouThresholds = linspace(0.5, 0.95, 10)

/** The recalls at which precision is read: 0, 0.01, … 1. R = 101. */
export const recallThresholds = linspace(0, 1, 101)

/** How many detections count in one image and category, those with the highest scores. M = 3. */
export const maxDetections = [1, 10, 100] as const

/** The names of the area ranges. A = 4. */
export const areaNames = ['all', 'small', 'medium', 'large'] as const

/** One of {@link areaNames}. */
export type AreaName = (typeof areaNames)[number]

/** Areas in square pixels, both ends included, so that an area on a limit is of both sizes. */
export interface AreaRange {
  readonly name: AreaName
  readonly from: number
  readonly to: number
}

/** Side lengths in pixels of the squares that part small from medium and medium from large objects. */
export type SizeLimits = readonly [small: number, medium: number]

/** COCO's. */
export const cocoSizes: SizeLimits = [32, 96]

/** The four ranges between the limits. */
export function areaRanges([small, medium]: SizeLimits): readonly AreaRange[] {
  const largest = 1e5 ** 2
  return [
    { name: 'all', from: 0, to: largest },
    { name: 'small', from: 0, to: small ** 2 },
    { name: 'medium', from: small ** 2, to: medium ** 2 },
    { name: 'large', from: medium ** 2, to: largest },
  ]
}
