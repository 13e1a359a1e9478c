import { fail } from '../../base/errors.ts'
import { quoted } from '../../files/json-reader.ts'
import type { OnProgress } from '../dataset.ts'
import { decodeStored, storedExtent, UnreadableImage } from '../image.ts'
import type { ProblemKind } from '../problem-kinds.ts'
import { Problems } from '../problems.ts'
import type { BoxImage, BoxSplit } from './box-folder.ts'
import { type CanvasRule, resizedSize } from './canvas.ts'
import type { ScenePixels } from './detection-dataset.ts'
import { ImageFinder } from './image-finder.ts'
import { refuseOtherSizes } from './image-sizes.ts'
import { mapConcurrently } from './map-concurrently.ts'
import type { SizedImage } from './sized-image.ts'

/** Policies for images that cannot be used, as in `data`. */
export interface ImagePolicy {
  readonly unreadable: 'stop' | 'skip'
  readonly implausibleBoxes: 'stop' | 'accept'
}

/**
 * The images of a split that can be used, with their sizes, which are read from the beginnings of files where annotations have none.
 * Under `skip` every image is decoded once.
 *
 * @throws MoietyError of kind `data`: under `stop` for images that are missing or, where they are read, damaged; if none is left; if
 *   most are of another size than the annotations say
 */
export async function usableImages(
  images: readonly BoxImage[],
  split: BoxSplit,
  { unreadable, implausibleBoxes }: ImagePolicy,
  problems: Problems,
  progress?: OnProgress,
): Promise<readonly SizedImage[]> {
  const { folder, root } = split
  const finder = new ImageFinder(root)
  const lost = new Problems()
  const report = (kind: ProblemKind, example: string): void => {
    problems.add(kind, folder, example)
    lost.add(kind, folder, example)
  }
  const there: BoxImage[] = []
  for (const image of images) {
    const absence = await finder.absence(image.path)
    if (absence === undefined) there.push(image)
    else report(absence, `${quoted(image.name)} (image ${image.id})`)
  }
  if (unreadable === 'stop' && !lost.empty)
    fail({
      kind: 'data',
      message: `expected ${images.length} images; ${lost.sentences(root).join('; ')}`,
      where: folder,
      help: 'add them, correct file_name, or skip such images with --set data.unreadable=skip',
    })
  const onProgress = (what: string) => (done: number, total: number) => progress?.({ done, total, what })
  const skip = (image: BoxImage, { reason }: UnreadableImage): void =>
    report('unreadable', `${quoted(image.name)} (image ${image.id}: ${reason})`)
  const sized: SizedImage[] = []
  const isSized = there.every(({ width, height }) => width !== null && height !== null)
  const outcomes = await mapConcurrently(
    there,
    sizeOf,
    isSized ? undefined : onProgress('reading sizes of images'),
  )
  for (const [i, outcome] of outcomes.entries()) {
    const image = there[i]!
    if (!(outcome instanceof UnreadableImage)) {
      sized.push(outcome)
      if (split.unit === 'pixels' && (image.width === null || image.height === null))
        problems.add('missing-size', split.source, quoted(image.name))
    } else if (unreadable === 'stop') stopAt(outcome)
    else skip(image, outcome)
  }
  if (implausibleBoxes === 'stop' && split.unit === 'pixels')
    await refuseOtherSizes(sized, split.source, unreadable)
  if (unreadable === 'stop') return sized
  const checks = await mapConcurrently(
    sized,
    image => decode(image, checkingRule).then(() => undefined, orUnreadable),
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
      message: `expected images that can be read, of ${images.length}: ${lost
        .skipped(root)
        .map(({ reason }) => reason)
        .join('; ')}`,
      where: folder,
      help: 'is it the right folder?',
    })
  }
  return kept
}

async function sizeOf(image: BoxImage): Promise<SizedImage | UnreadableImage> {
  const { id, name, path, width, height } = image
  if (width !== null && height !== null) return { id, name, path, width, height, orientation: 1 }
  const extent = await storedExtent(path).catch(orUnreadable)
  if (extent instanceof UnreadableImage) return extent
  return { id, name, path, width: extent.width, height: extent.height, orientation: extent.orientation }
}

/** To find damage the whole file must be decoded, but few pixels produced: this is the fastest way. */
const checkingRule: CanvasRule = { longest: 32, shortest: 32 }

/** An image's pixels by the canvas rule. @throws UnreadableImage */
export async function decode(image: SizedImage, rule: CanvasRule): Promise<ScenePixels> {
  const wanted = resizedSize(rule, image.width, image.height)
  return { pixels: await decodeStored(image.path, image, wanted), ...wanted }
}

function orUnreadable(error: unknown): UnreadableImage {
  if (error instanceof UnreadableImage) return error
  throw error
}

/** Ends the program's work at an image that cannot be read; other errors are passed on. */
export function stopAt(error: unknown): never {
  const { path, reason } = orUnreadable(error)
  return fail({
    kind: 'data',
    message: `expected an image that can be read, got: ${reason}`,
    where: path,
    help: 'repair the file or its width and height in the annotations, or skip such images with --set data.unreadable=skip',
    cause: error,
  })
}
