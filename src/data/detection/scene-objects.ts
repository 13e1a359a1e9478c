import type { Box } from '../coco/record.ts'
import type { ProblemKind } from '../problem-kinds.ts'
import type { BoxObject } from './box-folder.ts'
import type { SceneObject } from './detection-dataset.ts'

/** Boxes narrower or lower than this, in pixels, are treated as empty. */
export const leastSide = 0.01

/** Rounding tolerance in pixels: boxes that exceed their image by less are clipped silently. */
export const rounding = 1

/**
 * The objects of one image, with boxes that lie within it. A box without an extent, or outside of the image, is left
 * out; one that is partly outside is clipped, its area unchanged. Both are counted.
 *
 * @param found - of this image, boxes in pixels
 * @param labels - the class of each category's id
 * @param size - of the image, in pixels
 * @param report - called with each problem
 */
export function objectsOf(
  found: readonly BoxObject[],
  labels: ReadonlyMap<number, number>,
  { width, height }: { readonly width: number; readonly height: number },
  report: (kind: ProblemKind, object: BoxObject) => void,
): readonly SceneObject[] {
  const objects: SceneObject[] = []
  for (const object of found) {
    const { id, box, area, crowd, categoryId } = object
    if (box[2] < leastSide || box[3] < leastSide) {
      report('box-without-extent', object)
      continue
    }
    const clipped = clip(box, width, height)
    if (clipped[2] < leastSide || clipped[3] < leastSide) {
      report('box-outside', object)
      continue
    }
    if (Math.max(box[2] - clipped[2], box[3] - clipped[3]) > rounding) {
      report('box-clipped', object)
    }
    if (clipped[2] < 1 || clipped[3] < 1) report('box-below-pixel', object)
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
