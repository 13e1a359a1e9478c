import type { SkippedFile } from '../dataset.ts'
import type { ImageFile } from '../image-files.ts'

/** An image of one class. */
export interface LabelledImage extends ImageFile {
  /** The place of its class. */
  readonly label: number
}

/** How a data set is read. */
export interface ReadOptions {
  /** Policy for images that are missing: stop with an error, or skip and report. */
  readonly unreadable: 'stop' | 'skip'
  /** Whether links may lead out of the folder. */
  readonly followLinks: boolean
}

/** Images of one class each, as every reader of a layout gives them; none is decoded. */
export interface LabelledImages {
  /** What the images are in, for titles, where that is no folder of images. */
  readonly container?: string | undefined
  readonly classes: readonly string[]
  /** Whether the data names its classes apart from the images, so that there may be some without. */
  readonly hasDeclaredClasses?: boolean | undefined
  readonly superclasses?: readonly string[] | undefined
  readonly superclassOf?: readonly number[] | undefined
  /** All images where there is neither `val` nor `test`. */
  readonly train: readonly LabelledImage[]
  readonly val?: readonly LabelledImage[] | undefined
  readonly test?: readonly LabelledImage[] | undefined
  /** What was found and left out, one sentence each. */
  readonly notices: readonly string[]
  /** Files that are missing, under `skip`. */
  readonly skipped?: readonly SkippedFile[] | undefined
  /** A hash of the content, where that of the images would take reading everything. */
  readonly content?: ((images: readonly LabelledImage[]) => Promise<string>) | undefined
}
