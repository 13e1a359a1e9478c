/**
 * Overlap of a detection with an object: intersection over union, or, where the object is a crowd, the part of the
 * detection that lies in the crowd (`bbIou` of COCO's maskApi).
 *
 * Boxes are [x, y, width, height], four numbers in a row of an array; `d` and `o` say where they begin. 0 for boxes
 * that do not overlap, and for boxes without an area.
 */
export function overlap(
  detections: Float64Array,
  d: number,
  objects: Float64Array,
  o: number,
  crowd: boolean,
): number {
  const dx = detections[d]!
  const ox = objects[o]!
  const dw = detections[d + 2]!
  const ow = objects[o + 2]!
  const width = Math.min(dx + dw, ox + ow) - Math.max(dx, ox)
  if (width <= 0) return 0
  const dy = detections[d + 1]!
  const oy = objects[o + 1]!
  const dh = detections[d + 3]!
  const oh = objects[o + 3]!
  const height = Math.min(dy + dh, oy + oh) - Math.max(dy, oy)
  if (height <= 0) return 0
  const intersection = width * height
  // In this order: the rounding of another would move an IoU across a threshold.
  const union = crowd ? dw * dh : dw * dh + ow * oh - intersection
  return intersection / union
}
