import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import {
  type Augmentation,
  type Changes,
  drawChanges,
  jitterColours,
  normalisation,
  place,
} from './augmentation.ts'

/** Unnormalised pixels, so that expected values are easy to see. */
const asIs = { gain: [1, 1, 1], offset: [0, 0, 0] } as const
const still: Changes = { flip: false, top: 0, left: 0, jitter: [] }

/** One 3×3 channel 1 … 9, row by row; the others black. */
const digits = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, ...new Array<number>(18).fill(0)])

function placed(changes: Partial<Changes>, mode: 'zero' | 'reflect' = 'zero'): number[][] {
  const out = new Float32Array(27)
  place(digits, 3, { ...still, ...changes }, mode, asIs, out)
  return [0, 3, 6].map(row => [...out.subarray(row, row + 3)])
}

describe('place', () => {
  it('returns an image unchanged without changes', () => {
    expect(placed({})).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ])
  })

  it('mirrors left and right', () => {
    expect(placed({ flip: true })).toEqual([
      [3, 2, 1],
      [6, 5, 4],
      [9, 8, 7],
    ])
  })

  it('shifts black in from outside under zero padding', () => {
    expect(placed({ top: -1, left: 2 })).toEqual([
      [0, 0, 0],
      [3, 0, 0],
      [6, 0, 0],
    ])
  })

  it('mirrors at the edge without repeating it under reflect padding', () => {
    expect(placed({ top: -1, left: 2 }, 'reflect')).toEqual([
      [6, 5, 4],
      [3, 2, 1],
      [6, 5, 4],
    ])
  })

  it('flips first and crops the flipped image, as in METHOD.md §4.1', () => {
    expect(placed({ flip: true, left: 1 })).toEqual([
      [2, 1, 0],
      [5, 4, 0],
      [8, 7, 0],
    ])
  })

  it('pads with black before normalisation, so padding becomes −mean/std', () => {
    const out = new Float32Array(27)
    place(digits, 3, { ...still, left: 3 }, 'zero', normalisation([0.5, 0.25, 0], [0.25, 0.5, 1]), out)
    expect([...out.subarray(0, 9)]).toEqual(new Array(9).fill(-2))
    expect([...out.subarray(9, 18)]).toEqual(new Array(9).fill(-0.5))
    expect([...out.subarray(18)]).toEqual(new Array(9).fill(0))
  })

  it('normalises each channel as (pixel / 255 − mean) / std', () => {
    const out = new Float32Array(3)
    place(Uint8Array.of(255, 51, 0), 1, still, 'zero', normalisation([0.5, 0.2, 0.1], [0.25, 0.5, 0.1]), out)
    expect(out[0]).toBeCloseTo(2, 6)
    expect(out[1]).toBeCloseTo(0, 6)
    expect(out[2]).toBeCloseTo(-1, 6)
  })
})

describe('jitterColours', () => {
  /** Two pixels: (100, 200, 50) with luma 29.89 + 117.4 + 5.7 = 152.99, and (0, 0, 0). */
  const image = (): Float32Array => Float32Array.of(100, 0, 200, 0, 50, 0)
  const near = (found: Float32Array, expected: readonly number[]): void => {
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 3)
  }

  it('scales brightness and clamps at white', () => {
    const x = image()
    jitterColours(x, [{ kind: 'brightness', factor: 1.3 }])
    near(x, [130, 0, 255, 0, 65, 0])
  })

  it('blends with the mean luma of the image for contrast', () => {
    const x = image()
    jitterColours(x, [{ kind: 'contrast', factor: 0.8 }])
    // Mean luma 76.495, a fifth of it 15.299.
    near(x, [95.299, 15.299, 175.299, 15.299, 55.299, 15.299])
  })

  it('blends every pixel with its own luma for saturation, and clamps at black', () => {
    const x = image()
    jitterColours(x, [{ kind: 'saturation', factor: 1.5 }])
    // 1.5·x − 0.5·152.99: 73.505, 223.505, −1.495.
    near(x, [73.505, 0, 223.505, 0, 0, 0])
  })

  it('makes the three changes in the order given', () => {
    const brightFirst = image()
    const contrastFirst = image()
    const bright = { kind: 'brightness', factor: 1.4 } as const
    const contrast = { kind: 'contrast', factor: 0.5 } as const
    jitterColours(brightFirst, [bright, contrast])
    jitterColours(contrastFirst, [contrast, bright])
    // Bright first: (140, 255, 70) clamped, luma 41.846 + 149.685 + 7.98 = 199.511, mean 99.7555, half 49.87775.
    near(brightFirst, [119.87775, 49.87775, 177.37775, 49.87775, 84.87775, 49.87775])
    // Contrast first: 0.5·x + 38.2475, then · 1.4.
    near(contrastFirst, [123.5465, 53.5465, 193.5465, 53.5465, 88.5465, 53.5465])
  })
})

describe('drawChanges', () => {
  const all: Augmentation = {
    flip: 0.5,
    crop: { padding: 4, mode: 'zero' },
    jitter: { brightness: 0.3, contrast: 0.2, saturation: 1.5 },
  }
  const many = Array.from({ length: 4000 }, (_, i) => drawChanges(all, draws(1, 'augment', 0, i)))

  it('draws every window of the padded image, flips half of the images, uses every order', () => {
    expect(new Set(many.map(({ top, left }) => `${top} ${left}`)).size).toBe(81)
    expect(Math.max(...many.map(({ top }) => Math.abs(top)))).toBe(4)
    expect(many.filter(({ flip }) => flip).length / many.length).toBeCloseTo(0.5, 1)
    expect(new Set(many.map(({ jitter }) => jitter.map(({ kind }) => kind).join())).size).toBe(6)
  })

  it('draws factors in [max(0, 1 − b), 1 + b], each of the three kinds once', () => {
    for (const [kind, low, high] of [
      ['brightness', 0.7, 1.3],
      ['contrast', 0.8, 1.2],
      ['saturation', 0, 2.5],
    ] as const) {
      const factors = many.map(({ jitter }) => jitter.filter(change => change.kind === kind))
      expect(factors.every(found => found.length === 1)).toBe(true)
      const values = factors.map(([change]) => change!.factor)
      expect(Math.min(...values)).toBeGreaterThanOrEqual(low)
      expect(Math.min(...values)).toBeLessThan(low + 0.01 * (high - low))
      expect(Math.max(...values)).toBeLessThan(high)
      expect(Math.max(...values)).toBeGreaterThan(high - 0.01 * (high - low))
    }
  })

  it('draws the same flip and window whether or not there is jitter', () => {
    const { jitter: _, ...plain } = all
    const changes = drawChanges(plain, draws(1, 'augment', 0, 17))
    expect({ ...many[17], jitter: [] }).toEqual(changes)
  })
})
