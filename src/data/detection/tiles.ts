import type { Draws } from '../../base/random.ts'
import type { Extent } from '../image.ts'
import type { Canvas } from './detection-dataset.ts'
import type { Region } from './resample.ts'

/** How training images with boxes change at random, besides being mirrored. */
export interface DetectionAugmentation {
  /** Probability of mirroring left and right. */
  readonly flip: number
  /** An image becomes between so many times as large as the canvas has it, and is cropped where it is larger. */
  readonly scaleJitter?: { readonly least: number; readonly most: number } | undefined
  /** How often four images are joined to one. */
  readonly mosaic?: { readonly probability: number } | undefined
}

/** Where an image comes on a canvas. */
export interface Tile {
  /** Its number in the split. */
  readonly index: number
  readonly flip: boolean
  /** Of the whole image, in pixels of the canvas. */
  readonly extent: Extent
  /** Its upper left corner; negative where it begins outside. */
  readonly left: number
  readonly top: number
  /** What of the canvas shows it. */
  readonly region: Region
}

/** An image, and the extent that it has by the rule of the canvas. */
export interface PlacedImage extends Extent {
  readonly index: number
}

/** An image at the upper left corner, as evaluation has it. */
export function wholeTile({ index, width, height }: PlacedImage, flip = false): Tile {
  const region = { top: 0, left: 0, bottom: height, right: width }
  return { index, flip, extent: { width, height }, left: 0, top: 0, region }
}

/**
 * Scale jitter: torchvision's `ScaleJitter` and then `FixedSizeCrop` (large scale jittering, Ghiasi et al. 2021). What is larger than
 * the canvas is cropped at a random place, what is smaller stays in the upper left corner.
 */
export function jitteredTile(
  image: PlacedImage,
  flip: boolean,
  factor: number,
  [rows, columns]: Canvas,
  source: Draws,
): Tile {
  const extent = times(image, factor)
  const left = 0 - source.below(Math.max(0, extent.width - columns) + 1)
  const top = 0 - source.below(Math.max(0, extent.height - rows) + 1)
  return {
    index: image.index,
    flip,
    extent,
    left,
    top,
    region: shown(extent, left, top, canvasRegion([rows, columns])),
  }
}

/**
 * Mosaic (Bochkovskiy et al. 2020), as Ultralytics has it: four images meet at a point that is drawn from the middle half of the canvas, at
 * half the size that the canvas has them at, times a factor; each is cropped to its quarter.
 *
 * @param images - the first one in the upper left quarter
 */
export function mosaicTiles(
  images: readonly PlacedImage[],
  [rows, columns]: Canvas,
  factorOf: () => number,
  flips: () => boolean,
  source: Draws,
): Tile[] {
  const x = Math.round(columns * source.between(0.25, 0.75))
  const y = Math.round(rows * source.between(0.25, 0.75))
  return images.map((image, quarter) => {
    const [isRight, isLower] = [quarter % 2 === 1, quarter >= 2]
    const extent = times(image, factorOf() / 2)
    const left = isRight ? x : x - extent.width
    const top = isLower ? y : y - extent.height
    const own = {
      left: isRight ? x : 0,
      right: isRight ? columns : x,
      top: isLower ? y : 0,
      bottom: isLower ? rows : y,
    }
    return { index: image.index, flip: flips(), extent, left, top, region: shown(extent, left, top, own) }
  })
}

/** Less of a box is no object any more: a tenth of its area (Ultralytics), or a pixel of a side. */
const leastShare = 0.1
const leastSide = 1

/**
 * A box on the canvas, cut to what is shown of its image; undefined where too little of it is left.
 *
 * @param box - x1, y1, x2, y2 in pixels of the image as the canvas has it, mirrored where the tile is
 * @param image - its extent
 */
export function boxOnTile(
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  image: Extent,
  { extent, left, top, region }: Tile,
): readonly [number, number, number, number] | undefined {
  const [across, down] = [extent.width / image.width, extent.height / image.height]
  const whole = [left + x1 * across, top + y1 * down, left + x2 * across, top + y2 * down] as const
  const along = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most)
  const cut = [
    along(whole[0], region.left, region.right),
    along(whole[1], region.top, region.bottom),
    along(whole[2], region.left, region.right),
    along(whole[3], region.top, region.bottom),
  ] as const
  const isWhole = cut.every((value, i) => Math.abs(value - whole[i]!) < 1e-6)
  const areaOf = ([a, b, c, d]: typeof cut): number => (c - a) * (d - b)
  const side = Math.min(cut[2] - cut[0], cut[3] - cut[1])
  if (isWhole) return side > 0 ? cut : undefined
  return side >= leastSide && areaOf(cut) >= leastShare * areaOf(whole) ? cut : undefined
}

function times({ width, height }: Extent, factor: number): Extent {
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) }
}

const canvasRegion = ([rows, columns]: Canvas): Region => ({ top: 0, left: 0, bottom: rows, right: columns })

/** The part of a region that an image covers; without pixels where it does not reach it. */
function shown(extent: Extent, left: number, top: number, region: Region): Region {
  const [from, down] = [Math.max(left, region.left), Math.max(top, region.top)]
  return {
    left: from,
    top: down,
    right: Math.max(from, Math.min(left + extent.width, region.right)),
    bottom: Math.max(down, Math.min(top + extent.height, region.bottom)),
  }
}
