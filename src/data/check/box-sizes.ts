import { defaultMatching } from '../../models/detection/anchor-matching.ts'
import { type AnchorOptions, defaultAnchors, pyramidStrides } from '../../models/detection/anchors.ts'
import type { Box } from '../coco/record.ts'
import { canvasesOf, canvasRule, resizedSize } from '../detection/canvas.ts'
import type { CheckedImage } from './checked-images.ts'

/** Sizes of objects, of areas as COCO divides them: small below 32², large from 96² square pixels of the stored image. */
export const sizeNames = ['small', 'medium', 'large'] as const

/** A size of objects. */
export type SizeName = (typeof sizeNames)[number]

/** How large the objects of a data set are, and whether a detector can learn them. */
export interface BoxSizes {
  /** Objects of each size, without crowds. */
  readonly objects: Readonly<Record<SizeName, number>>
  /** Those of them that overlap no anchor enough to be trained on. */
  readonly withoutAnchor: Readonly<Record<SizeName, number>>
  /** The detector of these anchors: the longer side of its canvas, its stem, and the least intersection over union. */
  readonly detector: { readonly size: number; readonly stem: 'imagenet'; readonly iou: number }
}

/** `data.size` of images with boxes, and the stem of detectors of photographs. */
const detector = { size: 320, stem: 'imagenet', iou: defaultMatching.foreground } as const

/** The sizes of all objects. */
export function boxSizes(images: readonly CheckedImage[]): BoxSizes {
  const objects = { small: 0, medium: 0, large: 0 }
  const withoutAnchor = { small: 0, medium: 0, large: 0 }
  const rule = canvasRule(detector.size, null)
  const [[canvasHeight, canvasWidth]] = canvasesOf(rule) as [[number, number]]
  const strides = pyramidStrides(detector.stem)
  for (const { width, height, objects: own = [] } of images) {
    const resized = resizedSize(rule, width, height)
    const [across, down] = [resized.width / width, resized.height / height]
    for (const { box, area, crowd } of own) {
      if (crowd) continue
      const size = area < 32 ** 2 ? 'small' : area < 96 ** 2 ? 'medium' : 'large'
      const scaled: Box = [box[0] * across, box[1] * down, box[2] * across, box[3] * down]
      objects[size]++
      if (bestOverlap(scaled, [canvasHeight, canvasWidth], strides) < detector.iou) withoutAnchor[size]++
    }
  }
  return { objects, withoutAnchor, detector }
}

/**
 * The largest intersection over union of a box with an anchor of a canvas. Of the anchors of one shape it is that of the position
 * nearest to the middle of the box, so that only those are looked at.
 *
 * @param box - x, y, width, height in pixels of the canvas
 */
export function bestOverlap(
  [x, y, width, height]: Box,
  [canvasHeight, canvasWidth]: readonly [height: number, width: number],
  strides: readonly number[],
  { size, scales, ratios }: AnchorOptions = defaultAnchors,
): number {
  let best = 0
  for (const stride of strides) {
    const middleX = nearest(x + width / 2, stride, canvasWidth)
    const middleY = nearest(y + height / 2, stride, canvasHeight)
    for (const ratio of ratios)
      for (const scale of scales) {
        const [w, h] = [(size * stride * scale) / Math.sqrt(ratio), size * stride * scale * Math.sqrt(ratio)]
        const across = Math.min(x + width, middleX + w / 2) - Math.max(x, middleX - w / 2)
        const down = Math.min(y + height, middleY + h / 2) - Math.max(y, middleY - h / 2)
        const common = Math.max(0, across) * Math.max(0, down)
        best = Math.max(best, common / (width * height + w * h - common))
      }
  }
  return best
}

/** The middle of the position nearest to a point. */
function nearest(at: number, stride: number, extent: number): number {
  const last = Math.ceil(extent / stride) - 1
  return (Math.min(last, Math.max(0, Math.floor(at / stride))) + 0.5) * stride
}
