import { describe, expect, it } from 'vitest'
import { type OperationName, operations } from './operations.ts'
import { strengths } from './rand-augment.ts'
import { enlarge } from './random-resized-crop.ts'
import { wide } from './trivial-augment.ts'

/** What torchvision 0.28 made of the same image (`_apply_op`, nearest, fill 0): the red channel. Colours of the image as floats. */
const golden: readonly [OperationName, number, readonly number[]][] = [
  [
    'shear-x',
    0.4,
    [0, 48, 118, 210, 68, 106, 30, 232, 200, 0, 202, 236, 36, 114, 0, 80, 224, 134, 66, 0, 250, 14, 56, 0, 0],
  ],
  [
    'shear-y',
    -0.4,
    [
      0, 0, 0, 0, 0, 204, 48, 118, 210, 0, 190, 106, 30, 232, 68, 214, 202, 236, 36, 200, 20, 80, 224, 134,
      114,
    ],
  ],
  [
    'translate-x',
    1.7,
    [
      0, 0, 48, 118, 210, 0, 204, 106, 30, 232, 0, 190, 202, 236, 36, 0, 214, 80, 224, 134, 0, 20, 252, 250,
      14,
    ],
  ],
  [
    'translate-y',
    -2,
    [190, 202, 236, 36, 114, 214, 80, 224, 134, 66, 20, 252, 250, 14, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ],
  [
    'rotate',
    30,
    [
      0, 118, 210, 200, 0, 48, 30, 30, 36, 114, 204, 202, 236, 36, 66, 190, 202, 224, 224, 14, 0, 214, 252,
      250, 0,
    ],
  ],
  [
    'rotate',
    -100,
    [
      20, 214, 190, 204, 0, 252, 80, 202, 106, 48, 250, 224, 236, 30, 118, 14, 134, 36, 232, 210, 56, 66, 114,
      200, 68,
    ],
  ],
  [
    'posterize',
    3,
    [
      0, 32, 96, 192, 64, 192, 96, 0, 224, 192, 160, 192, 224, 32, 96, 192, 64, 224, 128, 64, 0, 224, 224, 0,
      32,
    ],
  ],
  [
    'solarize',
    100,
    [0, 48, 137, 45, 68, 51, 149, 30, 23, 55, 65, 53, 19, 36, 141, 41, 80, 31, 121, 66, 20, 3, 5, 14, 56],
  ],
  [
    'auto-contrast',
    0,
    [
      0, 48, 119, 212, 68, 206, 107, 30, 234, 202, 192, 204, 238, 36, 115, 216, 80, 226, 135, 66, 20, 255,
      252, 14, 56,
    ],
  ],
  [
    'equalize',
    0,
    [
      0, 48, 118, 210, 68, 204, 106, 30, 232, 200, 190, 202, 236, 36, 114, 214, 80, 224, 134, 66, 20, 252,
      250, 14, 56,
    ],
  ],
  [
    'sharpness',
    0.6,
    [
      0.0, 48.0, 118.0, 210.0, 68.0, 204.0, 97.692, 0.0, 255.0, 200.0, 190.0, 217.323, 255.0, 0.0, 114.0,
      214.0, 36.246, 251.138, 137.508, 66.0, 20.0, 252.0, 250.0, 14.0, 56.0,
    ],
  ],
  [
    'brightness',
    -0.3,
    [
      0.0, 33.6, 82.6, 147.0, 47.6, 142.8, 74.2, 21.0, 162.4, 140.0, 133.0, 141.4, 165.2, 25.2, 79.8, 149.8,
      56.0, 156.8, 93.8, 46.2, 14.0, 176.4, 175.0, 9.8, 39.2,
    ],
  ],
  [
    'color',
    0.5,
    [
      0.0, 27.627, 97.631, 255.0, 47.628, 198.227, 85.63, 9.626, 255.0, 194.227, 184.226, 196.227, 255.0,
      15.627, 93.631, 255.0, 59.629, 255.0, 113.632, 45.628, 0.0, 255.0, 255.0, 0.0, 35.628,
    ],
  ],
  [
    'contrast',
    -0.5,
    [
      58.99, 82.99, 117.99, 163.99, 92.99, 160.99, 111.99, 73.99, 174.99, 158.99, 153.99, 159.99, 176.99,
      76.99, 115.99, 165.99, 98.99, 170.99, 125.99, 91.99, 68.99, 184.99, 183.99, 65.99, 86.99,
    ],
  ],
]

const image = Float32Array.from({ length: 75 }, (_, at) => {
  const [channel, i] = [Math.floor(at / 25), at % 25]
  return (37 * i + 11 * i * i + channel * 50) % 256
})

describe('operations', () => {
  it.each(golden)('%s of %d is that of torchvision', (name, magnitude, expected) => {
    const changed = image.slice()
    operations[name](changed, 5, magnitude)
    // torchvision stretches whole numbers, and cuts what is behind the point off.
    const tolerance = name === 'auto-contrast' ? 1 : 0.011
    for (const [i, value] of expected.entries())
      expect(Math.abs(changed[i]! - value), `${i}: ${changed[i]} instead of ${value}`).toBeLessThanOrEqual(
        tolerance,
      )
  })

  it('equalize is that of torchvision for an image with enough pixels', () => {
    const channel = Array.from({ length: 576 }, (_, i) => ((7 * i * i + 3 * i) % 64) + 90)
    const changed = Float32Array.from([...channel, ...channel, ...channel])
    operations.equalize(changed)
    expect([...changed.slice(0, 40)]).toEqual([
      0, 45, 153, 36, 255, 255, 63, 198, 108, 81, 117, 216, 90, 27, 27, 90, 216, 117, 81, 108, 198, 63, 255,
      255, 36, 153, 45, 0, 18, 99, 243, 162, 144, 189, 9, 180, 126, 135, 207, 54,
    ])
    expect(changed.reduce((a, b) => a + b)).toBe(238626)
  })

  it('have the strengths of torchvision', () => {
    const of = (name: string, all: typeof wide) =>
      Array.from({ length: 31 }, (_, bin) => all.find(({ operation }) => operation === name)!.at!(bin))
    expect(of('posterize', wide)).toEqual([
      8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2,
    ])
    expect(of('posterize', strengths(32))).toEqual([
      8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4,
    ])
    expect(of('translate-x', strengths(32))[9]).toBeCloseTo(4.35045, 5)
  })
})

it('a window is enlarged as torchvision does', () => {
  const out = new Float32Array(75)
  enlarge(image, 5, { top: 1, left: 0, height: 3, width: 4 }, out)
  for (const [i, value] of [
    204.0, 135.4, 68.0, 90.6, 232.0, 198.4, 160.6, 128.4, 124.76, 153.6, 190.0, 198.4, 219.0, 176.0, 36.0,
    204.4, 151.48, 178.8, 188.6, 94.8, 214.0, 120.2, 152.0, 197.0, 134.0,
  ].entries())
    expect(out[i]).toBeCloseTo(value, 2)
})
