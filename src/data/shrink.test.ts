import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shrinking } from './shrink.ts'

const shrunk = (image: number[], channels: number, from: number, to: number): number[] => {
  const out = new Float32Array(channels * to * to)
  shrinking(from, to)(Float32Array.from(image), channels, out)
  return [...out]
}

describe('shrinking', () => {
  it('takes means of blocks where the scale is whole, for each channel', () => {
    const plane = [1, 3, 5, 7, 1, 3, 5, 7, 0, 0, 8, 8, 0, 0, 8, 8]
    expect(shrunk([...plane, ...plane.map(value => 10 * value)], 2, 4, 2)).toEqual([
      ...[2, 6, 0, 8],
      ...[20, 60, 0, 80],
    ])
  })

  it('divides a pixel that lies on a border', () => {
    // Three pixels to two: the one in the middle belongs half to each.
    const [left, right] = shrunk([0, 3, 9, 0, 3, 9, 0, 3, 9], 1, 3, 2)
    expect(left).toBeCloseTo(1)
    expect(right).toBeCloseTo(7)
  })

  it('leaves an image of the same size unchanged, and the mean of any image at any scale', () => {
    const sizes = fc.integer({ min: 1, max: 12 }).chain(to =>
      fc.record({
        to: fc.constant(to),
        from: fc.integer({ min: to, max: 24 }),
        seed: fc.integer({ min: 1, max: 1000 }),
      }),
    )
    fc.assert(
      fc.property(sizes, ({ from, to, seed }) => {
        const image = Array.from({ length: from * from }, (_, i) => (i * seed * 37) % 256)
        const out = shrunk(image, 1, from, to)
        if (from === to) expect(out).toEqual(image)
        const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
        expect(mean(out)).toBeCloseTo(mean(image), 2)
      }),
    )
  })
})
