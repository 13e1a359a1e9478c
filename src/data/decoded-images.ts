import { fail } from '../base/errors.ts'
import { type OnProgress, pixelsInMemory, type SkippedFile, type Split } from './dataset.ts'
import { decodeImage, UnreadableImage } from './image.ts'
import type { ImageFile } from './image-files.ts'

/** How image files are decoded. */
export interface DecodingOptions {
  /** Height and width of the resized images, in pixels. */
  readonly size: number
  /** Policy for unreadable images: stop with an error, or skip and report. */
  readonly unreadable: 'stop' | 'skip'
  /** Most bytes of decoded pixels kept in memory; beyond it images are decoded on demand. Default: 1 GiB. */
  readonly memory?: number | undefined
}

/** Image files of a data set. */
export interface DecodedImages {
  /** The pixels of some of them, by their places in the list. */
  readonly load: Split['load']
  /** Those that could not be read, under `skip`. */
  readonly skipped: readonly SkippedFile[]
}

/** 1 GiB: 349,525 images of 32×32 or 7,133 of 224×224. */
const usualMemory = 2 ** 30

/**
 * Decodes image files once, now, and keeps their pixels in memory if all fit, so a damaged one is found now.
 * Otherwise they are decoded on demand; then, under `stop`, a damaged image is found when it is loaded.
 *
 * @throws MoietyError `data` for an unreadable image under `stop`; `usage` for an impossible size
 */
export async function openImages(
  files: readonly ImageFile[],
  { size, unreadable, memory = usualMemory }: DecodingOptions,
  progress?: OnProgress,
): Promise<DecodedImages> {
  checkSize(size)
  const stride = 3 * size * size
  const bytes = files.length * stride <= memory ? new Uint8Array(files.length * stride) : undefined
  const skipped =
    bytes || unreadable === 'skip' ? await decodeAll(files, { size, unreadable }, bytes, progress) : []
  const load = bytes
    ? pixelsInMemory({ bytes, stride, header: 0, size, length: files.length })
    : pixelsOnDisk(files, size)
  return { load, skipped: skipped.toSorted((a, b) => (a.path < b.path ? -1 : 1)) }
}

function checkSize(size: number): void {
  if (Number.isInteger(size) && size >= 8 && size <= 1024) return
  fail({
    kind: 'usage',
    message: `expected an image size of 8 … 1024 pixels, got ${size}`,
    where: 'data.size',
    help: '32 suits a network with a CIFAR stem, 224 one with an ImageNet stem',
  })
}

/** Number of images decoded concurrently; the decoder has its own threads. */
const concurrency = 4

/**
 * Decodes every image, into its place of `into` where that is given.
 *
 * @returns the images that could not be read, under `skip`
 */
async function decodeAll(
  files: readonly ImageFile[],
  { size, unreadable }: DecodingOptions,
  into: Uint8Array | undefined,
  progress?: OnProgress,
): Promise<readonly SkippedFile[]> {
  const skipped: SkippedFile[] = []
  for (let first = 0; first < files.length; first += concurrency) {
    const group = files.slice(first, first + concurrency)
    const images = await Promise.all(group.map(file => tryDecode(file, size)))
    for (const [i, image] of images.entries()) {
      if (image instanceof UnreadableImage) {
        if (unreadable === 'stop') stopAt(image)
        skipped.push({ path: image.path, reason: image.reason })
      } else {
        into?.set(image, (first + i) * image.length)
      }
    }
    progress?.({ done: first + group.length, total: files.length, what: 'decoding images' })
  }
  return skipped
}

async function tryDecode({ path, read }: ImageFile, size: number): Promise<Uint8Array | UnreadableImage> {
  try {
    return await decodeImage(read === undefined ? path : { bytes: await read(), name: path }, size)
  } catch (error) {
    if (error instanceof UnreadableImage) return error
    throw error
  }
}

function stopAt(image: UnreadableImage): never {
  return fail({
    kind: 'data',
    message: `expected an image that can be read, got: ${image.reason}`,
    where: image.path,
    help: 'repair or remove the file, or skip such files with --set data.unreadable=skip',
    cause: image,
  })
}

/** Decodes images on demand. */
function pixelsOnDisk(files: readonly ImageFile[], size: number): Split['load'] {
  return async indices => {
    const out = new Uint8Array(indices.length * 3 * size * size)
    const asked = Array.from(indices, index => files[index]!)
    await decodeAll(asked, { size, unreadable: 'stop' }, out)
    return out
  }
}
