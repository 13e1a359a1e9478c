import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { inOrder } from '../base/in-order.ts'
import { decodeStored, type Extent, storedExtent, UnreadableImage } from '../data/image.ts'
import { imageEndings, isImageName } from '../data/image-names.ts'
import { isJunkFile } from '../data/junk-files.ts'
import { kindOf, reasonOf, rethrowExhausted } from '../files/disk.ts'

/** An image to predict. Its extent is that of the stored image. */
export interface GivenImage extends Extent {
  readonly path: string
  /** Whether its EXIF asks to have it turned or mirrored. */
  readonly turned: boolean
}

/** How many files are decoded at a time. */
const together = 4

/**
 * The images that paths stand for: files as they are, and in the place of a folder the files in it that end like images, by
 * name, without junk; folders in folders are passed over.
 *
 * @throws MoietyError `data` for a folder without an image, or one that cannot be listed
 */
export function imageFiles(paths: readonly string[]): string[] {
  return paths.flatMap(path => (kindOf(path) === 'folder' ? imagesIn(path) : [path]))
}

/**
 * Checks that images can be decoded: each is, once, into few pixels that are not kept.
 *
 * @throws MoietyError `data` that names every file that cannot be
 */
export async function checkedImages(
  paths: readonly string[],
  onProgress: (done: number, total: number) => void,
): Promise<GivenImage[]> {
  const images: GivenImage[] = []
  const bad: UnreadableImage[] = []
  const check = (i: number) => checkedImage(paths[i]!).catch(orUnreadable)
  for await (const image of inOrder(paths.length, together, check)) {
    if (image instanceof UnreadableImage) bad.push(image)
    else images.push(image)
    onProgress(images.length + bad.length, paths.length)
  }
  return bad.length === 0 ? images : refuseUnreadable(bad)
}

/**
 * Decodes some images, a few at a time.
 *
 * @throws MoietyError `data` for a file that has changed since {@link checkedImages}
 */
export async function decodeImages<I, T>(
  images: readonly I[],
  decode: (image: I) => Promise<T>,
): Promise<T[]> {
  const decoded: T[] = []
  const decodeOne = (i: number) => decode(images[i]!).catch(orUnreadable)
  for await (const one of inOrder(images.length, together, decodeOne)) {
    if (one instanceof UnreadableImage) refuseUnreadable([one])
    else decoded.push(one)
  }
  return decoded
}

/** A JPEG is decoded faster into an eighth of its size, but to its end. */
async function checkedImage(path: string): Promise<GivenImage> {
  const { width, height, turned } = await storedExtent(path)
  const extent = { width, height }
  await decodeStored(path, extent, { width: Math.ceil(width / 8), height: Math.ceil(height / 8) })
  return { path, ...extent, turned }
}

function orUnreadable(error: unknown): UnreadableImage {
  if (error instanceof UnreadableImage) return error
  throw error
}

function refuseUnreadable([first, ...others]: readonly UnreadableImage[]): never {
  return fail({
    kind: 'data',
    message: `an image cannot be read: ${first!.reason}${others.length === 0 ? '' : `; and ${others.length} more:`}`,
    details: others.map(({ message }) => `  ${message}`),
    where: first!.path,
    help: 'give JPEG, PNG or WebP files, or a folder of them',
    cause: first,
  })
}

function imagesIn(folder: string): string[] {
  const names = listing(folder)
    .filter(name => isImageName(name) && !isJunkFile(name, 'file'))
    .sort()
  if (names.length > 0) return names.map(name => join(folder, name))
  return fail({
    kind: 'data',
    message: `expected images in the folder, got no file that ends in ${imageEndings.map(ending => `.${ending}`).join(', ')}`,
    where: folder,
    help: 'give the folder that holds the images themselves, or their files',
  })
}

function listing(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(entry => !entry.isDirectory())
      .map(({ name }) => name)
  } catch (cause) {
    rethrowExhausted(cause, 'list', folder)
    return fail({
      kind: 'data',
      message: `expected a folder that can be listed, got: ${reasonOf(cause)}`,
      where: folder,
      help: 'check its permissions',
      cause,
    })
  }
}
