import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { draws } from '../../base/random.ts'
import { drawBackground, glyphSize } from '../drawing.ts'
import { drawPatch, pyramidOf } from './glyph-patch.ts'
import { type DrawnWhole, drawScene, mostHidden, objectSides, sceneVersion } from './scene-drawing.ts'

/** An opaque square of 40 pixels in the middle of a glyph, of one colour. */
function square(red: number, green: number, blue: number) {
  return pyramidOf(
    Float32Array.from({ length: glyphSize * glyphSize * 4 }, (_, i) => {
      const pixel = Math.floor(i / 4)
      const inside = [pixel % glyphSize, Math.floor(pixel / glyphSize)].every(at => at >= 12 && at < 52)
      return inside ? [red, green, blue, 1][i % 4]! : 0
    }),
  )
}
const glyphs = [square(1, 0, 0), square(0, 1, 0), square(0, 0, 1)]
const size = 128

function scene(
  index: number,
  count: number,
): { readonly drawn: readonly DrawnWhole[]; readonly pixels: Uint8Array } {
  const wanted = Array.from({ length: count }, (_, i) => ({ label: i % 3, glyph: glyphs[i % 3]! }))
  const pixels = new Uint8Array(3 * size * size)
  return { drawn: drawScene(size, wanted, draws(5, 'test', 0, index), pixels), pixels }
}

describe('drawScene', () => {
  it('draws the same for the same version, on every machine', () => {
    const hash = createHash('sha256')
    for (let index = 0; index < 4; index++) {
      const { drawn, pixels } = scene(index, 8)
      hash.update(pixels).update(JSON.stringify(drawn))
    }
    // A change of the drawing must raise the version, or cached scenes would still be used.
    expect([sceneVersion, hash.digest('hex').slice(0, 16)]).toEqual([2, 'b27ebfff0f68d38c'])
  })

  it('has the box and the area of the alpha channel that it drew, and draws it there', () => {
    for (let index = 0; index < 20; index++) {
      const { drawn, pixels } = scene(index, 1)
      // The same numbers in the same order: the background, the side, the glyph.
      const source = draws(5, 'test', 0, index)
      const background = drawBackground(source, size)
      const [least, most] = objectSides
      const patch = drawPatch(glyphs[0]!, least * (most / least) ** source.uniform(), source)
      const [object] = drawn
      if (!object) continue
      expect([object.box[2], object.box[3], object.area]).toEqual([patch.box[2], patch.box[3], patch.area])
      const [x0, y0] = [object.box[0] - patch.box[0], object.box[1] - patch.box[1]]
      for (let y = 0; y < size; y++) {
        for (let x = 0; x < size; x++) {
          const inside = x >= x0 && x < x0 + patch.width && y >= y0 && y < y0 + patch.height
          const from = inside ? 4 * ((y - y0) * patch.width + x - x0) : -1
          const alpha = inside ? patch.pixels[from + 3]! : 0
          const ink = inside ? patch.pixels[from]! : 0
          const value = ink + (1 - alpha) * background[y * size + x]!
          const red = Math.round(255 * Math.min(Math.max(value, 0), 1))
          if (pixels[y * size + x] !== red) expect.unreachable(`${x}, ${y} of scene ${index}`)
        }
      }
    }
  })

  it('keeps objects inside, of the documented sizes, the larger ones first', () => {
    let objects = 0
    for (let index = 0; index < 25; index++) {
      for (const { box, area } of scene(index, 8).drawn) {
        const [left, top, width, height] = box
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(0)
        expect(Math.max(left + width, top + height)).toBeLessThanOrEqual(size)
        expect(Math.max(width, height)).toBeLessThanOrEqual(objectSides[1])
        expect(area).toBeLessThanOrEqual(width * height)
        objects++
      }
    }
    expect(objects).toBeGreaterThan(120)
  })

  it('hides no more of an object than allowed, and has boxes of the visible part', () => {
    const shares: number[] = []
    for (let index = 0; index < 25; index++) {
      for (const { area, whole, box } of scene(index, 8).drawn) {
        shares.push(area / whole)
        expect(box[2] * box[3]).toBeGreaterThanOrEqual(area)
      }
    }
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(1 - mostHidden)
    expect(Math.min(...shares)).toBeLessThan(0.8)
    expect(Math.max(...shares)).toBe(1)
  })

  it('leaves out objects without a free position, and shapes too thin to see', () => {
    const line = pyramidOf(
      Float32Array.from({ length: glyphSize * glyphSize * 4 }, (_, i) =>
        Math.floor(i / 4 / glyphSize) === 32 ? 1 : 0,
      ),
    )
    const wanted = Array.from({ length: 8 }, () => ({ label: 0, glyph: line }))
    const pixels = new Uint8Array(3 * size * size)
    for (let index = 0; index < 10; index++) {
      for (const { box } of drawScene(size, wanted, draws(5, 'test', 0, index), pixels)) {
        expect(Math.min(box[2], box[3])).toBeGreaterThanOrEqual(4)
      }
    }
    const nothing = pyramidOf(new Float32Array(glyphSize * glyphSize * 4))
    expect(drawScene(size, [{ label: 0, glyph: nothing }], draws(0, 'test'), pixels)).toEqual([])
  })
})
