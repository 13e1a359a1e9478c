import type { Draws } from '../base/random.ts'

/**
 * Drawing of the sample's images: a glyph, rotated, scaled, shifted and recoloured at random, over
 * a random background. A pure function of glyph and random numbers; a change of the drawing, of the chosen glyph
 * or its decoding must raise {@link drawingVersion}, so that cached drawings are drawn again.
 */
export const drawingVersion = 1

/** Height and width of a drawn image, in pixels. */
export const drawnSize = 32

/** Height and width of a glyph, in pixels. */
export const glyphSize = 64

/** Artwork to draw: float32 [64 · 64, 4], red, green and blue multiplied by alpha, and alpha; all in 0 … 1. */
export type Glyph = Float32Array

/** Red, green and blue, 0 … 1. */
export type Colour = readonly [number, number, number]

/** Samples per pixel along each axis: the glyph has about twice as many pixels as it gets in the image. */
const samples = 2

/**
 * Draws one image.
 *
 * @param out - uint8 [3, 32, 32], planar RGB, overwritten
 */
export function drawImage(glyph: Glyph, source: Draws, out: Uint8Array): void {
  const pixels = drawnSize * drawnSize
  const background = drawBackground(source, drawnSize)
  const recolour = drawColourMatrix(source)
  const angle = source.between(-0.45, 0.45)
  const zoom = glyphSize / (drawnSize * source.between(0.7, 1.1))
  const centreX = drawnSize / 2 + source.between(-3, 3)
  const centreY = drawnSize / 2 + source.between(-3, 3)
  const cos = Math.cos(angle) * zoom
  const sin = Math.sin(angle) * zoom
  const sum = new Float64Array(4)
  for (let y = 0; y < drawnSize; y++) {
    for (let x = 0; x < drawnSize; x++) {
      sum.fill(0)
      for (let sample = 0; sample < samples * samples; sample++) {
        const dx = x + ((sample % samples) + 0.5) / samples - centreX
        const dy = y + (Math.floor(sample / samples) + 0.5) / samples - centreY
        const u = cos * dx + sin * dy + glyphSize / 2 - 0.5
        const v = cos * dy - sin * dx + glyphSize / 2 - 0.5
        addBilinear(glyph, glyphSize, u, v, sum)
      }
      const alpha = sum[3]! / samples ** 2
      const pixel = y * drawnSize + x
      for (let channel = 0; channel < 3; channel++) {
        const [r, g, b] = recolour[channel]!
        const ink = (r * sum[0]! + g * sum[1]! + b * sum[2]!) / samples ** 2
        const value = Math.min(Math.max(ink, 0), alpha) + (1 - alpha) * background[channel * pixels + pixel]!
        out[channel * pixels + pixel] = Math.round(255 * Math.min(Math.max(value, 0), 1))
      }
    }
  }
}

/**
 * Adds a glyph of size×size pixels at (u, v), in its pixels, interpolated between the four nearest; transparent
 * outside.
 */
export function addBilinear(glyph: Glyph, size: number, u: number, v: number, sum: Float64Array): void {
  const left = Math.floor(u)
  const top = Math.floor(v)
  for (let corner = 0; corner < 4; corner++) {
    const x = left + (corner & 1)
    const y = top + (corner >> 1)
    if (x < 0 || y < 0 || x >= size || y >= size) continue
    const weight = (1 - Math.abs(u - x)) * (1 - Math.abs(v - y))
    const at = (y * size + x) * 4
    for (let channel = 0; channel < 4; channel++) sum[channel]! += weight * glyph[at + channel]!
  }
}

/**
 * A colour change that keeps greys grey but for their brightness: hue turned by up to 0.4 rad and saturation
 * scaled in the chroma plane of YIQ, brightness scaled. Rows give the new red, green and blue.
 */
export function drawColourMatrix(source: Draws): readonly [red: Colour, green: Colour, blue: Colour] {
  const hue = source.between(-0.4, 0.4)
  const saturation = source.between(0.6, 1.3)
  const brightness = source.between(0.75, 1.15)
  const c = saturation * Math.cos(hue)
  const s = saturation * Math.sin(hue)
  const rotate = (red: number, green: number, blue: number): Colour => {
    const luma = 0.299 * red + 0.587 * green + 0.114 * blue
    const i = 0.5959 * red - 0.2746 * green - 0.3213 * blue
    const q = 0.2115 * red - 0.5227 * green + 0.3112 * blue
    const [turnedI, turnedQ] = [c * i - s * q, s * i + c * q]
    return [
      brightness * (luma + 0.956 * turnedI + 0.619 * turnedQ),
      brightness * (luma - 0.272 * turnedI - 0.647 * turnedQ),
      brightness * (luma - 1.106 * turnedI + 1.703 * turnedQ),
    ]
  }
  const columns = [rotate(1, 0, 0), rotate(0, 1, 0), rotate(0, 0, 1)] as const
  const row = (at: 0 | 1 | 2): Colour => [columns[0][at], columns[1][at], columns[2][at]]
  return [row(0), row(1), row(2)]
}

/**
 * A background that is independent of the class: plain, a gradient, blotches or stripes, in random colours,
 * with some grain. The pattern is of the same share of the image, whatever its size.
 *
 * @param size - height and width in pixels
 * @returns float64 [3, size, size], 0 … 1 but for the grain
 */
export function drawBackground(source: Draws, size: number): Float64Array {
  const mix = drawPattern(source)
  const first = drawColour(source)
  const second = drawColour(source)
  const grain = source.between(0, 0.04)
  const pixels = size * size
  const out = new Float64Array(3 * pixels)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const share = mix(x / size, y / size)
      const noise = grain * source.normal()
      for (let channel = 0; channel < 3; channel++) {
        const colour = (1 - share) * first[channel]! + share * second[channel]!
        out[channel * pixels + y * size + x] = colour + noise
      }
    }
  }
  return out
}

/** How much of the second colour there is at (x, y) in the unit square. */
function drawPattern(source: Draws): (x: number, y: number) => number {
  const kind = source.below(4)
  const angle = source.between(0, 2 * Math.PI)
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  if (kind === 0) return () => 0
  if (kind === 1) return (x, y) => 0.5 + 0.7 * ((x - 0.5) * cos + (y - 0.5) * sin)
  if (kind === 2) {
    const grid = Float64Array.from({ length: 25 }, () => source.uniform())
    return (x, y) => {
      const [column, row] = [Math.floor(4 * x), Math.floor(4 * y)]
      const [fx, fy] = [4 * x - column, 4 * y - row]
      const at = (dx: number, dy: number): number => grid[(row + dy) * 5 + column + dx]!
      return (1 - fy) * ((1 - fx) * at(0, 0) + fx * at(1, 0)) + fy * ((1 - fx) * at(0, 1) + fx * at(1, 1))
    }
  }
  const frequency = source.between(12, 30)
  return (x, y) => 0.5 + 0.5 * Math.sin(frequency * (x * cos + y * sin) + angle)
}

/** Any hue, from grey to fairly saturated, from dark to light. */
function drawColour(source: Draws): Colour {
  const hue = source.between(0, 6)
  const chroma = source.between(0, 0.8)
  const value = source.between(0.15, 1)
  const part = (shift: number): number => {
    const place = (shift + hue) % 6
    return value * (1 - chroma * Math.max(0, Math.min(place, 4 - place, 1)))
  }
  return [part(5), part(3), part(1)]
}
