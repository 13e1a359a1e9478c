import { type DataIdentity, type PerChannel, type Split, splitOfArrays } from 'moiety/step'

/** Square images of one size with their classes: what a split is made of, and what a worker is sent. */
export interface Pixels {
  /** uint8 [N, 3, size, size]. */
  readonly pixels: Uint8Array
  readonly labels: Int32Array
}

/** Images to train on and to look at. */
export interface ImageData {
  readonly name: 'sample' | 'folder'
  readonly title: string
  /** Of a folder, its name. */
  readonly directory: string | null
  readonly size: number
  readonly classes: readonly string[]
  readonly superclasses: readonly string[] | undefined
  readonly superclassOf: readonly number[] | undefined
  readonly mean: PerChannel
  readonly std: PerChannel
  readonly train: Pixels
  readonly test: Pixels
  /** What a checkpoint remembers of the data. */
  readonly identity: DataIdentity
}

/** A split of the data, as batches are made of it. */
export function splitOf({ pixels, labels }: Pixels, size: number): Split {
  return splitOfArrays({ pixels, labels, size })
}

/** Everything of the bundled sample but the pixels; `sample.json`. */
export interface SampleFacts extends Omit<ImageData, 'train' | 'test' | 'directory'> {
  readonly train: readonly number[]
  readonly test: readonly number[]
}
