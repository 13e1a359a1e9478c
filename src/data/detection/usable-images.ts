import { fail } from '../../base/errors.ts'
import { quoted } from '../../files/json-reader.ts'
import type { OnProgress } from '../dataset.ts'
import {
  decodeStored,
  decodeUnturned,
  type Extent,
  type StoredPixels,
  storedExtent,
  UnreadableImage,
} from '../image.ts'
import { mapConcurrently } from '../map-concurrently.ts'
import type { DecodedPixels, Decoder, Outcome } from '../pixels/decoded-pixels.ts'
import { Problems } from '../problems.ts'
import type { BoxImage, BoxSplit } from './box-folder.ts'
import { type CanvasRule, resizedSize } from './canvas.ts'
import type { ScenePixels } from './detection-dataset.ts'
import { ImageFinder } from './image-finder.ts'
import { refuseOtherSizes } from './image-sizes.ts'
import type { SizedImage } from './sized-image.ts'

/** Policies for images that cannot be used, as in `data`. */
export interface ImagePolicy {
  readonly unreadable: 'stop' | 'skip'
  readonly implausibleBoxes: 'stop' | 'accept'
}

/** The images of a split that are there, and what was lost of it, for errors. */
export interface PresentImages {
  readonly images: readonly BoxImage[]
  /** With those that are missing. */
  readonly total: number
  readonly lost: Problems
}

/**
 * The images of a split whose files are there; folders are listed, files are not looked at.
 *
 * @throws MoietyError of kind `data` under `stop` for images that are missing
 */
export async function presentImages(
  images: readonly BoxImage[],
  { folder, root }: BoxSplit,
  { unreadable }: ImagePolicy,
  problems: Problems,
): Promise<PresentImages> {
  const finder = new ImageFinder(root)
  const lost = new Problems()
  const there: BoxImage[] = []
  for (const image of images) {
    const absence = await finder.absence(image.path)
    if (absence === undefined) there.push(image)
    else
      for (const list of [problems, lost])
        list.add(absence, folder, `${quoted(image.name)} (image ${image.id})`)
  }
  if (unreadable === 'stop' && !lost.empty)
    fail({
      kind: 'data',
      message: `expected ${images.length} images; ${lost.sentences(root).join('; ')}`,
      where: folder,
      help: 'add them, correct file_name, or skip such images with --set data.unreadable=skip',
    })
  return { images: there, total: images.length, lost }
}

/** An image with its place among the decoded ones. */
export interface PlacedImage extends SizedImage {
  readonly place: number
}

/**
 * The images of a split that can be used, with their sizes, which are read from the beginnings of files where annotations have none.
 * Under `skip` every image is decoded once.
 *
 * @param pixels - of all images of the data set; those of the split are there from `first` on
 * @throws MoietyError of kind `data`: under `stop` for images that, where they are read, are damaged; if none is left; if
 *   most are of another size than the annotations say
 */
export async function usableImages(
  { images, total, lost }: PresentImages,
  split: BoxSplit,
  pixels: DecodedPixels,
  first: number,
  { unreadable, implausibleBoxes }: ImagePolicy,
  problems: Problems,
  progress?: OnProgress,
): Promise<readonly PlacedImage[]> {
  const { folder, root } = split
  const onProgress = (what: string) => (done: number, total: number) => progress?.({ done, total, what })
  const skip = (image: BoxImage, { reason }: UnreadableImage): void => {
    const example = `${quoted(image.name)} (image ${image.id}: ${reason})`
    for (const list of [problems, lost]) list.add('unreadable', folder, example)
  }
  const sized: PlacedImage[] = []
  const places = new Map(images.map((image, i) => [image, first + i]))
  const isSized = images.every(({ width, height }) => width !== null && height !== null)
  const outcomes = await mapConcurrently(
    images,
    image => sizeOf(image, pixels.storedExtent(places.get(image)!)),
    isSized ? undefined : onProgress('reading sizes of images'),
  )
  for (const [i, outcome] of outcomes.entries()) {
    const image = images[i]!
    if (!(outcome instanceof UnreadableImage)) {
      sized.push({ ...outcome, place: first + i })
      if (split.unit === 'pixels' && (image.width === null || image.height === null))
        problems.add('missing-size', split.source, quoted(image.name))
    } else if (unreadable === 'stop') stopAt(outcome)
    else skip(image, outcome)
  }
  if (implausibleBoxes === 'stop' && split.unit === 'pixels')
    await refuseOtherSizes(sized, split.source, unreadable)
  if (unreadable === 'stop') return sized
  const checks = pixels.isCached
    ? (
        await pixels.examine(
          sized.map(({ place }) => place),
          progress,
        )
      ).map((outcome, i) => (outcome instanceof UnreadableImage ? outcome : otherSize(sized[i]!, outcome)))
    : await mapConcurrently(
        sized,
        image => decodeStored(image.path, image, checkingExtent).then(() => undefined, orUnreadable),
        onProgress('checking images'),
      )
  const kept = sized.filter((image, i) => {
    const outcome = checks[i]
    if (outcome !== undefined) skip(image, outcome)
    return outcome === undefined
  })
  if (kept.length === 0) {
    fail({
      kind: 'data',
      message: `expected images that can be read, of ${total}: ${lost
        .skipped(root)
        .map(({ reason }) => reason)
        .join('; ')}`,
      where: folder,
      help: 'is it the right folder?',
    })
  }
  return kept
}

async function sizeOf(
  { id, name, path, width, height }: BoxImage,
  known: StoredPixels['stored'] | undefined,
): Promise<SizedImage | UnreadableImage> {
  if (width !== null && height !== null) return { id, name, path, width, height, orientation: 1 }
  const extent = known ?? (await storedExtent(path).catch(orUnreadable))
  if (extent instanceof UnreadableImage) return extent
  return { id, name, path, width: extent.width, height: extent.height, orientation: extent.orientation }
}

/** To find damage the whole file must be decoded, but few pixels produced: this is the fastest way. */
const checkingExtent = { width: 32, height: 32 }

/** How images are decoded by the canvas rule. */
export function canvasDecoder(rule: CanvasRule): Decoder {
  return {
    rule: { canvas: rule },
    slot: 3 * rule.longest * rule.shortest,
    decode: source => decodeUnturned(source, stored => resizedSize(rule, stored.width, stored.height)),
  }
}

/** The pixels of a decoded image. @throws MoietyError `data` for one that cannot be read or is of another size than it should be */
export function usablePixels(image: SizedImage, outcome: Outcome): ScenePixels {
  if (outcome instanceof UnreadableImage) return stopAt(outcome)
  const other = otherSize(image, outcome.stored)
  return other === undefined ? outcome : stopAt(other)
}

function otherSize({ path, width, height }: SizedImage, found: Extent): UnreadableImage | undefined {
  if (found.width === width && found.height === height) return undefined
  return new UnreadableImage(path, `${found.width}×${found.height} pixels, not ${width}×${height}`)
}

function orUnreadable(error: unknown): UnreadableImage {
  if (error instanceof UnreadableImage) return error
  throw error
}

/** Ends the program's work at an image that cannot be read; other errors are passed on. */
function stopAt(error: unknown): never {
  const { path, reason } = orUnreadable(error)
  return fail({
    kind: 'data',
    message: `expected an image that can be read, got: ${reason}`,
    where: path,
    help: 'repair the file or its width and height in the annotations, or skip such images with --set data.unreadable=skip',
    cause: error,
  })
}
