import type { Detection } from '../../data/coco/results.ts'
import type { DetectionEvaluation } from '../../metrics/detections/index.ts'
import type { LayerStats } from '../../run/events.ts'

/** One object that a detector found, in COCO's terms, with where in the pyramid it was found. */
export interface FoundObject extends Detection {
  /** Number of the image in its split. */
  readonly image: number
  /** Its class, from 0. */
  readonly label: number
  /** 0 to 4: P3 to P7. */
  readonly level: number
}

/** One object that is there, crowds apart, with where in the pyramid it is at home. */
export interface TrueObject {
  /** Number of the image in its split. */
  readonly image: number
  /** Number among the image's objects. */
  readonly object: number
  readonly label: number
  /** In square pixels of the stored image. */
  readonly area: number
  /** 0 to 4, P3 to P7: the level of the anchor that overlaps it most; −1 where none does. */
  readonly level: number
}

/** How one mixture of experts routed all images of a split. */
export interface RoutedLayer {
  readonly name: string
  readonly experts: number
  readonly k: number
  /** Inputs of an image that are routed: 5 levels in a head, 1 in the backbone. */
  readonly inputs: number
  /** float32 [images, inputs, experts]: what each expert's result is weighed with, 0 where it computes nothing. */
  readonly weights: Float32Array
}

/** What a detector does on a split, and which expert did it. */
export interface DetectorRecords {
  readonly images: number
  /** Mean over images. */
  readonly loss: number
  readonly evaluation: DetectionEvaluation
  readonly found: readonly FoundObject[]
  readonly objects: readonly TrueObject[]
  /** Utilization, as of a classifier; what is counted are inputs of images. */
  readonly layers: readonly LayerStats[]
  /** Per layer, in the same order. */
  readonly routing: readonly RoutedLayer[]
}

/**
 * The weights with which a layer treats an input of an image, [experts]: that of a level in a head, that of the whole image
 * in the backbone.
 */
export function weightsAt(
  { weights, inputs, experts }: RoutedLayer,
  image: number,
  level: number,
): Float32Array {
  const row = image * inputs + (inputs === 1 ? 0 : level)
  return weights.subarray(row * experts, (row + 1) * experts)
}
