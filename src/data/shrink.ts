/**
 * Makes square images smaller. A pixel of the result is the mean of what it covers in the image, where a pixel of the
 * image counts by the part of it that is covered:
 *
 *     out[i] = Σ_j |[i·r, (i + 1)·r) ∩ [j, j + 1)| · image[j] / r,   r = from / to,
 *
 * along rows and then along columns. Other scales than whole ones need no special case, and nothing aliases.
 *
 * @param from - height and width of an image
 * @param to - height and width of the result, at most `from`
 * @returns a function that shrinks `channels` planes of an image [channels, from, from] into `out` [channels, to, to]
 */
export function shrinking(
  from: number,
  to: number,
): (image: Float32Array, channels: number, out: Float32Array) => void {
  const covers = Array.from({ length: to }, (_, i) => covered(i, from, to))
  const rows = new Float32Array(to * from)
  return (image, channels, out) => {
    for (let channel = 0; channel < channels; channel++) {
      const plane = channel * from * from
      for (const [i, { first, weights }] of covers.entries()) {
        for (let x = 0; x < from; x++) {
          let sum = 0
          for (let j = 0; j < weights.length; j++) sum += weights[j]! * image[plane + (first + j) * from + x]!
          rows[i * from + x] = sum
        }
      }
      for (let i = 0; i < to; i++) {
        for (const [k, { first, weights }] of covers.entries()) {
          let sum = 0
          for (let j = 0; j < weights.length; j++) sum += weights[j]! * rows[i * from + first + j]!
          out[(channel * to + i) * to + k] = sum
        }
      }
    }
  }
}

/** The pixels that pixel `i` of the result covers, from `first` on, and their fractions. */
function covered(i: number, from: number, to: number): { first: number; weights: number[] } {
  // In units of 1/to of a pixel these are whole numbers, so no rounding decides what is covered.
  const [start, end] = [i * from, (i + 1) * from]
  const first = Math.floor(start / to)
  const weights: number[] = []
  for (let j = first; j * to < end; j++) {
    weights.push((Math.min(end, (j + 1) * to) - Math.max(start, j * to)) / from)
  }
  return { first, weights }
}
