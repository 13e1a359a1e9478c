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
import { type Region, resample } from './resample.ts'
import {
  boxOnTile,
  type DetectionAugmentation,
  jitteredTile,
  mosaicTiles,
  type PlacedImage,
  type Tile,
  wholeTile,
} from './tiles.ts'

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
   * Height and width of each image in the canvas, in pixels, before random changes. Boxes are scaled by the same ratios as pixels:
   * x by the width here over that of the stored image, y by the heights.
   */
  readonly sizes: readonly (readonly [height: number, width: number])[]
  /** The images' numbers in their split. */
  readonly indices: Uint32Array
}

/** Random changes of a training batch. */
export interface DetectionChanges extends DetectionAugmentation {
  readonly seed: number
  readonly epoch: number
}

/**
 * Loads, changes, normalises and pads some images. Augmentation of an image depends only on
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
  const layouts = Array.from(indices, index => layoutOf(index, split.length, changes))
  const numbers = [...new Set(layouts.flatMap(({ images }) => images))]
  for (const number of numbers) checkObjects(sceneAt(split, number), dataset.classes.length)
  const loaded = new Map<number, ScenePixels>()
  const pixels = await split.load(numbers)
  checkLoaded(
    pixels,
    numbers.map(number => sceneAt(split, number)),
    dataset.canvases,
  )
  for (const [i, number] of numbers.entries()) loaded.set(number, pixels[i]!)
  const [height, width] = canvas
  const perImage = 3 * height * width
  const images = new Float32Array(scenes.length * perImage)
  const scale = normalisation(dataset.mean, dataset.std)
  const placed = layouts.map((layout, position) => {
    const out = images.subarray(position * perImage, (position + 1) * perImage)
    const tiles = tilesOf(layout, loaded, canvas)
    for (const tile of tiles) place(loaded.get(tile.index)!, tile, scale, out, canvas)
    return placeObjects(split, tiles, loaded)
  })
  const own = Array.from(indices, index => loaded.get(index)!)
  return {
    canvas,
    images: { dtype: 'float32', shape: [scenes.length, 3, height, width], data: images },
    objects: placed.map(({ objects }) => objects),
    crowds: placed.map(({ crowds }) => crowds),
    sizes: own.map(one => [one.height, one.width] as const),
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
function checkLoaded(
  loaded: readonly ScenePixels[],
  scenes: readonly Scene[],
  canvases: readonly Canvas[],
): void {
  for (const [i, scene] of scenes.entries()) {
    const [rows, columns] = canvases[canvasOf(canvases, scene)]!
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

/** Which images come on a canvas, and what else is drawn for it. */
interface Layout {
  /** The image itself, and those that are joined with it. */
  readonly images: readonly number[]
  readonly tiles: (images: readonly PlacedImage[], canvas: Canvas) => readonly Tile[]
}

function layoutOf(index: number, length: number, changes: DetectionChanges | 'unchanged'): Layout {
  if (changes === 'unchanged') return { images: [index], tiles: images => images.map(one => wholeTile(one)) }
  const { flip, scaleJitter, mosaic, seed, epoch } = changes
  const mirror = draws(seed, 'detection augment', epoch, index)
  const flips = () => mirror.uniform() < flip
  const scaling = draws(seed, 'scale jitter', epoch, index)
  const factorOf = () =>
    scaleJitter === undefined ? 1 : scaling.between(scaleJitter.least, scaleJitter.most)
  if (mosaic !== undefined) {
    const source = draws(seed, 'mosaic', epoch, index)
    if (source.uniform() < mosaic.probability) {
      const images = [index, source.below(length), source.below(length), source.below(length)]
      return { images, tiles: (all, canvas) => mosaicTiles(all, canvas, factorOf, flips, source) }
    }
  }
  if (scaleJitter === undefined)
    return { images: [index], tiles: images => images.map(one => wholeTile(one, flips())) }
  return {
    images: [index],
    tiles: (images, canvas) => images.map(one => jitteredTile(one, flips(), factorOf(), canvas, scaling)),
  }
}

function tilesOf(
  { images, tiles }: Layout,
  loaded: ReadonlyMap<number, ScenePixels>,
  canvas: Canvas,
): readonly Tile[] {
  const placed = images.map(index => {
    const { width, height } = loaded.get(index)!
    return { index, width, height }
  })
  return tiles(placed, canvas)
}

/** Writes what is shown of an image, normalised, into its canvas, and leaves the rest unchanged. */
function place(
  pixels: ScenePixels,
  { extent, flip, left, top, region }: Tile,
  { gain, offset }: Normalisation,
  out: Float32Array,
  [rows, columns]: Canvas,
): void {
  const [height, width] = [region.bottom - region.top, region.right - region.left]
  if (height <= 0 || width <= 0) return
  // In pixels of the image as it is drawn, before it is mirrored.
  const from = flip ? extent.width - (region.right - left) : region.left - left
  const part = {
    ...{ left: from, right: from + width },
    ...{ top: region.top - top, bottom: region.bottom - top },
  }
  const isWhole = extent.width === pixels.width && extent.height === pixels.height
  const values = isWhole ? cropped(pixels, part) : resample(pixels, extent, part)
  for (let channel = 0; channel < 3; channel++) {
    const a = gain[channel]!
    const b = offset[channel]!
    for (let y = 0; y < height; y++) {
      const source = (channel * height + y) * width
      const target = (channel * rows + region.top + y) * columns + region.left
      if (flip) for (let x = 0; x < width; x++) out[target + x] = a * values[source + width - 1 - x]! + b
      else for (let x = 0; x < width; x++) out[target + x] = a * values[source + x]! + b
    }
  }
}

function cropped({ pixels, width, height }: ScenePixels, { top, bottom, left, right }: Region): Uint8Array {
  if (top === 0 && left === 0 && bottom === height && right === width) return pixels
  const [rows, columns] = [bottom - top, right - left]
  const out = new Uint8Array(3 * rows * columns)
  for (let channel = 0; channel < 3; channel++)
    for (let y = 0; y < rows; y++) {
      const start = (channel * height + top + y) * width + left
      out.set(pixels.subarray(start, start + columns), (channel * rows + y) * columns)
    }
  return out
}

interface Placed {
  readonly objects: BatchObjects
  readonly crowds: Float32Array
}

function placeObjects(
  split: DetectionSplit,
  tiles: readonly Tile[],
  loaded: ReadonlyMap<number, ScenePixels>,
): Placed {
  const found = tiles.flatMap(tile => {
    const pixels = loaded.get(tile.index)!
    const scene = sceneAt(split, tile.index)
    const [across, down] = [pixels.width / scene.width, pixels.height / scene.height]
    const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most)
    return scene.objects.flatMap(({ box: [begin, y, width, height], label, crowd }) => {
      const x = tile.flip ? scene.width - begin - width : begin
      const corners = [
        within(x * across, pixels.width),
        within(y * down, pixels.height),
        within((x + width) * across, pixels.width),
        within((y + height) * down, pixels.height),
      ] as const
      const box = boxOnTile(corners, pixels, tile)
      return box === undefined ? [] : [{ box, label, crowd }]
    })
  })
  const single = found.filter(({ crowd }) => !crowd)
  return {
    objects: {
      boxes: Float32Array.from(single.flatMap(({ box }) => box)),
      categories: Int32Array.from(single, ({ label }) => label),
    },
    crowds: Float32Array.from(found.filter(({ crowd }) => crowd).flatMap(({ box }) => box)),
  }
}
