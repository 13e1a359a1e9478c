import type { NamedOptions } from '../base/component.ts'
import type { Draws } from '../base/random.ts'
import type { PerChannel } from './dataset.ts'

/**
 * Random augmentation that preserves the class, in the order of METHOD.md §4.1: flip, colour
 * jitter, crop of the padded image, normalisation.
 */
export interface Augmentation {
  /** Probability of mirroring left and right. */
  readonly flip: number
  /** Changes of a user's own, one after the other, before all others. */
  readonly transforms?: readonly NamedOptions[] | undefined
  /** A window of the image's own size, at a random place of the image padded on all four sides. */
  readonly crop?: Crop | null | undefined
  /** Half-widths b of the factors, each uniform in [max(0, 1 − b), 1 + b]. */
  readonly jitter?: Jitter | null | undefined
}

/** A window of the image's size, cut at random from the image padded on every side. */
export interface Crop {
  /** Pixels added on each side; at most size − 1 for `reflect`. */
  readonly padding: number
  /** `zero`: black before normalisation, as torchvision pads; `reflect`: mirrored without repeating the edge. */
  readonly mode: 'zero' | 'reflect'
}

/** How much brightness, contrast and saturation vary, from 0 to 1: each is multiplied by 1 ± this. */
export interface Jitter {
  readonly brightness: number
  readonly contrast: number
  readonly saturation: number
}

/** Which random changes one image gets. */
export interface Changes {
  readonly flip: boolean
  /** Corner of the window relative to the unpadded image, each in [−padding, padding]. */
  readonly top: number
  readonly left: number
  readonly jitter: readonly ColourChange[]
}

/** One step of colour jitter; an image gets all three kinds, in random order. */
export interface ColourChange {
  readonly kind: 'brightness' | 'contrast' | 'saturation'
  readonly factor: number
}

/**
 * Draws the changes of one image. Flip and crop are drawn first, so jitter does not affect them.
 */
export function drawChanges(augmentation: Augmentation, source: Draws): Changes {
  const flip = source.uniform() < augmentation.flip
  const padding = augmentation.crop?.padding ?? 0
  const top = source.below(2 * padding + 1) - padding
  const left = source.below(2 * padding + 1) - padding
  const widths = augmentation.jitter
  if (!widths) return { flip, top, left, jitter: [] }
  const jitter = (['brightness', 'contrast', 'saturation'] as const).map(kind => ({
    kind,
    factor: source.between(Math.max(0, 1 - widths[kind]), 1 + widths[kind]),
  }))
  return { flip, top, left, jitter: Array.from(source.permutation(3), place => jitter[place]!) }
}

/**
 * torchvision's ColorJitter on a floating-point image (`transforms/_functional_tensor.py`), in place. Every step
 * blends the image with a duller one d and clamps: x ← clamp(f·x + (1 − f)·d, 0, 255), where d is black for
 * brightness, the mean luma of the image for contrast, and each pixel's luma for saturation;
 * luma = 0.2989 R + 0.587 G + 0.114 B.
 *
 * @param image - float32 [3, pixels], 0 … 255; overwritten
 */
export function jitterColours(image: Float32Array, changes: readonly ColourChange[]): void {
  for (const { kind, factor } of changes) {
    if (kind === 'brightness') blendWith(image, factor, 0)
    else if (kind === 'contrast') blendWith(image, factor, meanLuma(image))
    else blendWithLuma(image, factor)
  }
}

function blendWith(image: Float32Array, factor: number, dull: number): void {
  const offset = (1 - factor) * dull
  for (let i = 0; i < image.length; i++) image[i] = clamp(factor * image[i]! + offset)
}

function blendWithLuma(image: Float32Array, factor: number): void {
  const pixels = image.length / 3
  for (let i = 0; i < pixels; i++) {
    const red = image[i]!
    const green = image[i + pixels]!
    const blue = image[i + 2 * pixels]!
    const dull = (1 - factor) * luma(red, green, blue)
    image[i] = clamp(factor * red + dull)
    image[i + pixels] = clamp(factor * green + dull)
    image[i + 2 * pixels] = clamp(factor * blue + dull)
  }
}

function meanLuma(image: Float32Array): number {
  const pixels = image.length / 3
  let sum = 0
  for (let i = 0; i < pixels; i++) sum += luma(image[i]!, image[i + pixels]!, image[i + 2 * pixels]!)
  return sum / pixels
}

function luma(red: number, green: number, blue: number): number {
  return 0.2989 * red + 0.587 * green + 0.114 * blue
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 255)
}

/** Normalises pixels for a network: (pixel / 255 − mean) / std of its channel, as a·pixel + b. */
export interface Normalisation {
  readonly gain: PerChannel
  readonly offset: PerChannel
}

export function normalisation(mean: PerChannel, std: PerChannel): Normalisation {
  return {
    gain: [1 / (255 * std[0]), 1 / (255 * std[1]), 1 / (255 * std[2])],
    offset: [-mean[0] / std[0], -mean[1] / std[1], -mean[2] / std[2]],
  }
}

/**
 * Flips, crops and normalises one image.
 *
 * @param image - [3, size, size], 0 … 255
 * @param out - float32 [3, size, size], overwritten
 */
export function place(
  image: Uint8Array | Float32Array,
  size: number,
  changes: Changes,
  mode: 'zero' | 'reflect',
  { gain, offset }: Normalisation,
  out: Float32Array,
): void {
  const columns = sources(size, changes.left, mode)
  if (changes.flip) for (const [x, from] of columns.entries()) columns[x] = from < 0 ? from : size - 1 - from
  const rows = sources(size, changes.top, mode)
  let target = 0
  for (let channel = 0; channel < 3; channel++) {
    const a = gain[channel]!
    const b = offset[channel]!
    for (let y = 0; y < size; y++) {
      const row = rows[y]!
      const start = (channel * size + row) * size
      for (let x = 0; x < size; x++) {
        const column = columns[x]!
        const pixel = row < 0 || column < 0 ? 0 : image[start + column]!
        out[target++] = a * pixel + b
      }
    }
  }
}

/** Where each row (or column) of the window comes from in the unpadded image; −1 for black padding. */
function sources(size: number, shift: number, mode: 'zero' | 'reflect'): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => {
    const from = i + shift
    if (from >= 0 && from < size) return from
    if (mode === 'zero') return -1
    return from < 0 ? -from : 2 * (size - 1) - from
  })
}
