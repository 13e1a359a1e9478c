import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { drawImage, drawingVersion, glyphSize } from './drawing.ts'

/** A white disc of half the glyph's width, premultiplied. */
const disc = Float32Array.from({ length: glyphSize * glyphSize * 4 }, (_, i) => {
  const pixel = Math.floor(i / 4)
  const [x, y] = [pixel % glyphSize, Math.floor(pixel / glyphSize)]
  return Math.hypot(x - 31.5, y - 31.5) < 16 ? 1 : 0
})
const nothing = new Float32Array(glyphSize * glyphSize * 4)

function drawn(glyph: Float32Array, index: number): Uint8Array {
  const out = new Uint8Array(3072)
  drawImage(glyph, draws(1, 'test', 0, index), out)
  return out
}

describe('drawImage', () => {
  it('draws the same for the same version, on every machine', () => {
    const hash = createHash('sha256')
    for (let index = 0; index < 8; index++) hash.update(drawn(disc, index))
    // A change of the drawing must raise the version, or cached drawings would still be used.
    expect([drawingVersion, hash.digest('hex').slice(0, 16)]).toEqual([1, '0bac213596623e9f'])
  })

  it('draws the glyph near the middle and its background around it', () => {
    for (let index = 0; index < 20; index++) {
      const [withDisc, without] = [drawn(disc, index), drawn(nothing, index)]
      const changed = Array.from({ length: 1024 }, (_, i) =>
        [0, 1024, 2048].some(plane => withDisc[plane + i] !== without[plane + i]),
      )
      // A disc of radius 16 of 64, at a scale of 0.7 … 1.1 of 32 pixels: radius 5.6 … 8.8.
      expect(changed.filter(Boolean).length).toBeGreaterThan(Math.PI * 5 ** 2)
      expect(changed.filter(Boolean).length).toBeLessThan(Math.PI * 10 ** 2)
      for (const corner of [0, 31, 31 * 32, 1023]) expect(changed[corner]).toBe(false)
    }
  })

  it('draws backgrounds that differ from image to image', () => {
    expect(new Set(Array.from({ length: 50 }, (_, index) => drawn(nothing, index).join())).size).toBe(50)
  })
})
