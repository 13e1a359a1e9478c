import type { ClassificationResult } from '../tasks/classification/evaluate-split.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { VariantResult } from '../tasks/task.ts'
import type { Variant } from '../tasks/variants.ts'

/** How one mixture routed each image. */
export type LayerRecords = Omit<RoutedLayer, 'inputs'>

/** What a network did with every image of a split, in the order of the split. */
export interface RoutingRecords {
  /** N. */
  readonly images: number
  /** int32 [N] */
  readonly labels: Int32Array
  /** The superclass of each image, int32 [N]; undefined where the data has none. */
  readonly superclasses: Int32Array | undefined
  readonly variants: readonly Variant[]
  /** The class that each variant names, int32 [variants][N]. */
  readonly predictions: readonly Int32Array[]
  readonly layers: readonly LayerRecords[]
  /** Of the network as trained: mean cross-entropy, and fractions of images. */
  readonly loss: number
  readonly top1: number
  readonly top5: number
}

/** What analysis needs of a classifier and its variants on a split. */
export function routingRecords(
  trained: ClassificationResult,
  variants: readonly VariantResult[],
  superclasses: Int32Array | undefined,
): RoutingRecords {
  const { images, labels, routing, loss, measures, predictions } = trained
  return {
    images,
    labels,
    superclasses,
    variants: [{ kind: 'trained' }, ...variants.map(({ variant }) => variant)],
    predictions: [predictions[0]!, ...variants.map(one => one.predictions!)],
    layers: routing,
    loss,
    top1: measures.top1 ?? 0,
    top5: measures.top5 ?? 0,
  }
}
