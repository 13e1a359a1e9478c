import { fail } from '../../base/errors.ts'
import { draws } from '../../base/random.ts'
import type { HostTensor } from '../../base/tensor.ts'
import { type Normalisation, normalisation } from '../augmentation.ts'
import { epochOrder } from '../batches.ts'
import { canvasOf } from './canvas.ts'
import {
  type Canvas,
  checkScene,
  type DetectionDataset,
  type DetectionSplit,
  type Scene,
  type ScenePixels,
} from './detection-dataset.ts'

/** The objects of one image of a batch, without crowds. */
export interface BatchObjects {
  /** Each x1, y1, x2, y2 in pixels of the canvas; [M, 4]. */
  readonly boxes: Float32Array
  /** Classes, from 0; [M]. */
  readonly categories: Int32Array
}

/** N images on one canvas, and what is in them. */
export interface DetectionBatch {
  readonly canvas: Canvas
  /** float32 [N, 3, H, W], normalised; zero, after normalisation, right of and below each image. */
  readonly images: HostTensor
  readonly objects: readonly BatchObjects[]
  /** For each image a float32 [crowds, 4], each x1, y1, x2, y2 in pixels of the canvas. */
  readonly crowds: readonly Float32Array[]
  /**
   * Height and width of each image in the canvas, in pixels. Boxes are scaled by the same ratios as pixels: x by the width here
   * over that of the stored image, y by the heights.
   */
  readonly sizes: readonly (readonly [height: number, width: number])[]
  /** The images' numbers in their split. */
  readonly indices: Uint32Array
}

/** Random changes of a training batch. */
export interface DetectionChanges {
  /** Probability of mirroring left and right. */
  readonly flip: number
  readonly seed: number
  readonly epoch: number
}

/**
 * Loads, flips, normalises and pads some images. Augmentation of an image depends only on
 * (seed, epoch, its index), not on its batch.
 *
 * @param indices - numbers of scenes in the split, N of them, that all belong to one canvas; with none the batch is
 *   empty and on the first canvas
 * @throws MoietyError of kind `data` where an image cannot be read, has an object with an invalid box or class, or pixels that
 *   are not as the split declares; RangeError for an index outside or scenes of different canvases
 */
export async function makeDetectionBatch(
  dataset: DetectionDataset,
  split: DetectionSplit,
  indices: Uint32Array | readonly number[],
  changes: DetectionChanges | 'unchanged',
): Promise<DetectionBatch> {
  const scenes = Array.from(indices, index => sceneAt(split, index))
  const canvas = commonCanvas(dataset, scenes)
  for (const scene of scenes) checkObjects(scene, dataset.classes.length)
  const loaded = await split.load(indices)
  checkLoaded(loaded, scenes, canvas)
  const [height, width] = canvas
  const perImage = 3 * height * width
  const images = new Float32Array(scenes.length * perImage)
  const scale = normalisation(dataset.mean, dataset.std)
  const placed = scenes.map((scene, position) => {
    const pixels = loaded[position]!
    const flip = changes !== 'unchanged' && flips(changes, indices[position]!)
    place(pixels, flip, scale, images.subarray(position * perImage, (position + 1) * perImage), canvas)
    return placeObjects(scene, pixels, flip)
  })
  return {
    canvas,
    images: { dtype: 'float32', shape: [scenes.length, 3, height, width], data: images },
    objects: placed.map(({ objects }) => objects),
    crowds: placed.map(({ crowds }) => crowds),
    sizes: loaded.map(pixels => [pixels.height, pixels.width] as const),
    indices: Uint32Array.from(indices),
  }
}

/**
 * The batches of one epoch: every scene once, each batch of one canvas. Full batches come first, smaller ones
 * stay smaller last, at most one for each canvas.
 *
 * @param order - `in order`, that of the files, for evaluation; or at random, by seed and epoch
 * @returns numbers of scenes
 */
export function detectionBatches(
  dataset: DetectionDataset,
  split: DetectionSplit,
  batch: number,
  order: { readonly seed: number; readonly epoch: number } | 'in order',
): readonly Uint32Array[] {
  if (!(Number.isInteger(batch) && batch >= 1))
    throw new RangeError(`batches of ${batch} scenes; expected 1 or more`)
  const visit =
    order === 'in order'
      ? Uint32Array.from({ length: split.length }, (_, i) => i)
      : epochOrder(split.length, order.seed, order.epoch)
  const batches: Uint32Array[] = []
  const waiting = dataset.canvases.map((): number[] => [])
  for (const index of visit) {
    const group = waiting[canvasOf(dataset.canvases, sceneAt(split, index))]!
    group.push(index)
    if (group.length === batch) batches.push(Uint32Array.from(group.splice(0)))
  }
  for (const group of waiting) if (group.length > 0) batches.push(Uint32Array.from(group))
  return batches
}

function sceneAt(split: DetectionSplit, index: number): Scene {
  checkScene(index, split.length)
  const scene = split.scenes[index]
  if (scene !== undefined) return scene
  return fail({
    kind: 'data',
    message: `expected a scene for each of ${split.length} images, but there are ${split.scenes.length}`,
    where: `scene ${index} of the split`,
    help: 'give the split as many scenes as its length says; one without objects needs an empty list',
  })
}

/** Objects of a user-defined data set; those from files are checked when read. */
function checkObjects({ name, objects }: Scene, classes: number): void {
  for (const [i, { box, label }] of objects.entries()) {
    const isBox = box.length === 4 && box.every(Number.isFinite) && box[2] > 0 && box[3] > 0
    const isClass = Number.isInteger(label) && label >= 0 && label < classes
    if (isBox && isClass) continue
    fail({
      kind: 'data',
      message: isBox
        ? `expected a class from 0 to ${classes - 1}, but got ${label}`
        : `expected a box of finite x and y, and a width and height above 0, but got [${box.join(', ')}]`,
      where: `${name}, objects[${i}]`,
      help: isBox
        ? 'number classes from 0 in the order of the data set’s `classes`, not by their ids in a file'
        : 'give boxes as x, y, width, height in pixels of the stored image, and leave out objects without an area',
    })
  }
}

/** Pixels of another size would exceed their canvas. */
function checkLoaded(loaded: readonly ScenePixels[], scenes: readonly Scene[], canvas: Canvas): void {
  const [rows, columns] = canvas
  for (const [i, scene] of scenes.entries()) {
    const one = loaded?.[i]
    const isRight =
      one?.pixels instanceof Uint8Array &&
      one.pixels.length === 3 * one.height * one.width &&
      [one.height, one.width].every(side => Number.isInteger(side) && side >= 1) &&
      one.height <= rows &&
      one.width <= columns
    if (isRight) continue
    const came =
      one?.pixels instanceof Uint8Array
        ? `${one.pixels.length} values for [3, ${one.height}, ${one.width}] came`
        : 'none came'
    fail({
      kind: 'data',
      message: `expected uint8 pixels [3, height, width] of at most ${rows}×${columns}, but ${came}`,
      where: scene.name,
      help: 'let load return { pixels, width, height } for each requested scene, resized to the canvas',
    })
  }
}

function commonCanvas({ canvases }: DetectionDataset, scenes: readonly Scene[]): Canvas {
  const places = new Set(scenes.map(scene => canvasOf(canvases, scene)))
  if (places.size > 1)
    throw new RangeError('a batch of scenes that belong to different canvases; see detectionBatches')
  const [place = 0] = places
  return canvases[place]!
}

function flips({ flip, seed, epoch }: DetectionChanges, index: number): boolean {
  return draws(seed, 'detection augment', epoch, index).uniform() < flip
}

/** Writes an image, normalised, into the upper left corner of its canvas, and leaves the rest unchanged. */
function place(
  { pixels, width, height }: ScenePixels,
  flip: boolean,
  { gain, offset }: Normalisation,
  out: Float32Array,
  [rows, columns]: Canvas,
): void {
  for (let channel = 0; channel < 3; channel++) {
    const a = gain[channel]!
    const b = offset[channel]!
    for (let y = 0; y < height; y++) {
      const source = (channel * height + y) * width
      const target = (channel * rows + y) * columns
      if (flip) for (let x = 0; x < width; x++) out[target + x] = a * pixels[source + width - 1 - x]! + b
      else for (let x = 0; x < width; x++) out[target + x] = a * pixels[source + x]! + b
    }
  }
}

interface Placed {
  readonly objects: BatchObjects
  readonly crowds: Float32Array
}

function placeObjects(scene: Scene, pixels: ScenePixels, flip: boolean): Placed {
  const [across, down] = [pixels.width / scene.width, pixels.height / scene.height]
  const corners = (box: readonly [number, number, number, number]): readonly number[] => {
    const [left, top, width, height] = box
    const x = flip ? scene.width - left - width : left
    const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most)
    return [
      within(x * across, pixels.width),
      within(top * down, pixels.height),
      within((x + width) * across, pixels.width),
      within((top + height) * down, pixels.height),
    ]
  }
  const single = scene.objects.filter(({ crowd }) => !crowd)
  const crowds = scene.objects.filter(({ crowd }) => crowd)
  return {
    objects: {
      boxes: Float32Array.from(single.flatMap(({ box }) => corners(box))),
      categories: Int32Array.from(single, ({ label }) => label),
    },
    crowds: Float32Array.from(crowds.flatMap(({ box }) => corners(box))),
  }
}
