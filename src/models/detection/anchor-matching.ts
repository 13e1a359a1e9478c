import { fail } from '../../base/errors.ts'
import { type Deviations, encodeBox } from './box-coding.ts'

/** Assignment of anchors to objects, and their targets (METHOD.md §5.1). Boxes are x1, y1, x2, y2 in pixels. */
export interface MatchingOptions {
  /** An anchor is assigned to the object of largest intersection over union, if that is at least this. */
  readonly foreground: number
  /** Below this an anchor is background; in between it is ignored. */
  readonly background: number
  /**
   * Whether an object's best anchors, however little they overlap it, are positive too, each for the object that is best
   * for it (torchvision's `allow_low_quality_matches`; an object that no anchor touches gets none here).
   */
  readonly lowQuality: boolean
  /**
   * In the code of a box (`box-coding.ts`) its sides count as at least this many pixels. Default: 0; the original
   * has 1 (METHOD.md §5.3). Its centre, and what it overlaps, stay those of the box.
   */
  readonly leastSide?: number
  /** Of the boxes' codes. Default: `deviations`. */
  readonly deviations?: Deviations
}

/** METHOD.md §5.1. */
export const defaultMatching: MatchingOptions = { foreground: 0.5, background: 0.4, lowQuality: false }

/** Values for anchors without an object. */
export const unmatched = { background: -1, ignored: -2 } as const

/**
 * The object of each anchor. Of objects that overlap it equally the first.
 *
 * @param anchors - [A, 4]
 * @param boxes - [M, 4]; one without an area matches no anchor
 * @returns for each anchor a row of `boxes`, or a value of `unmatched`; [A]
 */
export function matchAnchors(
  anchors: Float32Array,
  boxes: ArrayLike<number>,
  { foreground, background, lowQuality }: MatchingOptions = defaultMatching,
): Int32Array {
  const count = anchors.length / 4
  const best = new Float64Array(count)
  const match = new Int32Array(count).fill(unmatched.background)
  const ious = new Float64Array(count)
  const objects = boxes.length / 4
  for (let b = 0; b < objects; b++) {
    overlaps(anchors, boxes, b, ious)
    for (let a = 0; a < count; a++) {
      if (ious[a]! > best[a]!) {
        best[a] = ious[a]!
        match[a] = b
      }
    }
  }
  const result = match.map((b, a) => {
    if (best[a]! >= foreground) return b
    return best[a]! < background ? unmatched.background : unmatched.ignored
  })
  for (let b = 0; lowQuality && b < objects; b++) {
    overlaps(anchors, boxes, b, ious)
    let most = 0
    for (let a = 0; a < count; a++) if (ious[a]! > most) most = ious[a]!
    for (let a = 0; most > 0 && a < count; a++) if (ious[a] === most) result[a] = match[a]!
  }
  return result
}

/**
 * The anchor that overlaps each object most, the first at ties; it gives the pyramid level of an object.
 *
 * @param anchors - [A, 4]
 * @param boxes - [M, 4]
 * @returns numbers of anchors, −1 for an object that none overlaps; [M]
 */
export function bestAnchors(anchors: Float32Array, boxes: ArrayLike<number>): Int32Array {
  const ious = new Float64Array(anchors.length / 4)
  return Int32Array.from({ length: boxes.length / 4 }, (_, b) => {
    overlaps(anchors, boxes, b, ious)
    let best = -1
    let most = 0
    for (let a = 0; a < ious.length; a++) {
      if (ious[a]! > most) {
        most = ious[a]!
        best = a
      }
    }
    return best
  })
}

/** Writes the intersection over union of box `b` with every anchor. */
function overlaps(anchors: Float32Array, boxes: ArrayLike<number>, b: number, ious: Float64Array): void {
  const [x1, y1, x2, y2] = [boxes[4 * b]!, boxes[4 * b + 1]!, boxes[4 * b + 2]!, boxes[4 * b + 3]!]
  const area = (x2 - x1) * (y2 - y1)
  // No Math.min or destructuring, for speed: this runs for every pair, ten million times for a crowded image.
  for (let a = 0, at = 0; a < ious.length; a++, at += 4) {
    const top = anchors[at + 1]!
    const bottom = anchors[at + 3]!
    const height = (bottom < y2 ? bottom : y2) - (top > y1 ? top : y1)
    const left = anchors[at]!
    const right = anchors[at + 2]!
    const width = (right < x2 ? right : x2) - (left > x1 ? left : x1)
    const intersection = width * height
    ious[a] =
      width > 0 && height > 0 ? intersection / ((right - left) * (bottom - top) + area - intersection) : 0
  }
}

/** The objects of one image. */
export interface ImageObjects {
  /** [M, 4], in pixels of the canvas. */
  readonly boxes: ArrayLike<number>
  /** [M], from 0. */
  readonly categories: ArrayLike<number>
}

/** The targets of all anchors of a batch. */
export interface AnchorTargets {
  /** A category, C for the background, −1 for ignored ones; [N, A]. */
  readonly classes: BigInt64Array
  /** The code of the object (`box-coding.ts`), 0 where there is none; [N, A, 4]. */
  readonly boxes: Float32Array
}

/** The class target of ignored anchors. */
export const ignoredClass = -1

/**
 * Targets of a batch of N images on one canvas.
 *
 * @param anchors - [A, 4]
 * @param classes - number of categories (C)
 * @throws MoietyError (data) for boxes and categories of different numbers, a box that is not finite or has negative sides, or a
 *   category that is none of the C
 */
export function anchorTargets(
  anchors: Float32Array,
  images: readonly ImageObjects[],
  classes: number,
  options: MatchingOptions = defaultMatching,
): AnchorTargets {
  const count = anchors.length / 4
  const classTargets = new BigInt64Array(images.length * count)
  const boxTargets = new Float32Array(images.length * count * 4)
  const background = BigInt(classes)
  const ignored = BigInt(ignoredClass)
  for (const [n, image] of images.entries()) {
    checkObjects(image, n, classes)
    const { boxes, categories } = image
    const names = Array.from(categories, BigInt)
    for (const [a, object] of matchAnchors(anchors, boxes, options).entries()) {
      const at = n * count + a
      if (object >= 0) {
        classTargets[at] = names[object]!
        encodeBox(boxes, object, anchors, a, boxTargets, 4 * at, options.leastSide, options.deviations)
      } else classTargets[at] = object === unmatched.ignored ? ignored : background
    }
  }
  return { classes: classTargets, boxes: boxTargets }
}

/**
 * No anchor overlaps a box that is NaN or has negative sides, so its object would silently count as background; and a class that does not
 * exist is ignored by the loss.
 */
function checkObjects({ boxes, categories }: ImageObjects, image: number, classes: number): void {
  const count = categories.length
  if (boxes.length !== 4 * count) {
    fail({
      kind: 'data',
      message: `expected four numbers of a box for each of ${count} categories, but got ${boxes.length}`,
      where: `image ${image} of the batch`,
      help: 'pass boxes as x1, y1, x2, y2 one after another, and one category for each',
    })
  }
  for (let object = 0; object < count; object++) {
    const [x1, y1, x2, y2] = [0, 1, 2, 3].map(i => boxes[4 * object + i]!)
    const category = categories[object]!
    const isBox = [x1, y1, x2, y2].every(Number.isFinite) && x2! >= x1! && y2! >= y1!
    const isCategory = Number.isInteger(category) && category >= 0 && category < classes
    if (isBox && isCategory) continue
    fail({
      kind: 'data',
      message: isBox
        ? `expected a category from 0 to ${classes - 1}, but got ${category}`
        : `expected a box x1, y1, x2, y2 of finite numbers with x1 ≤ x2 and y1 ≤ y2, but got [${[x1, y1, x2, y2].join(', ')}]`,
      where: `object ${object} of image ${image} of the batch`,
      help: isBox
        ? 'number categories from 0, not by their ids in a file'
        : 'a box of x, y, width and height has x2 = x + width and y2 = y + height; omit objects without a box',
    })
  }
}
