import type { Box } from '../box.ts'
import type { PerChannel, SkippedFile } from '../dataset.ts'
import type { MeasureChange, Problem } from '../problem-kinds.ts'

/** One object of a scene, or one crowd of objects. */
export interface SceneObject {
  readonly id: number
  /** In pixels of the stored image; within it, and at least 1/100 pixel wide and high. */
  readonly box: Box
  /** Its class, from 0. */
  readonly label: number
  /** In square pixels of the stored image: the object's area, usually less than its box. */
  readonly area: number
  /** Whether it stands for a group of objects that are not annotated individually; used in evaluation, never a target. */
  readonly crowd: boolean
}

/** An image with the objects in it, which may be none. */
export interface Scene {
  readonly id: number
  /** The file's name, or `scene 17`. */
  readonly name: string
  /** Of the stored image, in pixels. */
  readonly width: number
  readonly height: number
  readonly objects: readonly SceneObject[]
}

/** A decoded image, resized by the canvas rule (`canvas.ts`). */
export interface ScenePixels {
  /** uint8 [3, height, width], planar RGB, 0 … 255. */
  readonly pixels: Uint8Array
  readonly width: number
  readonly height: number
}

/** Scenes of one split (training, validation or test): objects are known, pixels are loaded by index. */
export interface DetectionSplit {
  readonly length: number
  readonly scenes: readonly Scene[]
  /** How repairs and conventions change measures of this split. */
  readonly changes?: readonly MeasureChange[] | undefined
  /**
   * The pixels of some scenes, in the requested order.
   *
   * @param indices - numbers of scenes, each in [0, length); repeats are allowed
   * @returns for each a uint8 [3, height, width] of its own size
   * @throws MoietyError of kind `data` where an image cannot be read or has another size than the annotations say;
   *   RangeError for an index outside
   */
  load(indices: Uint32Array | readonly number[]): Promise<readonly ScenePixels[]>
}

/** Height and width in pixels, multiples of 32, of a network's input. */
export type Canvas = readonly [height: number, width: number]

/** Scenes with the objects in them, in two splits or three. */
export interface DetectionDataset {
  readonly name: string
  /** A description of the scenes and their number, for logs. */
  readonly title: string
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  /** The classes' ids as files write them, by label; ascending, maybe with gaps. */
  readonly categoryIds: readonly number[]
  readonly superclasses: readonly string[] | undefined
  /** The superclass of each class. */
  readonly superclassOf: readonly number[] | undefined
  /** Mean of pixel/255, for normalisation. */
  readonly mean: PerChannel
  /** Standard deviation of pixel/255, for normalisation. */
  readonly std: PerChannel
  /** One square canvas, or two: for scenes that are wider than high or square, and for those that are higher. */
  readonly canvases: readonly Canvas[]
  /** COCO's size limits, 32 and 96 pixels, are multiplied by this, in pixels of the stored image. */
  readonly sizeFactor: number
  readonly train: DetectionSplit
  /** Used for testing after each epoch; undefined where the data has none; then `test` is used. */
  readonly val?: DetectionSplit | undefined
  /** Unused in training if there is a `val`; empty if the data has only that. */
  readonly test: DetectionSplit
  /** A hash of the content of the image files, see `contentIdentity`; undefined where the scenes are drawn. */
  readonly content?: string | undefined
  /** What was skipped or changed by policy, for the caller to report. */
  readonly skipped: readonly SkippedFile[]
  /** The same and all repairs, by kind. */
  readonly problems?: readonly Problem[] | undefined
  /** Of a folder, the format that was found, and where annotations and images are. */
  readonly layout?: { readonly format: 'coco' | 'yolo' | 'voc'; readonly found: string } | undefined
  /** Further notes on the data, one sentence each, for the caller to report. */
  readonly notices?: readonly string[] | undefined
}

/** Checks a scene index. A programming error, so no MoietyError. */
export function checkScene(index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return
  throw new RangeError(`scene ${index} of a split that has scenes 0 … ${length - 1}`)
}
