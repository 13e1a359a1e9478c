import { fail } from '../base/errors.ts'
import { isCount } from '../base/numbers.ts'
import type { Box } from './box.ts'
import { type Split, splitInMemory } from './dataset.ts'

/** Square images of one size. */
export interface PixelArrays {
  /** uint8 [N, 3, size, size]: of each image all red values, then green, then blue, rows from the top. */
  readonly pixels: Uint8Array | Uint8ClampedArray
  /** Height and width of an image in pixels. */
  readonly size: number
}

/** Square images of one size with their classes. */
export interface ImageArrays extends PixelArrays {
  /** The class of each of N images, counted from 0. */
  readonly labels: ArrayLike<number>
}

/** Square images of one size with any number of classes each. */
export interface LabelArrays extends PixelArrays {
  /** The classes of each of N images, counted from 0. */
  readonly labels: readonly (readonly number[])[]
}

/** Square images of one size with the objects in them. */
export interface BoxArrays extends PixelArrays {
  /** The objects of each of N images: x, y, width and height in pixels, within the image, and a class, counted from 0. */
  readonly objects: readonly (readonly { readonly box: Box; readonly label: number }[])[]
}

/**
 * A split whose images are arrays in memory, which it refers to.
 *
 * @throws MoietyError of kind `data` unless there are as many pixels as the labels and the size ask for, and labels are classes
 */
export function splitOfArrays({ labels, ...images }: ImageArrays): Split {
  const { bytes } = checkedPixels(images, labels?.length)
  const { size } = images
  const wrong = Array.from(labels).findIndex(
    label => !(Number.isInteger(label) && label >= 0 && label < 2 ** 31),
  )
  if (wrong !== -1) {
    fail({
      kind: 'data',
      message: `expected a whole number from 0 as class, but ${labels[wrong]} came`,
      where: `labels[${wrong}]`,
      help: 'number the classes from 0',
    })
  }
  return splitInMemory({
    bytes,
    stride: 3 * size * size,
    header: 0,
    size,
    labels: Int32Array.from(labels),
    coarse: undefined,
  })
}

/**
 * The pixels of images that are as many as their targets.
 *
 * @throws MoietyError of kind `data` unless there are as many pixels as the count and the size ask for
 */
export function checkedPixels(
  { pixels, size }: PixelArrays,
  count: unknown,
): { readonly bytes: Uint8Array; readonly length: number } {
  const isBytes = pixels instanceof Uint8Array || pixels instanceof Uint8ClampedArray
  if (isBytes && isCount(size) && typeof count === 'number' && pixels.length === count * 3 * size * size)
    return { bytes: new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.length), length: count }
  const given: ArrayLike<unknown> | undefined = pixels
  const came = given === undefined ? 'none' : `a ${given.constructor.name} of ${given.length} values`
  return fail({
    kind: 'data',
    message: `expected the pixels of ${String(count)} images of ${size}×${size}, uint8 [${String(count)}, 3, ${size}, ${size}], but ${came} came`,
    where: 'pixels',
    help: 'give a Uint8Array, of each image all red values, then green, then blue, and one label for each image',
  })
}
