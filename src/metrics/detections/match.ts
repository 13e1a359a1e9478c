import type { DetectionRows, ObjectRows } from './columns.ts'
import { overlap } from './iou.ts'
import { type AreaRange, iouThresholds } from './settings.ts'

/**
 * Which detections are right (`evaluateImg` of pycocotools). At one IoU threshold and in one range of areas, the
 * detections of an image and category choose one after another, the highest score first:
 *
 * - each takes the object that it overlaps most, if by the threshold or more; of equal overlaps the last one;
 * - an object is taken once, a crowd as often as one likes;
 * - crowds and objects outside of the range are *ignored*: taken only where nothing else is left to take. Who takes one
 *   is neither right nor wrong, and neither is a detection outside of the range that takes nothing;
 * - any other detection without a match is a false positive.
 *
 * Both limits of a range belong to it; an object's area is that of its outline, a detection's that of its box.
 */

/** What a detection is. */
export const verdict = { wrong: 0, right: 1, ignored: 2 } as const

/** The verdicts on the detections of one category. */
export interface Verdicts {
  /** [A, T, D] for D detections in the order of their rows; {@link verdict}. */
  readonly verdicts: Uint8Array
  /** [A] how many objects there were to find. */
  readonly objects: Uint32Array
  /** [D] the row of the object that each detection takes at the lowest threshold, whatever its area; −1 where it takes none. */
  readonly taken: Int32Array
}

/** pycocotools' own: a threshold of 1 would otherwise be out of reach for rounding. */
const highest = 1 - 1e-10

const lowest = Math.min(iouThresholds[0]!, highest)

/** Judges the detections of one category, by its number. */
export function judge(
  detections: DetectionRows,
  objects: ObjectRows,
  category: number,
  ranges: readonly AreaRange[],
): Verdicts {
  const from = detections.starts[category]!
  const to = detections.starts[category + 1]!
  const verdicts = new Uint8Array(ranges.length * iouThresholds.length * (to - from))
  const taken = new Int32Array(to - from).fill(-1)
  const objectsEnd = objects.starts[category + 1]!
  let firstObject = objects.starts[category]!
  for (let first = from; first < to; ) {
    const image = detections.images[first]!
    const last = endOfImage(detections.images, first, to)
    while (firstObject < objectsEnd && objects.images[firstObject]! < image) firstObject++
    const lastObject =
      objects.images[firstObject] === image && firstObject < objectsEnd
        ? endOfImage(objects.images, firstObject, objectsEnd)
        : firstObject
    const choosers = new Choosers(objects, firstObject, lastObject, ranges)
    for (let row = first; row < last; row++) {
      choosers.choose(detections, row, (place, value, object) => {
        verdicts[place * (to - from) + row - from] = value
        // All areas and the lowest threshold are the first of their axes.
        if (place === 0) taken[row - from] = object
      })
    }
    first = last
    firstObject = lastObject
  }
  return { verdicts, objects: toFind(objects, category, ranges), taken }
}

function endOfImage(images: Uint32Array, first: number, end: number): number {
  let last = first + 1
  while (last < end && images[last] === images[first]) last++
  return last
}

/** How many objects of a category lie in each range: crowds are none. */
function toFind(
  { starts, areas, crowds }: ObjectRows,
  category: number,
  ranges: readonly AreaRange[],
): Uint32Array {
  const counts = new Uint32Array(ranges.length)
  for (let row = starts[category]!; row < starts[category + 1]!; row++) {
    for (const [a, range] of ranges.entries()) {
      if (crowds[row] === 0 && isWithin(areas[row]!, range)) counts[a]!++
    }
  }
  return counts
}

function isWithin(area: number, { from, to }: AreaRange): boolean {
  return !(area < from || area > to)
}

/** The objects of one image and category, and who has taken them. */
class Choosers {
  readonly #objects: ObjectRows
  readonly #first: number
  readonly #count: number
  readonly #ranges: readonly AreaRange[]
  /** [A, objects] 1 where ignored. */
  readonly #ignored: Uint8Array
  /** [A, T, objects] 1 where taken. */
  readonly #taken: Uint8Array
  /** The objects that the present detection overlaps enough for the lowest threshold, and by how much. */
  readonly #candidates: Uint32Array
  readonly #overlaps: Float64Array

  constructor(objects: ObjectRows, first: number, last: number, ranges: readonly AreaRange[]) {
    const count = last - first
    this.#objects = objects
    this.#first = first
    this.#count = count
    this.#ranges = ranges
    this.#taken = new Uint8Array(ranges.length * iouThresholds.length * count)
    this.#candidates = new Uint32Array(count)
    this.#overlaps = new Float64Array(count)
    this.#ignored = new Uint8Array(ranges.length * count)
    for (const [a, range] of ranges.entries()) {
      for (let o = 0; o < count; o++) {
        const ignored = objects.crowds[first + o] === 1 || !isWithin(objects.areas[first + o]!, range)
        this.#ignored[a * count + o] = ignored ? 1 : 0
      }
    }
  }

  /**
   * Lets the detection in a row choose in every range, at every threshold; `place` is their number in [A, T], `object` the row of
   * the object that it takes, or −1.
   */
  choose(
    detections: DetectionRows,
    row: number,
    tell: (place: number, value: number, object: number) => void,
  ): void {
    const near = this.#findCandidates(detections, row)
    for (const [a, range] of this.#ranges.entries()) {
      const alone = isWithin(detections.areas[row]!, range) ? verdict.wrong : verdict.ignored
      for (let t = 0; t < iouThresholds.length; t++) {
        const place = a * iouThresholds.length + t
        const chosen = near === 0 ? -1 : this.#best(near, a, place, Math.min(iouThresholds[t]!, highest))
        if (chosen < 0) {
          tell(place, alone, -1)
          continue
        }
        this.#taken[place * this.#count + chosen] = 1
        const object = this.#first + chosen
        if (this.#ignored[a * this.#count + chosen] === 1) tell(place, verdict.ignored, object)
        // pycocotools notes a match by the annotation's id, and 0 is its word for none.
        else tell(place, this.#objects.zeroIds[object] === 1 ? alone : verdict.right, object)
      }
    }
  }

  #findCandidates({ boxes }: DetectionRows, row: number): number {
    let near = 0
    for (let o = 0; o < this.#count; o++) {
      const object = this.#first + o
      const iou = overlap(boxes, 4 * row, this.#objects.boxes, 4 * object, this.#objects.crowds[object] === 1)
      if (iou < lowest) continue
      this.#candidates[near] = o
      this.#overlaps[near++] = iou
    }
    return near
  }

  /** The object to take, or −1. */
  #best(near: number, a: number, place: number, threshold: number): number {
    for (const ignored of [0, 1]) {
      let best = threshold
      let chosen = -1
      for (let c = 0; c < near; c++) {
        const o = this.#candidates[c]!
        if (this.#ignored[a * this.#count + o] !== ignored) continue
        const crowd = this.#objects.crowds[this.#first + o] === 1
        if ((this.#taken[place * this.#count + o] === 1 && !crowd) || this.#overlaps[c]! < best) continue
        best = this.#overlaps[c]!
        chosen = o
      }
      if (chosen >= 0) return chosen
    }
    return -1
  }
}
