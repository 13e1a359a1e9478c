import sharp from 'sharp'
import type { DetectionSplit } from '../../data/detection/index.ts'
import type { ExplainedMiss } from '../../tasks/detection/found-and-missed.ts'
import type { DetectorRecords } from '../../tasks/detection/records.ts'
import { weightsAt } from '../../tasks/routing.ts'

/** A scene as a report shows it: its picture, what the detector found in it, and where its levels went. */
export interface PictureOfScene {
  /** Number within the split. */
  readonly image: number
  /** Of the stored image, in pixels; boxes are in these. */
  readonly width: number
  readonly height: number
  /** An image as a data URI. */
  readonly uri: string
  /** Most certain first. */
  readonly found: readonly {
    /** Left, top, width, height. */
    readonly box: readonly [number, number, number, number]
    readonly label: number
    readonly score: number
    /** 0 to 4: P3 to P7. */
    readonly level: number
  }[]
  /** For each layer of the findings the weights of each of its inputs, [inputs][E]. */
  readonly layers: readonly (readonly (readonly number[])[])[]
}

/** An image with objects that were missed. */
export interface PictureOfMisses extends PictureOfScene {
  readonly missed: readonly Pick<ExplainedMiss, 'box' | 'label' | 'level' | 'reason' | 'instead'>[]
}

/**
 * Pictures of the images of missed objects with what was found from a score up.
 *
 * @param examples - those of an image together
 */
export async function missPictures(
  examples: readonly ExplainedMiss[],
  score: number,
  most: number,
  of: { readonly split: DetectionSplit; readonly records: DetectorRecords },
): Promise<PictureOfMisses[]> {
  const images = [...new Set(examples.map(({ image }) => image))].slice(0, most)
  const scenes = await scenePictures(images, score, of)
  return scenes.map(scene => ({
    ...scene,
    missed: examples
      .filter(({ image }) => image === scene.image)
      .map(({ box, label, level, reason, instead }) => ({ box, label, level, reason, instead })),
  }))
}

/** Larger pictures are made smaller, so that a page with some of them opens at once. Pixels of the longer side. */
const largest = 480
/** Boxes in one picture; more would hide it. */
const mostBoxes = 12

/** Pictures of some scenes of a split with the detections that have at least a score. */
export async function scenePictures(
  images: readonly number[],
  score: number,
  { split, records }: { readonly split: DetectionSplit; readonly records: DetectorRecords },
): Promise<PictureOfScene[]> {
  const loaded = await split.load(images)
  return await Promise.all(
    images.map(async (image, i) => {
      const { width, height } = split.scenes[image]!
      const found = records.found
        .filter(one => one.image === image && one.score >= score)
        .toSorted((a, b) => b.score - a.score)
        .slice(0, mostBoxes)
        .map(({ box, label, score: own, level }) => ({
          box: [...box] as [number, number, number, number],
          label,
          score: own,
          level,
        }))
      const layers = records.routing.map(layer =>
        Array.from({ length: layer.inputs }, (_, input) => Array.from(weightsAt(layer, image, input))),
      )
      return { image, width, height, uri: await dataUri(loaded[i]!), found, layers }
    }),
  )
}

/** Small pictures as PNG, which keeps every pixel; larger ones as JPEG. */
async function dataUri({
  pixels,
  width,
  height,
}: {
  readonly pixels: Uint8Array
  readonly width: number
  readonly height: number
}): Promise<string> {
  const area = width * height
  const interleaved = Uint8Array.from(
    { length: 3 * area },
    (_, at) => pixels[(at % 3) * area + Math.floor(at / 3)]!,
  )
  const image = sharp(interleaved, { raw: { width, height, channels: 3 } })
  const small = Math.max(width, height) <= 160
  const encoded = small
    ? image.png({ compressionLevel: 9, palette: false })
    : image.resize(largest, largest, { fit: 'inside', withoutEnlargement: true }).jpeg({ quality: 82 })
  return `data:image/${small ? 'png' : 'jpeg'};base64,${(await encoded.toBuffer()).toString('base64')}`
}
