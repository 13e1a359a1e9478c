import { createNamed } from '../base/component.ts'
import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import type { HostTensor } from '../base/tensor.ts'
import {
  type Augmentation,
  type Crop,
  drawChanges,
  jitterColours,
  normalisation,
  place,
} from './augmentation.ts'
import type { PerChannel, Split } from './dataset.ts'
import { shrinking } from './shrink.ts'
import { transforms } from './transforms/registry.ts'

/** The batch for a training or evaluation step. */
export interface Batch {
  /** float32 [N, 3, H, W], augmented and normalised. */
  readonly images: HostTensor
  /** int64 [N]. */
  readonly labels: HostTensor
  /** The images' numbers in their split. */
  readonly indices: Uint32Array
}

/** How images are normalised and augmented; `seed` and `epoch` determine the random part. */
export interface BatchOptions {
  readonly mean: PerChannel
  readonly std: PerChannel
  /** Default: only normalised. */
  readonly augmentation?: Augmentation | null | undefined
  /** Height and width to which the images are shrunk last. Default: their own. */
  readonly size?: number | undefined
  /** Number of classes, to check labels. Default: not checked. */
  readonly classes?: number | undefined
  readonly seed: number
  readonly epoch: number
  /** What the random numbers of each image are drawn for. Default: its number in the split. */
  readonly numbers?: Uint32Array | undefined
}

/** The order in which an epoch visits `length` images, a function of seed and epoch. */
export function epochOrder(length: number, seed: number, epoch: number): Uint32Array {
  return draws(seed, 'order', epoch).permutation(length)
}

/**
 * Loads, augments, normalises and shrinks some images. Augmentation of an image depends only on
 * (seed, epoch, its index), not on its batch.
 *
 * @param indices - numbers of images in the split, N of them
 * @throws MoietyError of kind `data` where an image cannot be read, or the split returns something else than pixels and integer
 *   numbers of classes; of kind `usage` for an impossible crop or size
 */
export async function makeBatch(
  split: Split,
  indices: Uint32Array | readonly number[],
  { classes, ...options }: BatchOptions,
): Promise<Batch> {
  const images = await imageBatch(split, indices, options)
  const labels = BigInt64Array.from(indices, index => labelOf(split, index, classes))
  return {
    images,
    labels: { dtype: 'int64', shape: [indices.length], data: labels },
    indices: Uint32Array.from(indices),
  }
}

/**
 * The images of a batch, whatever they are labelled with; see {@link makeBatch}.
 *
 * @returns float32 [N, 3, H, W], augmented and normalised
 */
export async function imageBatch(
  split: Pick<Split, 'load'>,
  indices: Uint32Array | readonly number[],
  { mean, std, augmentation, size: wanted, seed, epoch, numbers }: Omit<BatchOptions, 'classes'>,
): Promise<HostTensor> {
  const count = indices.length
  const pixels = checkedPixels(await split.load(indices), count)
  const perImage = count === 0 ? 0 : pixels.length / count
  const size = Math.sqrt(perImage / 3)
  const crop = augmentation?.crop
  if (crop) checkCrop(crop, size)

  const side = count === 0 ? 0 : (wanted ?? size)
  if (side !== size) checkSize(side, size)

  const scale = normalisation(mean, std)
  const shrink = side === size ? undefined : shrinking(size, side)
  const images = new Float32Array(count * 3 * side * side)
  const placed = new Float32Array(perImage)
  const coloured = new Float32Array(perImage)
  const changing = (augmentation?.transforms ?? []).map(one => createNamed(transforms, one))
  for (const [position, index] of (numbers ?? indices).entries()) {
    const raw = pixels.subarray(position * perImage, (position + 1) * perImage)
    const own = images.subarray(position * 3 * side * side, (position + 1) * 3 * side * side)
    const out = shrink === undefined ? own : placed
    const changes = augmentation ? drawChanges(augmentation, draws(seed, 'augment', epoch, index)) : unchanged
    if (changes.jitter.length > 0 || (augmentation && changing.length > 0)) {
      coloured.set(raw)
      for (const [i, change] of changing.entries())
        change(coloured, { size, draws: draws(seed, `transform.${i}`, epoch, index) })
      jitterColours(coloured, changes.jitter)
      place(coloured, size, changes, crop?.mode ?? 'zero', scale, out)
    } else {
      place(raw, size, changes, crop?.mode ?? 'zero', scale, out)
    }
    shrink?.(placed, 3, own)
  }
  return { dtype: 'float32', shape: [count, 3, side, side], data: images }
}

const unchanged = { flip: false, top: 0, left: 0, jitter: [] } as const

/** A user-defined split may return anything. */
function checkedPixels(pixels: unknown, count: number): Uint8Array {
  if (pixels instanceof Uint8Array || pixels instanceof Uint8ClampedArray) {
    const size = Math.sqrt(pixels.length / count / 3)
    if (count === 0 || (Number.isInteger(size) && size >= 1))
      return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.length)
  }
  const came =
    ArrayBuffer.isView(pixels) && 'length' in pixels
      ? `${pixels.length} values in a ${pixels.constructor.name}`
      : pixels === undefined || pixels === null
        ? 'nothing'
        : `a ${typeof pixels}`
  return fail({
    kind: 'data',
    message: `expected the pixels of ${count} square images, uint8 [${count}, 3, size, size], but got ${came}`,
    where: 'load of the split',
    help: 'return one Uint8Array: for each image all of its red values, then green, then blue, rows from the top',
  })
}

/** The class of an image. NaN and fractions have no int64, and −1 no class. */
function labelOf({ labels, length }: Split, index: number, classes: number | undefined): bigint {
  const label: unknown = labels?.[index]
  const isClass =
    typeof label === 'number' &&
    Number.isInteger(label) &&
    (classes === undefined || (label >= 0 && label < classes))
  if (isClass) return BigInt(label)
  const many = labels?.length
  return fail({
    kind: 'data',
    message:
      label === undefined
        ? `expected a class for each of ${length} images, but there are ${many === undefined ? 'none' : `${many} labels`}`
        : `expected ${classes === undefined ? 'a whole number as class' : `a class from 0 to ${classes - 1}`}, but got ${String(label)}`,
    where: `image ${index} of the split`,
    help: 'number the classes from 0 in the order of the data set’s `classes`, and leave out images that have none',
  })
}

function checkCrop({ padding, mode }: Crop, size: number): void {
  const largest = mode === 'reflect' ? size - 1 : size
  if (size > 0 && !(Number.isInteger(padding) && padding >= 0 && padding <= largest)) {
    fail({
      kind: 'usage',
      message: `expected a crop padding of 0 … ${largest} for images of ${size}×${size} (${mode}), got ${padding}`,
      where: 'augmentation.crop.padding',
      help: 'the usual padding for 32×32 images is 4',
    })
  }
}

function checkSize(wanted: number, size: number): void {
  if (!(Number.isInteger(wanted) && wanted >= 1 && wanted <= size)) {
    fail({
      kind: 'usage',
      message: `expected a size of 1 … ${size} to shrink images of ${size}×${size} to, got ${wanted}`,
      where: 'training.resizing',
      help: 'images can be shrunk for the first epochs, not enlarged',
    })
  }
}
