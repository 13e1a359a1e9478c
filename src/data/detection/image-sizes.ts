import { fail } from '../../base/errors.ts'
import { quoted } from '../../files/json-reader.ts'
import { type Extent, storedExtent, UnreadableImage } from '../image.ts'
import type { SizedImage } from './sized-image.ts'

/**
 * Boxes belong to images of the `width` and `height` that the annotations say. Where the files have been resized or turned since,
 * boxes may still fit into them, and be wrong. So the beginnings of some files are read when a folder is opened, which takes
 * milliseconds; every file is compared again when it is decoded.
 */

/** Files of a split that are looked at, spread evenly over it. */
const maxImagesRead = 32

/** This share of other sizes is no matter of single files. */
const tooMany = 0.5

interface OtherSize {
  readonly image: SizedImage
  readonly found: Extent
}

/**
 * Refuses a split whose files, at least half of those looked at, are not of the size that the annotations say.
 *
 * @param file - the annotations, for the error
 * @param unreadable - what single images of another size do later, for the error's help
 * @throws MoietyError of kind `data` that says how many, what probably happened, and the key that leaves them to be found one by one
 */
export async function refuseOtherSizes(
  images: readonly SizedImage[],
  file: string,
  unreadable: 'stop' | 'skip',
): Promise<void> {
  const count = Math.min(images.length, maxImagesRead)
  const looked = Array.from({ length: count }, (_, i) => images[Math.floor((i * images.length) / count)]!)
  const extents = await Promise.all(looked.map(({ path }) => storedExtent(path).catch(orUnreadable)))
  const others = extents.flatMap((found, i): OtherSize[] => {
    const image = looked[i]!
    const isOther = found !== undefined && (found.width !== image.width || found.height !== image.height)
    return isOther ? [{ image, found }] : []
  })
  const [example] = others
  if (example === undefined || others.length < tooMany * count) return
  const { image, found } = example
  fail({
    kind: 'data',
    message:
      `expected images of the width and height that the annotations say; of ${count} files looked at ${others.length} ` +
      `${others.length === 1 ? 'has' : 'have'} another size. ${causeOf(others)} ` +
      `(${quoted(image.name)}: ${image.width}×${image.height} in the annotations, ${found.width}×${found.height} in the file)`,
    where: file,
    help: `correct width, height and boxes, or use the images that were annotated; --set data.implausibleBoxes=accept ${
      unreadable === 'skip' ? 'leaves the others out' : 'lets training begin, which ends at the first of them'
    }`,
  })
}

/** Reported, or left out, by whoever decodes it. */
function orUnreadable(cause: unknown): undefined {
  if (cause instanceof UnreadableImage) return undefined
  throw cause
}

function causeOf(others: readonly OtherSize[]): string {
  const isTurned = ({ image, found }: OtherSize): boolean =>
    found.width === image.height && found.height === image.width
  if (others.every(isTurned))
    return 'Width and height are probably those of images that EXIF turns; boxes belong to pixels as they are stored'
  // Each side was rounded to whole pixels.
  const isScaled = ({ image, found }: OtherSize): boolean =>
    Math.abs(found.height - (image.height * found.width) / image.width) <= 1 + image.height / image.width
  if (!others.every(isScaled))
    return 'They are probably other images, or were cropped after they were annotated'
  const factors = others.map(({ image, found }) => found.width / image.width)
  const isAlike = Math.max(...factors) < 1.05 * Math.min(...factors)
  const by = isAlike ? `, by a factor of ${factors[0]!.toPrecision(2)},` : ''
  return `They were probably resized${by} after they were annotated`
}
