import { z } from 'zod'
import type { Draws } from '../../base/random.ts'
import { defineTransform } from '../transform.ts'
import { roundEven } from './round-even.ts'

/** A window of an image, in pixels. */
export interface Window {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/**
 * A random part of the image, enlarged to its size (Szegedy et al. 2015), as torchvision's `RandomResizedCrop`: share of the area and
 * ratio of sides are drawn, the ratio evenly in its logarithm; after ten tries that do not fit, all of the image.
 */
export const definition = defineTransform({
  name: 'random-resized-crop',
  description: 'a random part of the image, enlarged to its size',
  options: {
    least: z.number().gt(0).max(1).default(0.08).describe("the part's least share of the area"),
    most: z.number().gt(0).max(1).default(1).describe('its largest share'),
    ratio: z
      .number()
      .min(1)
      .max(100)
      .default(4 / 3)
      .describe('width is at most so many times the height, and the other way round'),
  },
  create: ({ least, most, ratio }) => {
    let copy = new Float32Array()
    return (image, { size, draws }) => {
      if (copy.length !== image.length) copy = new Float32Array(image.length)
      copy.set(image)
      enlarge(copy, size, drawWindow(size, { least, most, ratio }, draws), image)
    }
  },
})

function drawWindow(
  size: number,
  { least, most, ratio }: { readonly least: number; readonly most: number; readonly ratio: number },
  source: Draws,
): Window {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = size * size * source.between(least, Math.max(least, most))
    const aspect = Math.exp(source.between(-Math.log(ratio), Math.log(ratio)))
    const width = roundEven(Math.sqrt(area * aspect))
    const height = roundEven(Math.sqrt(area / aspect))
    if (width < 1 || width > size || height < 1 || height > size) continue
    return {
      top: source.below(size - height + 1),
      left: source.below(size - width + 1),
      height,
      width,
    }
  }
  return { top: 0, left: 0, height: size, width: size }
}

/**
 * A window resized to [3, size, size] by bilinear interpolation between the centres of pixels, as torch's `interpolate` does with
 * `align_corners=False`. Windows are never larger than the image, so that nothing has to be smoothed.
 *
 * @param out - overwritten
 */
export function enlarge(
  image: Float32Array,
  size: number,
  { top, left, height, width }: Window,
  out: Float32Array,
): void {
  const rows = between(size, height)
  const columns = between(size, width)
  let at = 0
  for (let channel = 0; channel < 3; channel++)
    for (const row of rows) {
      const above = (channel * size + top + row.first) * size + left
      const below = (channel * size + top + row.second) * size + left
      for (const { first, second, share } of columns) {
        const upper = image[above + first]! + share * (image[above + second]! - image[above + first]!)
        const lower = image[below + first]! + share * (image[below + second]! - image[below + first]!)
        out[at++] = upper + row.share * (lower - upper)
      }
    }
}

/** For each of `size` pixels the two of `extent` between which it lies, and how near the second it is. */
function between(size: number, extent: number) {
  return Array.from({ length: size }, (_, i) => {
    const place = Math.max(0, ((i + 0.5) * extent) / size - 0.5)
    const first = Math.floor(place)
    return { first, second: Math.min(first + 1, extent - 1), share: place - first }
  })
}
