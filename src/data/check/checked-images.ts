import type { SceneObject } from '../detection/detection-dataset.ts'
import type { ImageFile } from '../image-files.ts'
import type { SplitName } from '../split-names.ts'

/** What a data set is stored as. */
export type DataKind =
  | 'folder'
  | 'table'
  | 'parquet'
  | 'webdataset'
  | 'cifar10'
  | 'cifar100'
  | 'coco'
  | 'yolo'
  | 'voc'

/** What is trained with it. */
export type DataTask = 'classification' | 'multi-label' | 'detection'

/** An image of a data set as a check lists it, before it is read. */
export interface ListedImage extends ImageFile {
  readonly split: SplitName
  /** Places among the classes; of boxes none yet. */
  readonly labels: readonly number[]
  /** Width and height that annotations say, in pixels. */
  readonly stated?: { readonly width: number; readonly height: number } | undefined
  /** Of an image with boxes: its number in its split's annotations. */
  readonly id?: number | undefined
}

/** An image that can be used, as a check found it. */
export interface CheckedImage extends ListedImage {
  readonly width: number
  readonly height: number
  /** EXIF's, 1 to 8. */
  readonly orientation: number
  readonly channels: string
  /** A hash of the file's bytes. */
  readonly hash: string
  readonly objects?: readonly SceneObject[] | undefined
}

/** All images of a data set of labelled images. */
export interface ImageListing {
  readonly kind: DataKind
  readonly task: DataTask
  readonly classes: readonly string[]
  /** Whether classes are named apart from images, so that one may have none. */
  readonly hasDeclaredClasses: boolean
  /** In the order train, val, test. */
  readonly images: readonly ListedImage[]
  /** How splits were made where there are none. */
  readonly division: string | undefined
  readonly notices: readonly string[]
}
