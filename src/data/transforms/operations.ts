import { jitterColours } from '../augmentation.ts'
import { roundEven } from './round-even.ts'

/**
 * The operations of AutoAugment (Cubuk et al. 2019) that TrivialAugment and RandAugment choose from, as torchvision's
 * `transforms/autoaugment.py` has them (`_apply_op`): geometry takes the nearest pixel and fills with black, signed strengths.
 * All work in place on an image [3, size, size], 0 … 255. Where torchvision computes in whole numbers because its images are uint8, fractions
 * are kept here, but for posterize and equalize, whose results are whole.
 */
export type Operation = (image: Float32Array, size: number, magnitude: number) => void

const colour =
  (kind: 'brightness' | 'contrast' | 'saturation'): Operation =>
  (image, _, magnitude) =>
    jitterColours(image, [{ kind, factor: 1 + magnitude }])

export const operations = {
  identity: () => undefined,
  'shear-x': (image, size, magnitude) => resample(image, size, (x, y) => [x + magnitude * (y + 0.5), y]),
  'shear-y': (image, size, magnitude) => resample(image, size, (x, y) => [x, y + magnitude * (x + 0.5)]),
  'translate-x': (image, size, magnitude) => resample(image, size, (x, y) => [x - Math.trunc(magnitude), y]),
  'translate-y': (image, size, magnitude) => resample(image, size, (x, y) => [x, y - Math.trunc(magnitude)]),
  rotate,
  brightness: colour('brightness'),
  color: colour('saturation'),
  contrast: colour('contrast'),
  sharpness: (image, size, magnitude) => sharpen(image, size, 1 + magnitude),
  posterize: (image, _, bits) => {
    const step = 2 ** (8 - Math.trunc(bits))
    for (let i = 0; i < image.length; i++) image[i] = Math.floor(image[i]! / step) * step
  },
  solarize: (image, _, threshold) => {
    for (let i = 0; i < image.length; i++) if (image[i]! >= threshold) image[i] = 255 - image[i]!
  },
  'auto-contrast': image => eachChannel(image, stretch),
  equalize: image => eachChannel(image, equalize),
} satisfies Readonly<Record<string, Operation>>

/** What an operation is called. */
export type OperationName = keyof typeof operations

/** @param degrees - counter-clockwise, around the centre */
function rotate(image: Float32Array, size: number, degrees: number): void {
  const angle = (degrees * Math.PI) / 180
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const centre = (size - 1) / 2
  resample(image, size, (x, y) => [
    centre + cos * (x - centre) - sin * (y - centre),
    centre + sin * (x - centre) + cos * (y - centre),
  ])
}

/** Each pixel becomes the one nearest to where it is from; black where that is outside. */
function resample(
  image: Float32Array,
  size: number,
  from: (x: number, y: number) => readonly [x: number, y: number],
): void {
  const before = image.slice()
  const plane = size * size
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const [exactX, exactY] = from(x, y)
      const [column, row] = [roundEven(exactX), roundEven(exactY)]
      const isInside = column >= 0 && column < size && row >= 0 && row < size
      for (let channel = 0; channel < 3; channel++)
        image[channel * plane + y * size + x] = isInside ? before[channel * plane + row * size + column]! : 0
    }
}

/** Blends with the image smoothed by [1 1 1; 1 5 1; 1 1 1] / 13, whose edge is the image's. */
function sharpen(image: Float32Array, size: number, factor: number): void {
  const before = image.slice()
  for (let channel = 0; channel < 3; channel++)
    for (let y = 1; y < size - 1; y++)
      for (let x = 1; x < size - 1; x++) {
        const at = (channel * size + y) * size + x
        let sum = 4 * before[at]!
        for (let dy = -size; dy <= size; dy += size)
          for (let dx = -1; dx <= 1; dx++) sum += before[at + dy + dx]!
        image[at] = Math.min(255, Math.max(0, factor * before[at]! + ((1 - factor) * sum) / 13))
      }
}

function eachChannel(image: Float32Array, change: (channel: Float32Array) => void): void {
  const plane = image.length / 3
  for (let channel = 0; channel < 3; channel++) change(image.subarray(channel * plane, (channel + 1) * plane))
}

/** The darkest value becomes 0 and the brightest 255. */
function stretch(channel: Float32Array): void {
  const least = channel.reduce((a, b) => Math.min(a, b))
  const most = channel.reduce((a, b) => Math.max(a, b))
  if (least === most) return
  const scale = 255 / (most - least)
  for (let i = 0; i < channel.length; i++) channel[i] = (channel[i]! - least) * scale
}

/** Makes all values as frequent, in 256 steps. */
function equalize(channel: Float32Array): void {
  const counts = new Array<number>(256).fill(0)
  const level = (value: number): number => Math.min(255, Math.max(0, Math.round(value)))
  for (const value of channel) counts[level(value)]! += 1
  const last = counts.findLast(count => count > 0) ?? 0
  const step = Math.floor((channel.length - last) / 255)
  if (step === 0) return
  let below = 0
  const becomes = counts.map(count => {
    const value = Math.min(255, Math.floor((below + Math.floor(step / 2)) / step))
    below += count
    return value
  })
  for (let i = 0; i < channel.length; i++) channel[i] = becomes[level(channel[i]!)]!
}

/** How strong an operation may be: a number for each of `bins` steps; undefined where it has no strength. */
export interface Strength {
  readonly operation: OperationName
  readonly at?: (bin: number) => number
  /** Whether half of the images get the opposite. */
  readonly signed?: true
}

/** Evenly from one number to another. */
export function evenly(from: number, to: number, bins: number): (bin: number) => number {
  return bin => from + ((to - from) * bin) / (bins - 1)
}
