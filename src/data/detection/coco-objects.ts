import type { CocoAnnotation } from '../coco/annotations.ts'
import type { Box } from '../coco/record.ts'
import type { SceneObject } from './detection-dataset.ts'
import type { Tally } from './problem-counts.ts'

/** A box that is narrower or lower than this, in pixels, holds nothing that could be found. */
export const leastSide = 0.01

/** Boxes reach beyond their image by less than this, in pixels, from rounding; they are clipped without a word. */
export const rounding = 1

/**
 * The objects of one image, with boxes that lie within it. A box without an extent, or outside of the image, is left
 * out; one that is partly outside is clipped, its area left as the file has it. The tally is told.
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
  tally: Tally,
): readonly SceneObject[] {
  const objects: SceneObject[] = []
  for (const { id, box, area, crowd, categoryId } of annotations) {
    if (box[2] < leastSide || box[3] < leastSide) {
      tally.add('boxes without an extent, left out', `annotation ${id}`)
      continue
    }
    const clipped = clip(box, width, height)
    if (clipped[2] < leastSide || clipped[3] < leastSide) {
      tally.add('boxes outside of their image, left out', `annotation ${id}`)
      continue
    }
    if (Math.max(box[2] - clipped[2], box[3] - clipped[3]) > rounding) {
      tally.add('boxes partly outside of their image, clipped to it', `annotation ${id}`)
    }
    if (clipped[2] < 1 || clipped[3] < 1) tally.add('boxes smaller than a pixel, used', `annotation ${id}`)
    objects.push({ id, box: clipped, label: labels.get(categoryId)!, area, crowd })
  }
  return objects
}

/** The part of a box that is within its image; of negative width or height where there is none. */
export function clip(box: Box, width: number, height: number): Box {
  const [x, y, w, h] = box
  if (x >= 0 && y >= 0 && x + w <= width && y + h <= height) return box
  const left = Math.max(x, 0)
  const top = Math.max(y, 0)
  return [left, top, Math.min(x + w, width) - left, Math.min(y + h, height) - top]
}
