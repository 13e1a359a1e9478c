/**
 * Images as bytes that a general compressor makes small: each value less what its neighbours let one expect (the median of
 * left, above, and left + above − corner, as in JPEG-LS), red and blue as differences from green. Exact: what is decoded is what was
 * encoded, without a canvas, to which some browsers add noise.
 */

const channels = 3

/** @param pixels - uint8 [N, 3, size, size] */
export function encodePixels(pixels: Uint8Array, size: number): Uint8Array {
  return coded(pixels, size, true)
}

/** The pixels that were encoded. */
export function decodePixels(codes: Uint8Array, size: number): Uint8Array {
  return coded(codes, size, false)
}

function coded(given: Uint8Array, size: number, isEncoding: boolean): Uint8Array {
  const plane = size * size
  const count = given.length / plane / channels
  const out = new Uint8Array(given.length)
  // Values of one plane, red and blue less green, from −128 to 127 modulo 256; green from 0 to 255.
  const values = new Int16Array(plane)
  const green = new Uint8Array(plane)
  for (let image = 0; image < count; image++) {
    for (const channel of [1, 0, 2]) {
      const pixels = (image * channels + channel) * plane
      // Codes of a channel lie side by side, so that like comes with like.
      const codes = (channel * count + image) * plane
      for (let at = 0; at < plane; at++) {
        const expected = expectation(values, at, size)
        if (isEncoding) {
          const value = channel === 1 ? given[pixels + at]! : signed(given[pixels + at]! - green[at]!)
          values[at] = value
          out[codes + at] = value - expected
        } else {
          const sum = given[codes + at]! + expected
          values[at] = channel === 1 ? sum & 255 : signed(sum)
          out[pixels + at] = channel === 1 ? values[at]! : values[at]! + green[at]!
        }
      }
      if (channel === 1) green.set(values)
    }
  }
  return out
}

function expectation(values: Int16Array, at: number, size: number): number {
  const isFirst = at % size === 0
  if (at < size) return isFirst ? 0 : values[at - 1]!
  const above = values[at - size]!
  if (isFirst) return above
  const left = values[at - 1]!
  const plane = left + above - values[at - size - 1]!
  const [low, high] = left < above ? [left, above] : [above, left]
  return plane < low ? low : plane > high ? high : plane
}

/** Modulo 256, from −128 to 127. */
function signed(value: number): number {
  return (value << 24) >> 24
}
