import type { CocoAnnotation, CocoCategory } from '../coco/annotations.ts'
import type { OnProgress } from '../dataset.ts'
import type { Problems } from '../problems.ts'
import type { SplitName } from '../split-names.ts'

/**
 * Images with boxes as every reader of a format gives them (`read-coco.ts`, `read-yolo.ts`, `read-voc.ts`). What follows, from
 * clipping to checks of plausibility, is the same for all formats (`open-boxes.ts`).
 */

/** The formats, and what messages call them. */
export const boxFormats = { coco: 'COCO', yolo: 'YOLO', voc: 'Pascal VOC' } as const

/** A format of images with boxes. */
export type BoxFormat = keyof typeof boxFormats

/** An image as annotations list it. */
export interface BoxImage {
  readonly id: number
  /** As the annotations have it, or relative to the data set's folder. */
  readonly name: string
  readonly path: string
  /** In pixels; null where the annotations do not say it. */
  readonly width: number | null
  readonly height: number | null
}

/** An object of an image, its box in {@link BoxSplit.unit}. */
export type BoxObject = CocoAnnotation

/** One split. */
export interface BoxSplit {
  /** The annotation file, or the folder of annotations; errors and problems name it. */
  readonly source: string
  /** The folder of images, for errors. */
  readonly folder: string
  /** The folder that links may not leave, a real path. */
  readonly root: string
  readonly images: readonly BoxImage[]
  readonly objects: readonly BoxObject[]
  /** Fractions are of the image as EXIF turns it, and areas are fractions of its area. */
  readonly unit: 'pixels' | 'fractions'
  /** How many images there are without a limit. */
  readonly total: number
}

/** The content of a folder. */
export interface BoxFolder {
  readonly format: BoxFormat
  /** Where annotations and images were found, for logs: `annotations/instances_*2017.json, *2017/`. */
  readonly layout: string
  /** The folder itself, its links followed. */
  readonly root: string
  /** Classes in any order. */
  readonly categories: readonly CocoCategory[]
  /** `train`, and at least one of the others. */
  readonly splits: ReadonlyMap<SplitName, BoxSplit>
  /** How splits were made where the folder has none, for logs. */
  readonly division: string | undefined
  /** Further notes, one sentence each. */
  readonly notices: readonly string[]
}

/** What a reader is given besides the folder. */
export interface BoxReading {
  readonly problems: Problems
  /** For dividing a folder without splits. */
  readonly seed: number
  /** At most this many images of a split; a reader may pass over the others. */
  readonly most: (split: SplitName) => number
  readonly progress?: OnProgress | undefined
}
