import { describe, expect, it } from 'vitest'
import { splitOfArrays } from './arrays.ts'

const pixels = Uint8ClampedArray.from({ length: 2 * 3 * 2 * 2 }, (_, i) => i)

describe('splitOfArrays', () => {
  it('gives the images that were asked for, with their classes', async () => {
    const split = splitOfArrays({ pixels, labels: [4, 0], size: 2 })
    expect(split.length).toBe(2)
    expect(split.labels).toEqual(Int32Array.of(4, 0))
    expect(await split.load([1, 0])).toEqual(Uint8Array.of(...pixels.subarray(12), ...pixels.subarray(0, 12)))
  })

  it('begins where the array begins, not where its buffer does', async () => {
    const split = splitOfArrays({ pixels: pixels.subarray(12), labels: [0], size: 2 })
    expect(await split.load([0])).toEqual(Uint8Array.from(pixels.subarray(12)))
  })

  it.each([
    [
      { pixels, labels: [0], size: 2 },
      /of 1 images of 2×2, uint8 \[1, 3, 2, 2\], but a Uint8ClampedArray of 24 values came/,
    ],
    [
      { pixels, labels: [0, 1], size: 1.5 },
      /of 2 images of 1\.5×1\.5.*but a Uint8ClampedArray of 24 values came/,
    ],
    [{ pixels, labels: [0, -1], size: 2 }, /a whole number from 0 as class, but -1 came/],
    [{ pixels, labels: [0.5, 1], size: 2 }, /a whole number from 0 as class, but 0\.5 came/],
    [{ pixels: Float32Array.from(pixels), labels: [0, 1], size: 2 }, /but a Float32Array of 24 values came/],
  ])('refuses arrays that do not fit: %#', (arrays, message) => {
    // @ts-expect-error: some of them are as from JavaScript
    expect(() => splitOfArrays(arrays)).toThrow(message)
  })
})
