import type { CocoAnnotation } from '../../data/coco/annotations.ts'
import type { Box } from '../../data/coco/record.ts'
import type { Detection } from '../../data/coco/results.ts'

/**
 * Objects and detections as columns of numbers, those of a category together and in it those of an image, so that each
 * category is a stretch of rows and each image a stretch of that. Categories and images are numbered in the order of
 * their ids, which is the order in which pycocotools goes through them: among equal scores it decides.
 */
export interface Rows {
  /** [rows × 4] x, y, width, height. */
  readonly boxes: Float64Array
  /** [rows] square pixels. */
  readonly areas: Float64Array
  /** [rows] the image's number. */
  readonly images: Uint32Array
  /** [categories + 1] where each category's rows begin, and where the last one's end. */
  readonly starts: Uint32Array
  /** [rows] the number of the annotation or detection among those that were given. */
  readonly items: Uint32Array
}

/** Objects in the order of the annotations. */
export interface ObjectRows extends Rows {
  /** [rows] 1 for a crowd. */
  readonly crowds: Uint8Array
  /** [rows] 1 for an annotation with the id 0; see match.ts. */
  readonly zeroIds: Uint8Array
}

/** Detections, in an image by falling score, and equal ones in the order in which they came. */
export interface DetectionRows extends Rows {
  /** [rows] */
  readonly scores: Float64Array
  /** [rows] the place in the image and category, from 0. */
  readonly ranks: Uint32Array
}

/** The number of each id, in rising order of ids. */
export function numbering(ids: readonly number[]): ReadonlyMap<number, number> {
  const rising = Float64Array.from(ids).sort()
  const numbers = new Map<number, number>()
  for (const id of rising) if (!numbers.has(id)) numbers.set(id, numbers.size)
  return numbers
}

/** What an object or detection is of, by numbers. */
interface Places {
  readonly categories: Uint32Array
  readonly images: Uint32Array
}

interface Ids {
  readonly imageId: number
  readonly categoryId: number
}

function placesOf(
  items: readonly Ids[],
  imageNumbers: ReadonlyMap<number, number>,
  categoryNumbers: ReadonlyMap<number, number>,
): Places {
  return {
    categories: Uint32Array.from(items, ({ categoryId }) => categoryNumbers.get(categoryId)!),
    images: Uint32Array.from(items, ({ imageId }) => imageNumbers.get(imageId)!),
  }
}

/** Item numbers by category, then by image, then in the given order. */
function ordered({ categories, images }: Places, then: (a: number, b: number) => number): Uint32Array {
  return Uint32Array.from(categories.keys()).sort(
    (a, b) => categories[a]! - categories[b]! || images[a]! - images[b]! || then(a, b) || a - b,
  )
}

function startsOf(order: Uint32Array, { categories }: Places, count: number): Uint32Array {
  const starts = new Uint32Array(count + 1)
  for (const item of order) starts[categories[item]! + 1]!++
  for (let k = 0; k < count; k++) starts[k + 1]! += starts[k]!
  return starts
}

function boxColumn(order: Uint32Array, boxOf: (item: number) => Box): Float64Array {
  const boxes = new Float64Array(4 * order.length)
  for (const [row, item] of order.entries()) boxes.set(boxOf(item), 4 * row)
  return boxes
}

/** The rows of annotations whose images and categories are all numbered. */
export function objectRows(
  annotations: readonly CocoAnnotation[],
  images: ReadonlyMap<number, number>,
  categories: ReadonlyMap<number, number>,
): ObjectRows {
  const places = placesOf(annotations, images, categories)
  const order = ordered(places, () => 0)
  return {
    boxes: boxColumn(order, item => annotations[item]!.box),
    areas: Float64Array.from(order, item => annotations[item]!.area),
    images: Uint32Array.from(order, item => places.images[item]!),
    starts: startsOf(order, places, categories.size),
    items: order,
    crowds: Uint8Array.from(order, item => (annotations[item]!.crowd ? 1 : 0)),
    zeroIds: Uint8Array.from(order, item => (annotations[item]!.id === 0 ? 1 : 0)),
  }
}

/**
 * The rows of detections whose images and categories are all numbered.
 *
 * @param most - how many are kept of one image and category, those with the highest scores
 */
export function detectionRows(
  detections: readonly Detection[],
  images: ReadonlyMap<number, number>,
  categories: ReadonlyMap<number, number>,
  most: number,
): DetectionRows {
  const places = placesOf(detections, images, categories)
  const scores = Float64Array.from(detections, ({ score }) => score)
  const all = ordered(places, (a, b) => scores[b]! - scores[a]!)
  const rankOf = new Uint32Array(detections.length)
  for (let at = 1; at < all.length; at++) {
    const [before, item] = [all[at - 1]!, all[at]!]
    const together =
      places.images[before] === places.images[item] && places.categories[before] === places.categories[item]
    if (together) rankOf[item] = rankOf[before]! + 1
  }
  const order = all.filter(item => rankOf[item]! < most)
  const boxes = boxColumn(order, item => detections[item]!.box)
  return {
    boxes,
    areas: Float64Array.from(order, (_, row) => boxes[4 * row + 2]! * boxes[4 * row + 3]!),
    images: Uint32Array.from(order, item => places.images[item]!),
    starts: startsOf(order, places, categories.size),
    items: order,
    scores: Float64Array.from(order, item => scores[item]!),
    ranks: Uint32Array.from(order, item => rankOf[item]!),
  }
}
