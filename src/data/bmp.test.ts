import { expect, it } from 'vitest'
import { decodeBmp } from './bmp.ts'

/** A BMP of 3×2 pixels: header, palette (blue, green, red, 0), rows from the bottom. */
function bmp(
  bits: number,
  palette: readonly number[],
  rows: readonly number[],
  change: Record<number, number> = {},
) {
  const start = 54 + palette.length
  const bytes = Buffer.alloc(start + rows.length)
  bytes.write('BM')
  const fields: Record<number, number> = {
    10: start,
    14: 40,
    18: 3,
    22: 2,
    26: 1 + bits * 65536,
    46: palette.length / 4,
    ...change,
  }
  for (const [at, value] of Object.entries(fields)) bytes.writeInt32LE(value, Number(at))
  bytes.set(palette, 54)
  bytes.set(rows, start)
  return bytes
}

const palette = [1, 2, 3, 0, 10, 20, 30, 0]
const [dark, light] = [
  [3, 2, 1],
  [30, 20, 10],
] as const
// Upper row: light, dark, light; lower row: dark, dark, light.
const expected = [light, dark, light, dark, dark, light].flat()

it.each([
  [1, palette, [0b00100000, 0, 0, 0, 0b10100000, 0, 0, 0]],
  [4, palette, [0x00, 0x10, 0, 0, 0x10, 0x10, 0, 0]],
  [8, palette, [0, 0, 1, 0, 1, 0, 1, 0]],
  [24, [], [1, 2, 3, 1, 2, 3, 10, 20, 30, 0, 0, 0, 10, 20, 30, 1, 2, 3, 10, 20, 30, 0, 0, 0]],
  [32, [], [1, 2, 3, 0, 1, 2, 3, 0, 10, 20, 30, 0, 10, 20, 30, 0, 1, 2, 3, 0, 10, 20, 30, 0]],
])('reads %i bits a pixel', (bits, colours, rows) => {
  const { width, height, pixels } = decodeBmp(bmp(bits, colours, rows), 100)
  expect([width, height, [...pixels]]).toEqual([3, 2, expected])
  const half = rows.length / 2
  const turned = [...rows.slice(half), ...rows.slice(0, half)]
  expect([...decodeBmp(bmp(bits, colours, turned, { 22: -2 }), 100).pixels]).toEqual(expected)
})

it.each([
  [{ 18: 30_000, 22: 30_000 }, '900000000 pixels, more than 100'],
  [{ 18: 9 }, 'ends too early'],
  [{ 22: 0 }, 'a BMP of 3×0 pixels'],
  [{ 30: 1 }, 'compressed: save it as PNG'],
  [{ 26: 1 + 16 * 65536 }, 'a BMP of 16 bits a pixel: save it as PNG'],
  [{ 14: 12 }, 'without a known header'],
])('refuses %j', (change, message) => {
  const rows = new Array<number>(24).fill(1)
  expect(() => decodeBmp(bmp(24, [], rows, change), 100)).toThrow(message)
})

it('refuses a colour that the palette does not have', () => {
  expect(() => decodeBmp(bmp(8, palette, [0, 0, 2, 0, 0, 0, 0, 0]), 100)).toThrow(
    'a colour 2 of a palette of 2',
  )
})
