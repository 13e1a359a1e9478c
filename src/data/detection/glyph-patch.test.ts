import { describe, expect, it } from 'vitest'
import { draws } from '../../base/random.ts'
import { glyphSize } from '../drawing.ts'
import { drawPatch, isObject, pyramidOf } from './glyph-patch.ts'

/** A white disc of radius 16 in the middle of a glyph, premultiplied. */
const disc = Float32Array.from({ length: glyphSize * glyphSize * 4 }, (_, i) => {
  const pixel = Math.floor(i / 4)
  const [x, y] = [pixel % glyphSize, Math.floor(pixel / glyphSize)]
  return Math.hypot(x - 31.5, y - 31.5) < 16 ? 1 : 0
})

/** Lines of one pixel, black and white by turns, all opaque. */
const stripes = Float32Array.from({ length: glyphSize * glyphSize * 4 }, (_, i) =>
  i % 4 === 3 ? 1 : Math.floor(i / 4) % 2,
)

describe('pyramidOf', () => {
  it('has the mean of the glyph at every level', () => {
    const means = pyramidOf(disc).map(level => level.reduce((sum, value) => sum + value, 0) / level.length)
    expect(pyramidOf(disc).map(level => level.length / 4)).toEqual([4096, 1024, 256, 64, 16])
    for (const mean of means) expect(mean).toBeCloseTo(means[0]!, 6)
  })

  it('averages four neighbours, by hand', () => {
    // The glyph's value is its pixel's number: at (1, 2) of the half-sized one, pixels 258, 259, 322 and 323.
    const numbered = Float32Array.from({ length: glyphSize * glyphSize * 4 }, (_, i) => Math.floor(i / 4))
    expect(pyramidOf(numbered)[1]![(2 * 32 + 1) * 4]).toBe((258 + 259 + 322 + 323) / 4)
  })
})

describe('drawPatch', () => {
  it('has the longer side that was asked for, to a pixel, and the area of its shape', () => {
    for (const side of [8, 13, 25, 50, 100]) {
      for (let index = 0; index < 10; index++) {
        const { box, area } = drawPatch(pyramidOf(disc), side, draws(0, 'test', 0, index))
        expect(Math.abs(Math.max(box[2], box[3]) - side)).toBeLessThanOrEqual(1.5)
        // A circle, whose diameter is off by a pixel or two.
        expect(area).toBeGreaterThan((Math.PI / 4) * (side - 2.5) ** 2)
        expect(area).toBeLessThan((Math.PI / 4) * (side + 1.5) ** 2)
      }
    }
  })

  it('has exactly the box of the pixels whose alpha is above a half, none of them at its edge', () => {
    for (let index = 0; index < 20; index++) {
      const patch = drawPatch(pyramidOf(disc), 8 + 4 * index, draws(0, 'test', 0, index))
      const own: (readonly [number, number])[] = []
      for (let pixel = 0; pixel < patch.width * patch.height; pixel++) {
        if (patch.pixels[4 * pixel + 3]! > 0.5)
          own.push([pixel % patch.width, Math.floor(pixel / patch.width)])
      }
      const [xs, ys] = [own.map(([x]) => x), own.map(([, y]) => y)]
      const [left, top] = [Math.min(...xs), Math.min(...ys)]
      expect(patch.box).toEqual([left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1])
      expect(patch.area).toBe(own.length)
      expect(Math.min(left, top)).toBeGreaterThanOrEqual(1)
      expect(patch.box[0] + patch.box[2]).toBeLessThan(patch.width)
      // What fades is whole, too: nothing of the glyph at the patch's edge.
      for (let x = 0; x < patch.width; x++) expect(patch.pixels[4 * x + 3]).toBe(0)
      for (let y = 0; y < patch.height; y++) expect(patch.pixels[4 * y * patch.width + 3]).toBe(0)
    }
  })

  it('does not alias: fine stripes become an even grey where they are small', () => {
    for (const side of [8, 12, 20]) {
      const patch = drawPatch(pyramidOf(stripes), side, draws(0, 'test', 0, side))
      const inside: number[] = []
      for (let pixel = 0; pixel < patch.width * patch.height; pixel++) {
        if (patch.pixels[4 * pixel + 3]! > 0.999) inside.push(patch.pixels[4 * pixel]!)
      }
      expect(inside.length).toBeGreaterThan(10)
      expect(Math.max(...inside) - Math.min(...inside)).toBeLessThan(0.12)
    }
  })

  it('is premultiplied: no colour above its alpha', () => {
    const { pixels } = drawPatch(pyramidOf(disc), 30, draws(0, 'test'))
    for (let at = 0; at < pixels.length; at += 4) {
      for (const channel of [0, 1, 2]) expect(pixels[at + channel]).toBeLessThanOrEqual(pixels[at + 3]!)
    }
  })

  it('takes half an alpha for what is behind', () => {
    expect([0, 0.5, 0.51, 1].map(isObject)).toEqual([false, false, true, true])
  })
})
