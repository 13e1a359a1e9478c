import { describe, expect, it } from 'vitest'
import { MoietyError } from '../../base/errors.ts'
import { canvasesOf, canvasOf, canvasRule, resizedSize } from './canvas.ts'

describe('the canvas rule', () => {
  it.each([
    // 608 / 480 = 1.2667 is less than 1024 / 640 = 1.6: the shorter side decides. 640 · 1.2667 = 810.67.
    [1024, 608, 640, 480, 811, 608],
    [1024, 608, 480, 640, 608, 811],
    // 608 / 240 = 2.53, 1024 / 640 = 1.6: the longer side decides. 240 · 1.6 = 384.
    [1024, 608, 640, 240, 1024, 384],
    [1024, 608, 300, 300, 608, 608],
    // A square canvas: the longer side alone decides. 427 · 320 / 640 = 213.5, rounded up.
    [320, null, 640, 427, 320, 214],
    [320, 320, 427, 640, 214, 320],
    [128, null, 128, 128, 128, 128],
    // Never 0 pixels.
    [320, null, 2000, 1, 320, 1],
  ])(
    'with size %i and shortest %s brings %i×%i to %i×%i',
    (size, shortest, width, height, newWidth, newHeight) => {
      expect(resizedSize(canvasRule(size, shortest), width, height)).toEqual({
        width: newWidth,
        height: newHeight,
      })
    },
  )

  it.each<[number, number | null, readonly (readonly number[])[]]>([
    [320, null, [[320, 320]]],
    [320, 320, [[320, 320]]],
    [130, null, [[160, 160]]],
    [
      1024,
      608,
      [
        [608, 1024],
        [1024, 608],
      ],
    ],
    [
      1333,
      800,
      [
        [800, 1344],
        [1344, 800],
      ],
    ],
    // Rounded up to the same multiple of 32.
    [320, 300, [[320, 320]]],
  ])('with size %i and shortest %s has the canvases %j', (size, shortest, canvases) => {
    expect(canvasesOf(canvasRule(size, shortest))).toEqual(canvases)
  })

  it('sends images that are higher than wide to the portrait canvas, square ones to the landscape one', () => {
    const canvases = canvasesOf(canvasRule(1024, 608))
    const place = (width: number, height: number): number => canvasOf(canvases, { width, height })
    expect([place(10, 11), place(11, 10), place(10, 10)]).toEqual([1, 0, 0])
    expect(canvasOf([[320, 320]], { width: 10, height: 11 })).toBe(0)
  })

  it.each<[number, number | null, string]>([
    [0, null, 'data.size'],
    [31, null, 'data.size'],
    [100.5, null, 'data.size'],
    [4096, null, 'data.size'],
    [Number.NaN, null, 'data.size'],
    [320, 321, 'data.shortest'],
    [320, 0, 'data.shortest'],
    [320, 100.5, 'data.shortest'],
  ])('is refused with size %d and shortest %s', (size, shortest, where) => {
    try {
      canvasRule(size, shortest)
      expect.unreachable()
    } catch (error) {
      if (!(error instanceof MoietyError)) throw error
      expect([error.kind, error.where]).toEqual(['usage', where])
    }
  })
})
