import type { Draws } from '../../base/random.ts'
import { addBilinear, type Colour, drawColourMatrix, type Glyph, glyphSize } from '../drawing.ts'

/**
 * A glyph drawn at some size: turned, scaled and recoloured, on nothing. To be as small as 8 pixels without aliasing
 * it is drawn from a pyramid of averages, at the level that has at most two pixels for each one drawn, with four
 * samples a pixel.
 */
export interface Patch {
  readonly width: number
  readonly height: number
  /** float32 [height · width, 4]: red, green and blue multiplied by alpha, and alpha; all in 0 … 1. */
  readonly pixels: Float32Array
  /** The smallest rectangle around the pixels that are the object's (see {@link isObject}), in the patch. */
  readonly box: readonly [left: number, top: number, width: number, height: number]
  /** How many pixels are the object's. */
  readonly area: number
}

/** Whether a pixel of this alpha is the object's, rather than what is behind it. */
export function isObject(alpha: number): boolean {
  return alpha > 0.5
}

/** A glyph at 64, 32, 16, 8 and 4 pixels, each the mean of four pixels of the one before. */
export type Pyramid = readonly Glyph[]

/** The pyramid of a glyph of 64×64 pixels. */
export function pyramidOf(glyph: Glyph): Pyramid {
  const levels = [glyph]
  for (let size = glyphSize / 2; size >= 4; size /= 2) {
    const finer = levels.at(-1)!
    levels.push(
      Float32Array.from({ length: size * size * 4 }, (_, i) => {
        const [channel, pixel] = [i % 4, i >> 2]
        const at = ((pixel % size) * 2 + Math.floor(pixel / size) * 4 * size) * 4 + channel
        const below = at + 8 * size
        return (finer[at]! + finer[at + 4]! + finer[below]! + finer[below + 4]!) / 4
      }),
    )
  }
  return levels
}

/** Most that a glyph is turned by, in radians, as in the sample of drawings. */
const mostTurned = 0.45

/**
 * Draws a glyph so that the longer side of its box is about `side` pixels: turned at random, recoloured, and shifted
 * by a fraction of a pixel.
 */
export function drawPatch(pyramid: Pyramid, side: number, source: Draws): Patch {
  const [toRed, toGreen, toBlue] = drawColourMatrix(source)
  const angle = source.between(-mostTurned, mostTurned)
  const [shiftX, shiftY] = [source.uniform(), source.uniform()]
  const own = turnedExtent(pyramid[0]!, angle, 0.5)
  const zoom = Math.max(own.right - own.left, own.bottom - own.top) / side
  const level = Math.min(Math.max(Math.ceil(Math.log2(zoom / 2)), 0), pyramid.length - 1)
  const texel = 2 ** level
  // Three pixels of the level around what is not fully transparent: averages and interpolation fade over that much.
  const margin = 3 * texel
  const all = turnedExtent(pyramid[0]!, angle, 0)
  const width = Math.ceil((all.right - all.left + 2 * margin) / zoom) + 1
  const height = Math.ceil((all.bottom - all.top + 2 * margin) / zoom) + 1
  const left = (all.left - margin) / zoom - shiftX
  const top = (all.top - margin) / zoom - shiftY
  const samples = zoom > 1 ? 2 : 1
  const pixels = new Float32Array(width * height * 4)
  const sum = new Float64Array(4)
  const cos = (Math.cos(angle) * zoom) / texel
  const sin = (Math.sin(angle) * zoom) / texel
  const size = glyphSize / texel
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      sum.fill(0)
      for (let sample = 0; sample < samples * samples; sample++) {
        const dx = left + x + ((sample % samples) + 0.5) / samples
        const dy = top + y + (Math.floor(sample / samples) + 0.5) / samples
        const u = cos * dx + sin * dy + size / 2 - 0.5
        const v = cos * dy - sin * dx + size / 2 - 0.5
        addBilinear(pyramid[level]!, size, u, v, sum)
      }
      if (sum[3] === 0) continue
      const alpha = sum[3]! / samples ** 2
      const at = (y * width + x) * 4
      pixels[at] = inkOf(toRed, sum, samples, alpha)
      pixels[at + 1] = inkOf(toGreen, sum, samples, alpha)
      pixels[at + 2] = inkOf(toBlue, sum, samples, alpha)
      pixels[at + 3] = alpha
    }
  }
  return { width, height, pixels, ...outline(pixels, width, height) }
}

/** One channel of the recoloured mean of some samples, multiplied by alpha, so at most alpha. */
function inkOf(row: Colour, sum: Float64Array, samples: number, alpha: number): number {
  const ink = (row[0] * sum[0]! + row[1] * sum[1]! + row[2] * sum[2]!) / samples ** 2
  return Math.min(Math.max(ink, 0), alpha)
}

interface Extent {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** What the pixels with an alpha above `least` cover once the glyph is turned, in its own pixels, from its middle. */
function turnedExtent(glyph: Glyph, angle: number, least: number): Extent {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let pixel = 0; pixel < glyphSize * glyphSize; pixel++) {
    if (glyph[4 * pixel + 3]! <= least) continue
    const u = (pixel % glyphSize) + 0.5 - glyphSize / 2
    const v = Math.floor(pixel / glyphSize) + 0.5 - glyphSize / 2
    const x = cos * u - sin * v
    const y = sin * u + cos * v
    left = Math.min(left, x - 0.5)
    right = Math.max(right, x + 0.5)
    top = Math.min(top, y - 0.5)
    bottom = Math.max(bottom, y + 0.5)
  }
  const half = glyphSize / 2
  // A glyph without such pixels covers all of its square.
  return left > right ? { left: -half, top: -half, right: half, bottom: half } : { left, top, right, bottom }
}

function outline(pixels: Float32Array, width: number, height: number): Pick<Patch, 'box' | 'area'> {
  let [left, top, right, bottom, area] = [width, height, 0, 0, 0]
  for (let pixel = 0; pixel < width * height; pixel++) {
    if (!isObject(pixels[4 * pixel + 3]!)) continue
    const x = pixel % width
    const y = Math.floor(pixel / width)
    left = Math.min(left, x)
    right = Math.max(right, x + 1)
    top = Math.min(top, y)
    bottom = Math.max(bottom, y + 1)
    area++
  }
  return { box: area === 0 ? [0, 0, 0, 0] : [left, top, right - left, bottom - top], area }
}
