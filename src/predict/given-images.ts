import { fail } from '../base/errors.ts'
import { inOrder } from '../base/in-order.ts'
import { decodeStored, type Extent, formats, storedExtent, UnreadableImage } from '../data/image.ts'

/** An image to predict. Its extent is that of the stored image. */
export interface GivenImage extends Extent {
  readonly path: string
  /** Whether its EXIF asks to have it turned or mirrored. */
  readonly turned: boolean
}

/** How many files are decoded at a time. */
const together = 4

/** A file that is left out because it cannot be read as an image. */
export interface SkippedImage {
  readonly path: string
  readonly reason: string
}

/**
 * Checks that images can be decoded: each is, once, into few pixels that are not kept.
 *
 * @param unreadable - `skip` leaves out the files that cannot be
 * @throws MoietyError `data` that names every file that cannot be decoded, under `skip` if none can
 */
export async function checkedImages(
  paths: readonly string[],
  unreadable: 'stop' | 'skip',
  onProgress: (done: number, total: number) => void,
): Promise<{ readonly images: readonly GivenImage[]; readonly skipped: readonly SkippedImage[] }> {
  const images: GivenImage[] = []
  const bad: UnreadableImage[] = []
  const check = (i: number) => checkedImage(paths[i]!).catch(orUnreadable)
  for await (const image of inOrder(paths.length, together, check)) {
    if (image instanceof UnreadableImage) bad.push(image)
    else images.push(image)
    onProgress(images.length + bad.length, paths.length)
  }
  if (bad.length > 0 && (unreadable === 'stop' || images.length === 0)) refuseUnreadable(bad)
  return { images, skipped: bad.map(({ path, reason }) => ({ path, reason })) }
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
    help: `give ${formats} files, or leave out what cannot be read with --skip-unreadable`,
    cause: first,
  })
}
