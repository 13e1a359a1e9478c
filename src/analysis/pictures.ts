import { dataUri } from '../data/image-uri.ts'
import type { Split } from '../data/index.ts'
import type { RoutedLayer } from '../tasks/routing.ts'

/** What a report shows of one image, in addition to the findings. */
export interface PictureOfImage {
  /** Number within the split. */
  readonly image: number
  /** PNG as a data URI. */
  readonly png: string
  /** Numbers of its classes: one, or of a multi-label task any number. */
  readonly labels: readonly number[]
  /** Those that the network says. */
  readonly predictions: readonly number[]
  /** Per layer of the findings, in order. */
  readonly layers: readonly {
    /** [E] */
    readonly weights: readonly number[]
    /** [E], what the gate said. */
    readonly logits: readonly number[]
    /** What each single expert would say, [E]. */
    readonly single: readonly (readonly number[])[]
    /** What the network would say without each expert, [E]; none where E is 1. */
    readonly without: readonly (readonly number[])[]
  }[]
}

/** The classes of an image by its number. */
type ClassesOf = (image: number) => readonly number[]

/** What the pictures of images are made from. */
export interface PictureFacts {
  readonly split: Pick<Split, 'load'>
  /** Height and width of the images, in pixels. */
  readonly size: number
  readonly routing: readonly RoutedLayer[]
  /** The classes that images have, and those that the network as trained says. */
  readonly labels: ClassesOf
  readonly trained: ClassesOf
  /** What each single expert of a layer says, and the network without each. */
  single(layer: number): readonly ClassesOf[]
  without(layer: number): readonly ClassesOf[]
  /** Images in addition to those of galleries. */
  readonly also: readonly number[]
}

/** Pictures of the images of galleries and of others, each once, by number, with what the network and its variants say of them. */
export async function picturesOf(
  layers: readonly { readonly experts: readonly { readonly gallery: readonly number[] }[] }[],
  { split, size, routing, labels, trained, single, without, also }: PictureFacts,
): Promise<PictureOfImage[]> {
  const galleries = layers.flatMap(({ experts }) => experts.flatMap(({ gallery }) => gallery))
  const shown = new Set([...galleries, ...also])
  const images = [...shown].sort((a, b) => a - b)
  const pixels = await split.load(images)
  const others = routing.map((_, layer) => ({ single: single(layer), without: without(layer) }))
  return await Promise.all(
    images.map(async (image, i) => ({
      image,
      png: await dataUri(pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size), size),
      labels: labels(image),
      predictions: trained(image),
      layers: routing.map(({ experts, weights, logits }, layer) => ({
        weights: Array.from(weights.subarray(image * experts, (image + 1) * experts)),
        logits: Array.from(logits.subarray(image * experts, (image + 1) * experts)),
        single: others[layer]!.single.map(says => says(image)),
        without: others[layer]!.without.map(says => says(image)),
      })),
    })),
  )
}
