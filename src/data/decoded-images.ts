import { fail } from '../base/errors.ts'
import type { OnProgress, SkippedFile, Split } from './dataset.ts'
import { beginsAsImage, decodeImage, UnreadableImage } from './image.ts'
import type { ImageFile } from './image-files.ts'
import type { CacheOptions } from './pixels/cache-options.ts'
import { DecodedPixels, type Decoder, type Outcome } from './pixels/decoded-pixels.ts'
import type { ImageStates } from './pixels/image-states.ts'
import { scan } from './pixels/scan.ts'

/** How image files are decoded. */
export interface DecodingOptions extends CacheOptions {
  /** Height and width of the resized images, in pixels. */
  readonly size: number
  /** Policy for unreadable images: stop with an error, or skip and report. */
  readonly unreadable: 'stop' | 'skip'
  /** Most bytes of decoded pixels kept in memory, where there is no cache; beyond it images are decoded whenever they are needed. Default: 1 GiB. */
  readonly memory?: number | undefined
  /** Of the files, see `contentIdentity`. */
  readonly content: string
  readonly states: ImageStates
  /** What they are images of, for lists of caches. */
  readonly title: string
}

/** Image files of a data set. */
export interface DecodedImages {
  /** The pixels of some of them, by their places in the list. */
  readonly load: Split['load']
  /** Those that could not be read, under `skip`. */
  readonly skipped: readonly SkippedFile[]
  /** About the cache. */
  readonly notices: readonly string[]
}

/** 1 GiB: 349,525 images of 32×32 or 7,133 of 224×224. */
const usualMemory = 2 ** 30

/**
 * Opens image files: each is decoded when it is first needed, and kept in the cache. Under `stop` only the beginnings of files are
 * read now, so that a file that is no image is found now, and one that is damaged further on when it is loaded. Under `skip` every
 * image is decoded now that the cache does not have.
 *
 * @throws MoietyError `data` for an unreadable image under `stop`; `usage` for an impossible size
 */
export async function openImages(
  files: readonly ImageFile[],
  { size, unreadable, memory = usualMemory, ...options }: DecodingOptions,
  progress?: OnProgress,
): Promise<DecodedImages> {
  checkSize(size)
  const pixels = DecodedPixels.open(files, squareDecoder(size), { ...options, memory, progress })
  const load: Split['load'] = async images => {
    const outcomes = await pixels.load(images)
    const out = new Uint8Array(outcomes.length * 3 * size * size)
    for (const [at, outcome] of outcomes.entries()) out.set(pixelsOf(outcome), at * 3 * size * size)
    return out
  }
  const skipped: SkippedFile[] = []
  if (unreadable === 'stop') await checkBeginnings(files, pixels, progress)
  else {
    const all = files.map((_, image) => image)
    for (const outcome of await pixels.examine(all, progress))
      if (outcome instanceof UnreadableImage) skipped.push({ path: outcome.path, reason: outcome.reason })
  }
  return {
    load,
    skipped: skipped.sort((a, b) => (a.path < b.path ? -1 : 1)),
    notices: pixels.note === undefined ? [] : [pixels.note],
  }
}

function squareDecoder(size: number): Decoder {
  return {
    rule: { square: size },
    slot: 3 * size * size,
    decode: async source => ({
      pixels: await decodeImage(source, size),
      ...{ width: size, height: size },
      // Nobody asks for it.
      stored: { width: 0, height: 0, orientation: 1 },
    }),
  }
}

function pixelsOf(outcome: Outcome): Uint8Array {
  return outcome instanceof UnreadableImage ? stopAt(outcome) : outcome.pixels
}

/** Stops at a file that is missing or does not begin as an image; those of the cache have been decoded before. */
async function checkBeginnings(
  files: readonly ImageFile[],
  pixels: DecodedPixels,
  progress: OnProgress | undefined,
): Promise<void> {
  const unknown = pixels.unknown().filter(image => files[image]!.read === undefined)
  const paths = unknown.map(image => files[image]!.path)
  const { states, contents } = await scan(paths, 'beginning', 'reading headers of images', progress)
  const suspect = unknown.filter(
    (_, i) => Number.isNaN(states[4 * i]!) || !beginsAsImage(contents.subarray(32 * i, 32 * i + 32)),
  )
  // Decoding says what is wrong.
  for (const outcome of await pixels.load(suspect.slice(0, 1))) pixelsOf(outcome)
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

function stopAt(image: UnreadableImage): never {
  return fail({
    kind: 'data',
    message: `expected an image that can be read, got: ${image.reason}`,
    where: image.path,
    help: 'repair or remove the file, or skip such files with --set data.unreadable=skip',
    cause: image,
  })
}
