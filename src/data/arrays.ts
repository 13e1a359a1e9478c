import { fail } from '../base/errors.ts'
import { isCount } from '../base/numbers.ts'
import { type Split, splitInMemory } from './dataset.ts'

/** Square images of one size with their classes. */
export interface ImageArrays {
  /** uint8 [N, 3, size, size]: of each image all red values, then green, then blue, rows from the top. */
  readonly pixels: Uint8Array | Uint8ClampedArray
  /** The class of each of N images, counted from 0. */
  readonly labels: ArrayLike<number>
  /** Height and width of an image in pixels. */
  readonly size: number
}

/**
 * A split whose images are arrays in memory, which it refers to.
 *
 * @throws MoietyError of kind `data` unless there are as many pixels as the labels and the size ask for, and labels are classes
 */
export function splitOfArrays({ pixels, labels, size }: ImageArrays): Split {
  const stride = 3 * size * size
  const isBytes = pixels instanceof Uint8Array || pixels instanceof Uint8ClampedArray
  const count: unknown = labels?.length
  if (!isBytes || !isCount(size) || typeof count !== 'number' || pixels.length !== count * stride) {
    const given: ArrayLike<unknown> | undefined = pixels
    const came = given === undefined ? 'none' : `a ${given.constructor.name} of ${given.length} values`
    fail({
      kind: 'data',
      message: `expected the pixels of ${count} images of ${size}×${size}, uint8 [${count}, 3, ${size}, ${size}], but ${came} came`,
      where: 'pixels',
      help: 'give a Uint8Array, of each image all red values, then green, then blue, and one label for each image',
    })
  }
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
    bytes: new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.length),
    stride,
    header: 0,
    size,
    labels: Int32Array.from(labels),
    coarse: undefined,
  })
}
