import { basename } from 'node:path'
import { fail } from '../base/errors.ts'
import { type CanvasRule, canvasesOf, resizedSize } from '../data/detection/canvas.ts'
import type { DetectionDataset, DetectionSplit, ScenePixels } from '../data/detection/detection-dataset.ts'
import { decodeStored, type Extent, storedExtent, UnreadableImage } from '../data/image.ts'
import type { PerChannel } from '../data/index.ts'
import { imageIds } from './image-files.ts'

/** An image that is to be looked at. */
export interface GivenImage extends Extent {
  readonly path: string
  /** In results files. */
  readonly id: number
  /** Whether its EXIF asks to have it turned, which is passed over: boxes belong to pixels as they are stored. */
  readonly turned: boolean
}

/** What a run remembers of its data, as far as looking at other images needs it. */
export interface KnownData {
  readonly classes: readonly string[]
  readonly categoryIds: readonly number[]
  readonly sizeFactor: number
  readonly mean: PerChannel
  readonly std: PerChannel
}

/** How many files are looked into at a time. */
const together = 4

/**
 * The images of some files, of which only the beginning is read.
 *
 * @throws MoietyError `data` that names every file that is no image
 */
export async function givenImages(paths: readonly string[]): Promise<GivenImage[]> {
  const ids = imageIds(paths)
  const images: GivenImage[] = []
  const bad: UnreadableImage[] = []
  for (let first = 0; first < paths.length; first += together) {
    const group = paths.slice(first, first + together)
    const extents = await Promise.all(group.map(path => storedExtent(path).catch(orUnreadable)))
    for (const [i, extent] of extents.entries()) {
      if (extent instanceof UnreadableImage) bad.push(extent)
      else images.push({ path: group[i]!, id: ids[first + i]!, ...extent })
    }
  }
  const [worst, ...others] = bad
  if (worst === undefined) return images
  return fail({
    kind: 'data',
    message: `an image cannot be read: ${worst.reason}${others.length === 0 ? '' : `; and ${others.length} more:`}`,
    details: others.map(({ message }) => `  ${message}`),
    where: worst.path,
    help: 'give JPEG, PNG or WebP files, or a folder of them',
    cause: worst,
  })
}

/** Images as a data set without a single object in it, which they come from exactly as those that a run was trained on. */
export function asDataset(
  images: readonly GivenImage[],
  { classes, categoryIds, sizeFactor, mean, std }: KnownData,
  rule: CanvasRule,
): DetectionDataset {
  const split: DetectionSplit = {
    length: images.length,
    scenes: images.map(({ id, path, width, height }) => ({
      id,
      name: basename(path),
      width,
      height,
      objects: [],
    })),
    load: async indices => await Promise.all(Array.from(indices, index => pixelsOf(images[index]!, rule))),
  }
  return {
    name: 'coco',
    title: `${images.length} images`,
    classes,
    categoryIds,
    superclasses: undefined,
    superclassOf: undefined,
    mean,
    std,
    canvases: canvasesOf(rule),
    sizeFactor,
    train: split,
    test: split,
    skipped: [],
  }
}

async function pixelsOf(image: GivenImage, rule: CanvasRule): Promise<ScenePixels> {
  const wanted = resizedSize(rule, image.width, image.height)
  try {
    return { pixels: await decodeStored(image.path, image, wanted), ...wanted }
  } catch (error) {
    const { path, reason } = orUnreadable(error)
    return fail({
      kind: 'data',
      message: `an image cannot be read: ${reason}`,
      where: path,
      help: 'repair the file, or leave it out',
      cause: error,
    })
  }
}

function orUnreadable(error: unknown): UnreadableImage {
  if (error instanceof UnreadableImage) return error
  throw error
}
