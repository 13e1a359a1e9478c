import type { Extent } from '../image.ts'
import type { ScenePixels } from './detection-dataset.ts'

/** A rectangle of pixels, its ends not included. */
export interface Region {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/**
 * A part of an image as it is at another extent: bilinear, and averaged over what a pixel covers where it becomes smaller, as torch's
 * `interpolate(mode='bilinear', antialias=True)` does it.
 *
 * @param full - the whole image's extent then
 * @param part - of it, within `full`
 * @returns float32 [3, height, width] of the part, 0 … 255
 */
export function resample(
  { pixels, width, height }: ScenePixels,
  full: Extent,
  { top, bottom, left, right }: Region,
): Float32Array {
  const columns = taps(width, full.width, left, right)
  const rows = taps(height, full.height, top, bottom)
  const out = new Float32Array(3 * rows.length * columns.length)
  const lines = new Map<number, Float32Array>()
  let at = 0
  for (let channel = 0; channel < 3; channel++) {
    lines.clear()
    const line = (y: number): Float32Array => {
      const known = lines.get(y)
      if (known !== undefined) return known
      const start = (channel * height + y) * width
      const made = Float32Array.from(columns, ({ first, weights }) => {
        let sum = 0
        for (let j = 0; j < weights.length; j++) sum += weights[j]! * pixels[start + first + j]!
        return sum
      })
      lines.set(y, made)
      return made
    }
    for (const { first, weights } of rows) {
      for (let j = 0; j < weights.length; j++) {
        const source = line(first + j)
        for (let x = 0; x < source.length; x++) out[at + x]! += weights[j]! * source[x]!
      }
      at += columns.length
    }
  }
  return out
}

/** For each pixel of the result the pixels that it is made of, from `first` on, and their shares. */
function taps(from: number, to: number, begin: number, end: number) {
  const scale = from / to
  const support = Math.max(1, scale)
  return Array.from({ length: end - begin }, (_, i) => {
    const centre = (begin + i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - support + 0.5))
    const last = Math.min(from, Math.trunc(centre + support + 0.5))
    const weights = Array.from({ length: last - first }, (_, j) =>
      Math.max(0, 1 - Math.abs(first + j + 0.5 - centre) / support),
    )
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return { first, weights: weights.map(weight => weight / total) }
  })
}
