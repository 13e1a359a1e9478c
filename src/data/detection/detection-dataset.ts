import type { Box } from '../coco/record.ts'
import type { PerChannel, SkippedFile } from '../dataset.ts'

/** One object of a scene, or one crowd of objects. */
export interface SceneObject {
  readonly id: number
  /** In pixels of the stored image; within it, and at least 1/100 pixel wide and high. */
  readonly box: Box
  /** Its class, from 0. */
  readonly label: number
  /** In square pixels of the stored image: what the object covers, mostly less than its box. */
  readonly area: number
  /** Whether it stands for many objects that nobody has told apart; it is for evaluation, never a target. */
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

/** A decoded image, brought to the size that the canvas rule gives it (`canvas.ts`). */
export interface ScenePixels {
  /** uint8 [3, height, width], planar RGB, 0 … 255. */
  readonly pixels: Uint8Array
  readonly width: number
  readonly height: number
}

/** Scenes of one split (training, validation or test): what is in them is known, their pixels are fetched by number. */
export interface DetectionSplit {
  readonly length: number
  readonly scenes: readonly Scene[]
  /**
   * The pixels of some scenes, in the order asked for.
   *
   * @param indices - numbers of scenes, each in [0, length); repeats are allowed
   * @returns for each a uint8 [3, height, width] of its own size
   * @throws MoietyError of kind `data` where an image cannot be read or has another size than the annotations say;
   *   RangeError for an index outside
   */
  load(indices: Uint32Array | readonly number[]): Promise<readonly ScenePixels[]>
}

/** Height and width in pixels, multiples of 32, of what a network reads. */
export type Canvas = readonly [height: number, width: number]

/** Scenes with the objects in them, in two splits or three. */
export interface DetectionDataset {
  readonly name: 'scenes' | 'coco'
  /** What the scenes are and how many, as an honest person would say it. */
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
  /** What training is tested on after each epoch; undefined where the data has none, and then that is `test`. */
  readonly val?: DetectionSplit | undefined
  /** Not looked at in training where there is a `val`; without images where the data has only that. */
  readonly test: DetectionSplit
  /** What was left out or changed by a stated policy; whoever opened the dataset shows it. */
  readonly skipped: readonly SkippedFile[]
  /** What else a person should know of the data, a sentence each; whoever opened the dataset shows it. */
  readonly notices?: readonly string[] | undefined
}

/** Refuses a number that is not of a scene. A programming error, so no MoietyError. */
export function checkScene(index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return
  throw new RangeError(`scene ${index} of a split that has scenes 0 … ${length - 1}`)
}
