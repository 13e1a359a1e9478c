import type { CocoAnnotation } from '../coco/annotations.ts'
import type { Box } from '../coco/record.ts'
import type { SceneObject } from './detection-dataset.ts'
import type { ProblemCounts } from './problem-counts.ts'

/** Boxes narrower or lower than this, in pixels, are treated as empty. */
export const leastSide = 0.01

/** Rounding tolerance in pixels: boxes that exceed their image by less are clipped silently. */
export const rounding = 1

/**
 * The objects of one image, with boxes that lie within it. A box without an extent, or outside of the image, is left
 * out; one that is partly outside is clipped, its area unchanged. Both are counted.
 *
 * @param annotations - of this image
 * @param labels - the class of each category's id
 * @param width - of the image as the annotations have it, in pixels
 * @param height - likewise
 */
export function objectsOf(
  annotations: readonly CocoAnnotation[],
  labels: ReadonlyMap<number, number>,
  { width, height }: { readonly width: number; readonly height: number },
  problems: ProblemCounts,
): readonly SceneObject[] {
  const objects: SceneObject[] = []
  for (const { id, box, area, crowd, categoryId } of annotations) {
    if (box[2] < leastSide || box[3] < leastSide) {
      problems.add('boxes without an extent, left out', `annotation ${id}`)
      continue
    }
    const clipped = clip(box, width, height)
    if (clipped[2] < leastSide || clipped[3] < leastSide) {
      problems.add('boxes outside of their image, left out', `annotation ${id}`)
      continue
    }
    if (Math.max(box[2] - clipped[2], box[3] - clipped[3]) > rounding) {
      problems.add('boxes partly outside of their image, clipped to it', `annotation ${id}`)
    }
    if (clipped[2] < 1 || clipped[3] < 1) problems.add('boxes smaller than a pixel, used', `annotation ${id}`)
    objects.push({ id, box: clipped, label: labels.get(categoryId)!, area, crowd })
  }
  return objects
}

/** The part of a box that is within its image; with negative width or height if empty. */
export function clip(box: Box, width: number, height: number): Box {
  const [x, y, w, h] = box
  if (x >= 0 && y >= 0 && x + w <= width && y + h <= height) return box
  const left = Math.max(x, 0)
  const top = Math.max(y, 0)
  return [left, top, Math.min(x + w, width) - left, Math.min(y + h, height) - top]
}
