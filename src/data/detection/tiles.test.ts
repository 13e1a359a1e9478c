import { describe, expect, it } from 'vitest'
import { draws } from '../../base/random.ts'
import { resample } from './resample.ts'
import { boxOnTile, jitteredTile, mosaicTiles, type Tile, wholeTile } from './tiles.ts'

const image = { index: 3, width: 64, height: 48 }
const source = (name: string) => draws(1, name)

describe('scale jitter', () => {
  it('leaves an image that becomes smaller in the corner, and moves its boxes with it', () => {
    const tile = jitteredTile(image, false, 0.5, [64, 64], source('a'))
    expect(tile).toEqual({
      ...{ index: 3, flip: false, extent: { width: 32, height: 24 }, left: 0, top: 0 },
      region: { top: 0, left: 0, bottom: 24, right: 32 },
    })
    expect(boxOnTile([8, 16, 40, 48], image, tile)).toEqual([4, 8, 20, 24])
  })

  it('crops one that becomes larger at a random place, and cuts or drops its boxes', () => {
    const tile = jitteredTile(image, false, 2, [64, 64], source('b'))
    const { extent, left, top, region } = tile
    expect(extent).toEqual({ width: 128, height: 96 })
    expect(left <= 0 && left >= -64 && top <= 0 && top >= -32).toBe(true)
    expect(region).toEqual({ top: 0, left: 0, bottom: 64, right: 64 })
    const places = new Set(
      Array.from({ length: 50 }, (_, i) => jitteredTile(image, false, 2, [64, 64], source(`c${i}`)).left),
    )
    expect(places.size).toBeGreaterThan(20)
    const at = (left: number, top: number): Tile => ({ ...tile, left, top })
    // Drawn at twice the size from (−40, −10): 20…100 by 20…60 becomes −20…60 by 10…50, of which 60 of 80 columns are seen.
    expect(boxOnTile([10, 10, 50, 30], image, at(-40, -10))).toEqual([0, 10, 60, 50])
    // Of 0…44 by 20…60 four columns of 44 are left, less than a tenth; of 0…45 five, more than that.
    expect(boxOnTile([0, 10, 22, 30], image, at(-40, -10))).toBeUndefined()
    expect(boxOnTile([0, 10, 22.5, 30], image, at(-40, -10))).toEqual([0, 10, 5, 50])
    expect(boxOnTile([0, 10, 10, 30], image, at(-40, -10))).toBeUndefined()
  })
})

describe('mosaic', () => {
  it('joins four images at half their size around a point, each cut to its quarter', () => {
    const images = [0, 1, 2, 3].map(index => ({ ...image, index }))
    const tiles = mosaicTiles(
      images,
      [64, 64],
      () => 1,
      () => false,
      source('mosaic'),
    )
    const { left: x } = tiles[1]!
    const { top: y } = tiles[2]!
    expect(x >= 16 && x <= 48 && y >= 16 && y <= 48).toBe(true)
    expect(tiles.map(({ index, left, top }) => [index, left, top])).toEqual([
      [0, x - 32, y - 24],
      [1, x, y - 24],
      [2, x - 32, y],
      [3, x, y],
    ])
    for (const { extent } of tiles) expect(extent).toEqual({ width: 32, height: 24 })
    // Together they cover no pixel twice.
    const covered = new Set<number>()
    let pixels = 0
    for (const { region } of tiles)
      for (let row = region.top; row < region.bottom; row++)
        for (let column = region.left; column < region.right; column++) {
          covered.add(64 * row + column)
          pixels++
        }
    expect(covered.size).toBe(pixels)
    expect(Math.max(...covered)).toBeLessThan(64 * 64)
    // A box of all of an image is what is shown of it.
    for (const tile of tiles) {
      const { region } = tile
      expect(boxOnTile([0, 0, 64, 48], image, tile)).toEqual([
        region.left,
        region.top,
        region.right,
        region.bottom,
      ])
    }
  })
})

describe('a box that fits', () => {
  it('stays as it is, however small, and one without an area is dropped', () => {
    expect(boxOnTile([1, 2, 1.25, 2.5], image, wholeTile(image))).toEqual([1, 2, 1.25, 2.5])
    expect(boxOnTile([1, 2, 1, 20], image, wholeTile(image))).toBeUndefined()
  })
})

describe('resampling', () => {
  const pixels = {
    width: 4,
    height: 2,
    pixels: Uint8Array.from([...[0, 40, 80, 120], ...[0, 40, 80, 120], ...new Array(16).fill(7)]),
  }
  const all = (width: number, height: number) => ({ top: 0, left: 0, bottom: height, right: width })

  it('is the image itself at its own extent', () => {
    expect([...resample(pixels, { width: 4, height: 2 }, all(4, 2))]).toEqual([...pixels.pixels])
  })

  it('interpolates between centres of pixels where it enlarges', () => {
    // torch.nn.functional.interpolate(…, size=(2, 8), mode='bilinear', antialias=True)
    const row = [...resample(pixels, { width: 8, height: 2 }, all(8, 2)).subarray(0, 8)]
    expect(row).toEqual([0, 10, 30, 50, 70, 90, 110, 120])
    expect([
      ...resample(pixels, { width: 8, height: 2 }, { top: 1, left: 2, bottom: 2, right: 5 }).subarray(0, 3),
    ]).toEqual([30, 50, 70])
  })

  it('averages with a triangle over what a pixel covers where it makes smaller', () => {
    // Weights 3, 3, 1 of 7 for the first pixel of two, as torch has them with antialias.
    const row = [...resample(pixels, { width: 2, height: 1 }, all(2, 1)).subarray(0, 2)]
    expect(row[0]).toBeCloseTo((3 * 0 + 3 * 40 + 1 * 80) / 7, 4)
    expect(row[1]).toBeCloseTo((1 * 40 + 3 * 80 + 3 * 120) / 7, 4)
  })
})
