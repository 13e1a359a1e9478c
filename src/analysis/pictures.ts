import { dataUri } from '../data/image-uri.ts'
import type { Split } from '../data/index.ts'
import type { ClassificationResult } from '../tasks/classification/evaluate-split.ts'
import type { EvaluatedVariants } from '../tasks/task.ts'
import type { Mixture } from '../tasks/variants.ts'
import { variantsAt } from './variants-at.ts'

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
 * @param mixtures - in the order of the layers
 */
export async function picturesOf(
  images: readonly number[],
  {
    split,
    size,
    trained,
    variants,
    mixtures,
  }: EvaluatedVariants<ClassificationResult> & {
    readonly split: Split
    readonly size: number
    readonly mixtures: readonly Mixture[]
  },
): Promise<PictureOfImage[]> {
  const pixels = await split.load(images)
  const { labels, predictions, routing } = trained
  const named = routing.map((_, l) => ({
    alone: variantsAt(variants, mixtures[l]!, 'single'),
    without: variantsAt(variants, mixtures[l]!, 'without'),
  }))
  return await Promise.all(
    images.map(async (image, i) => ({
      image,
      png: await dataUri(pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size), size),
      label: labels[image]!,
      prediction: predictions[0]![image]!,
      layers: routing.map(({ experts, weights, logits }, l) => ({
        weights: Array.from(weights.subarray(image * experts, (image + 1) * experts)),
        logits: Array.from(logits.subarray(image * experts, (image + 1) * experts)),
        alone: named[l]!.alone.map(variant => variant.predictions![image]!),
        without: named[l]!.without.map(variant => variant.predictions![image]!),
      })),
    })),
  )
}
