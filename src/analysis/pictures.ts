import { dataUri } from '../data/image-uri.ts'
import type { Split } from '../data/index.ts'
import type { Variant } from '../tasks/variants.ts'
import type { RoutingRecords } from './routing-records.ts'

/** What a report shows of one image, beside the findings. */
export interface PictureOfImage {
  /** Number within the split. */
  readonly image: number
  /** PNG as a data URI. */
  readonly png: string
  /** Number of the class. */
  readonly label: number
  /** What the network says. */
  readonly prediction: number
  /** Per layer of the findings, in order. */
  readonly layers: readonly {
    /** [E] */
    readonly weights: readonly number[]
    /** [E], what the gate said. */
    readonly logits: readonly number[]
    /** The class that each expert alone would name, [E]. */
    readonly alone: readonly number[]
    /** The class that the network without each expert would name, [E]; none where E is 1. */
    readonly without: readonly number[]
  }[]
}

/**
 * Pictures of some images of a split, with what the network and its variants say of them.
 *
 * @param images - numbers within the split
 * @param size - height and width of the images, in pixels
 * @param positions - of the layers, in the order of the records
 */
export async function picturesOf(
  images: readonly number[],
  {
    split,
    size,
    records,
    positions,
  }: {
    readonly split: Split
    readonly size: number
    readonly records: RoutingRecords
    readonly positions: readonly number[]
  },
): Promise<PictureOfImage[]> {
  const pixels = await split.load(images)
  return await Promise.all(
    images.map(async (image, i) => ({
      image,
      png: await dataUri(pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size), size),
      label: records.labels[image]!,
      prediction: records.predictions[0]![image]!,
      layers: records.layers.map(({ experts, weights, logits }, l) => ({
        weights: Array.from(weights.subarray(image * experts, (image + 1) * experts)),
        logits: Array.from(logits.subarray(image * experts, (image + 1) * experts)),
        alone: named(records, image, positions[l]!, 'single'),
        without: named(records, image, positions[l]!, 'without'),
      })),
    })),
  )
}

/** The class that each variant of a kind names, in the order of experts. */
function named(
  { variants, predictions }: RoutingRecords,
  image: number,
  position: number,
  kind: Extract<Variant['kind'], 'single' | 'without'>,
): number[] {
  return variants.flatMap((variant, v) =>
    variant.kind === kind && variant.place === position ? [predictions[v]![image]!] : [],
  )
}
