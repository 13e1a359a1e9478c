import { createHash } from 'node:crypto'
import type { OnProgress } from '../dataset.ts'
import { examineImage, mostBytes, readImageFile, UnreadableImage } from '../image.ts'
import type { ImageFile } from '../image-files.ts'
import type { CheckedImage, ListedImage } from './checked-images.ts'

/** Images that are read at a time: enough for the decoder's threads, and at most 8 files are in memory. */
const together = 8

/** The bytes of an image, wherever it lies. @throws UnreadableImage */
export async function bytesOfImage({ path, read }: ImageFile): Promise<Uint8Array> {
  const bytes = read === undefined ? await readImageFile(path) : await read()
  if (bytes.length > mostBytes)
    throw new UnreadableImage(path, `${bytes.length} bytes, more than ${mostBytes}`)
  return bytes
}

/** How a pass over images is observed and ended. */
export interface PassOptions {
  readonly progress?: OnProgress | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads every image once: its hash, what its header says, and by decoding it whether it is damaged.
 *
 * @param onUnreadable - called for each that cannot be read, in order
 * @returns the others
 */
export async function inspectImages<I extends ListedImage>(
  images: readonly I[],
  onUnreadable: (image: I, reason: string) => void,
  { progress, signal }: PassOptions,
): Promise<(I & CheckedImage)[]> {
  const checked: (I & CheckedImage)[] = []
  for (let first = 0; first < images.length; first += together) {
    signal?.throwIfAborted()
    const group = images.slice(first, first + together)
    const outcomes = await Promise.all(group.map(inspect))
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome instanceof UnreadableImage) onUnreadable(group[i]!, outcome.reason)
      else checked.push(outcome)
    }
    progress?.({ done: first + group.length, total: images.length, what: 'checking images' })
  }
  return checked
}

async function inspect<I extends ListedImage>(image: I): Promise<(I & CheckedImage) | UnreadableImage> {
  try {
    const bytes = await bytesOfImage(image)
    const hash = createHash('sha256').update(bytes).digest('base64')
    return { ...image, hash, ...(await examineImage({ bytes, name: image.path })) }
  } catch (cause) {
    if (cause instanceof UnreadableImage) return cause
    throw cause
  }
}
