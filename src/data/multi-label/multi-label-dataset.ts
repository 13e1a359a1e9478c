import type { Dataset, Split } from '../dataset.ts'

/** Images of one split, each with any number of classes. */
export interface MultiLabelSplit {
  readonly length: number
  /** The pixels of some images; see `Split`. */
  readonly load: Split['load']
  /** [length · classes], row-major: 1 where the image shows the class, otherwise 0. */
  readonly targets: Uint8Array
  /** The file of each image, as of `Split`. */
  readonly names?: readonly string[] | undefined
}

/** Images that show several classes each, or none, in two splits or three. */
export interface MultiLabelDataset
  extends Omit<Dataset, 'train' | 'val' | 'test' | 'superclasses' | 'superclassOf'> {
  readonly superclasses: undefined
  readonly superclassOf: undefined
  readonly train: MultiLabelSplit
  /** What training is tested on after each epoch; undefined where the data has none, and then that is `test`. */
  readonly val?: MultiLabelSplit | undefined
  /** Not looked at in training where there is a `val`; without images where the data has only that. */
  readonly test: MultiLabelSplit
}
