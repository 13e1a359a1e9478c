import { fail } from '../../base/errors.ts'
import type { Box } from '../coco/record.ts'
import type { BoxImage, BoxObject } from './box-folder.ts'
import { clip, leastSide, rounding } from './scene-objects.ts'

/**
 * Detection of annotation files with other conventions than COCO's: corners, fractions of the image, boxes of images of another
 * size. Most of their boxes can be read as [x, y, width, height], so nothing fails, but nothing is learned. They have boxes
 * that are implausible. Valid files have a few of these: COCO 0.1 %, and data with boxes of the hidden parts of objects up to
 * a third that exceed the image.
 */

/** Fraction of implausible boxes above which a file is refused, whatever the reason. */
const mostImplausible = 0.5

/** Fraction of boxes outside of the image above which a file is refused. */
const mostOutside = 0.2

/** Fraction that suffices if nearly all boxes are plausible under another convention, which valid ones never are. */
const suspicious = 0.1
const nearlyAll = 0.99

/** With fewer boxes than this, all must be implausible, and two at least; another convention needs more. */
const fewest = 5
const fewestForReading = 20

/**
 * Of this many boxes in this many images, honest ones come near to all edges. Boxes of smaller images come near to the left and upper
 * edges alone: nearly all of them end before this part of both sides.
 */
const fewestForReach = 100
const fewestImagesForReach = 20
const leastReach = 0.8
/** Between the quartiles of their middles lies more than this part of the smaller image. */
const leastSpread = 0.2

/** A box that loses less of its area at the image's edge is an honest one, of somebody who was not exact. */
const leastLoss = 0.1

interface SizedBox {
  readonly id: number
  readonly imageId: number
  readonly box: Box
  readonly area: number
  readonly width: number
  readonly height: number
}

type Verdict = 'plausible' | 'clipped' | 'outside' | 'tiny'

/**
 * Rejects an annotation file with many boxes that cannot be pixels of their images.
 *
 * @param file - for the error
 * @throws MoietyError of kind `data` with the number of boxes, the probable cause, and the key that accepts them
 */
export function refuseImplausible(
  images: readonly Pick<BoxImage, 'id' | 'width' | 'height'>[],
  objects: readonly BoxObject[],
  file: string,
): void {
  const extents = new Map(images.map(({ id, width, height }) => [id, { width, height }]))
  const boxes = objects.flatMap(({ id, imageId, box, area }) => {
    const { width, height } = extents.get(imageId)!
    return width === null || height === null ? [] : [{ id, imageId, box, area, width, height }]
  })
  if (boxes.length === 0) return
  const verdicts = boxes.map(each => verdictOf(each.box, each))
  const cause = causeOf(boxes, verdicts)
  if (cause === undefined) return
  const count = (verdict: Verdict): string =>
    verdicts.filter(each => each === verdict).length.toLocaleString('en')
  const example =
    boxes[
      Math.max(
        0,
        verdicts.findIndex(verdict => verdict !== 'plausible'),
      )
    ]!
  fail({
    kind: 'data',
    message:
      `expected boxes [x, y, width, height] in pixels of their image; of ${boxes.length.toLocaleString('en')} boxes ` +
      `${count('clipped')} exceed it, ${count('outside')} are outside of it and ${count('tiny')} are smaller than a pixel. ` +
      `${cause} (annotation ${example.id}: [${example.box.join(', ')}] in an image of ${example.width}×${example.height})`,
    where: file,
    help: 'correct the file; if its boxes are correct, --set data.implausibleBoxes=accept',
  })
}

/** The probable convention of implausible boxes; undefined where they are plausible. */
function causeOf(boxes: readonly SizedBox[], verdicts: readonly Verdict[]): string | undefined {
  const share = (test: (verdict: Verdict) => boolean): number => verdicts.filter(test).length / boxes.length
  const implausible = share(verdict => verdict !== 'plausible')
  const isFraction = ({ box, width, height }: SizedBox): boolean =>
    box.every(value => value >= 0 && value <= 1.001) && Math.min(width, height) > 4
  const fractions = boxes.filter(isFraction).length
  // No real object is in the corner of the image and smaller than a pixel, so a few suffice.
  if (
    fractions >= mostImplausible * boxes.length ||
    (fractions >= 3 && fractions >= suspicious * boxes.length)
  )
    return `${partOf(fractions, boxes)} probably normalised: fractions of width and height from 0 to 1`
  const byArea = cornersByArea(boxes)
  if (byArea > 0) return `${partOf(byArea, boxes)} probably corners [x1, y1, x2, y2]`
  const part = reachOfSmaller(boxes)
  if (part !== undefined)
    return `Nearly all end within the upper left ${part.toPrecision(2)} of their image's sides: they are probably of smaller images`
  const isTooMuch =
    boxes.length < fewest
      ? boxes.length >= 2 && implausible === 1
      : implausible >= mostImplausible || share(each => each === 'outside') >= mostOutside
  const isSuspicious = boxes.length >= fewestForReading && implausible >= suspicious
  if (!isTooMuch && !isSuspicious) return undefined
  const wrong = boxes.filter((_, i) => verdicts[i] !== 'plausible')
  const asCorners = wrong.filter(each => verdictOf(cornersRead(each.box), each) === 'plausible').length
  // A part of the file may be corners. The box of an object that is cut off at an edge makes no corners: x2 < x1 or y2 < y1.
  if (wrong.length < boxes.length && wrong.length >= fewest && asCorners >= nearlyAll * wrong.length)
    return isEachPlausible(cornersRead, boxes)
      ? corners
      : `Part of them, ${wrong.length} at least, are probably corners [x1, y1, x2, y2]`
  const reading = readings.find(({ read }) => isEachPlausible(read, boxes))
  if (reading !== undefined) return reading.cause
  const beyond = boxes.filter(({ box: [x, y] }) => Math.min(x, y) < -rounding).length
  const right = boxes.filter(({ box: [x, , w], width }) => x + w > width + rounding).length
  const low = boxes.filter(({ box: [, y, , h], height }) => y + h > height + rounding).length
  // Hidden parts exceed the image on all sides, or below; boxes of a larger image exceed it to the right and below only.
  const areEnlarged =
    implausible >= mostOutside && beyond === 0 && Math.min(right, low) >= suspicious * boxes.length
  if (!isTooMuch && !areEnlarged) return undefined
  if (share(each => each === 'tiny') >= mostImplausible)
    return 'They are probably points, or boxes of images of another size'
  const reach = boxes.map(({ box: [x, y, w, h], width, height }) =>
    Math.max((x + w) / width, (y + h) / height),
  )
  const factor = quantile(reach, 0.99)
  return factor > 1.05 && beyond < 0.01 * boxes.length
    ? `They are probably of images of another size: divided by about ${factor.toPrecision(2)} they would fit`
    : 'They are probably of other images, or not in pixels'
}

/**
 * The part of their images that boxes of smaller images cover; undefined where they are honest. Objects in the middle of their
 * images keep as far from the left and upper edges as from the others.
 */
function reachOfSmaller(boxes: readonly SizedBox[]): number | undefined {
  if (boxes.length < fewestForReach) return undefined
  if (new Set(boxes.map(({ imageId }) => imageId)).size < fewestImagesForReach) return undefined
  const [columns, rows] = [0, 1].map(axis => {
    const begins = boxes.map(({ box, width, height }) => box[axis]! / (axis === 0 ? width : height))
    const sides = boxes.map(({ box, width, height }) => box[axis + 2]! / (axis === 0 ? width : height))
    const middles = begins.map((begin, i) => begin + sides[i]! / 2)
    return {
      begin: quantile(begins, 0.01),
      end: quantile(
        begins.map((begin, i) => begin + sides[i]!),
        0.99,
      ),
      spread: quantile(middles, 0.75) - quantile(middles, 0.25),
    }
  })
  // What is always in one place, such as a logo in a corner, is not spread over a smaller image.
  const isSmaller = [columns!, rows!].every(
    ({ begin, end, spread }) =>
      end < leastReach && begin >= 0 && begin < (1 - end) / 4 && spread > leastSpread * end,
  )
  return isSmaller ? Math.max(columns!.end, rows!.end) : undefined
}

function quantile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(part * (values.length - 1))]!
}

const corners = 'They are probably corners [x1, y1, x2, y2]'

const cornersRead = ([x1, y1, x2, y2]: Box): Box => [x1, y1, x2 - x1, y2 - y1]

/** The subject of a sentence about so many of the boxes. */
function partOf(count: number, boxes: readonly SizedBox[]): string {
  return count >= 0.9 * boxes.length ? 'They are' : `Part of them, ${count}, are`
}

/** Whether nearly all boxes are plausible under this convention. */
function isEachPlausible(read: (box: Box) => Box, boxes: readonly SizedBox[]): boolean {
  const plausible = boxes.filter(each => verdictOf(read(each.box), each) === 'plausible')
  return plausible.length >= nearlyAll * boxes.length
}

/** An alternative convention, and its conversion. */
const readings: readonly { readonly cause: string; readonly read: (box: Box) => Box }[] = [
  { cause: corners, read: cornersRead },
  { cause: 'x and y are probably swapped: [y, x, height, width]', read: ([y, x, h, w]) => [x, y, w, h] },
  {
    cause: 'They are probably corners with x and y swapped: [y1, x1, y2, x2]',
    read: ([y1, x1, y2, x2]) => [x1, y1, x2 - x1, y2 - y1],
  },
  {
    cause: 'x and y are probably those of the centre: [x centre, y centre, width, height]',
    read: ([x, y, w, h]) => [x - w / 2, y - h / 2, w, h],
  },
]

/**
 * Of how many boxes the area, which tools compute from the box, is that of corners; 0 where it may be chance. Areas say it where all
 * boxes are in the upper left of their images, too, and so within them. The area of an outline agrees with that of corners in 1 or
 * 2 % of boxes.
 */
function cornersByArea(boxes: readonly SizedBox[]): number {
  const isLike = (area: number, other: number): boolean => Math.abs(area - other) <= 0.01 * other
  const agree = boxes.filter(({ box: [x1, y1, x2, y2], area }) => {
    if (x2 <= x1 || y2 <= y1) return false
    return isLike(area, (x2 - x1) * (y2 - y1)) && !isLike(area, x2 * y2)
  }).length
  const isEnough =
    boxes.length < fewestForReading
      ? agree >= 2 && agree >= 0.9 * boxes.length
      : agree >= fewest && agree >= suspicious * boxes.length
  return isEnough ? agree : 0
}

function verdictOf(
  box: Box,
  { width, height }: { readonly width: number; readonly height: number },
): Verdict {
  const [, , w, h] = box
  if (w < 1 || h < 1) return 'tiny'
  const inside = clip(box, width, height)
  if (inside[2] < leastSide || inside[3] < leastSide) return 'outside'
  const isCut = Math.max(w - inside[2], h - inside[3]) > rounding
  // Compared as shares of the sides: the area of a box of a damaged file may be infinite.
  const lost = 1 - (inside[2] / w) * (inside[3] / h)
  return isCut && lost > leastLoss ? 'clipped' : 'plausible'
}
