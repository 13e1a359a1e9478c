import type { SizeLimits } from '../../metrics/detections/index.ts'

/** COCO's classes of size, by rising area. */
export const sizeNames = ['small', 'medium', 'large'] as const

/**
 * The class of an area: 0 small, 1 medium, 2 large (METHOD.md §5.5). An area on a limit is of the larger class, so that each
 * object is counted once; COCO's AP counts such an object in both.
 *
 * @param area - in square pixels of the stored image
 * @param limits - side lengths in pixels, [32, 96] for images as large as COCO's
 */
export function sizeClassOf(area: number, [small, medium]: SizeLimits): number {
  return area < small ** 2 ? 0 : area < medium ** 2 ? 1 : 2
}
