import { fail } from '../base/errors.ts'
import {
  type BoxArrays,
  checkedPixels,
  type ImageArrays,
  type LabelArrays,
  type PixelArrays,
  splitOfArrays,
} from './arrays.ts'
import { channelStatistics } from './channel-statistics.ts'
import { type Dataset, pixelsInMemory } from './dataset.ts'
import { canvasesOf } from './detection/canvas.ts'
import type { DetectionDataset, DetectionSplit, Scene } from './detection/detection-dataset.ts'
import type { MultiLabelDataset, MultiLabelSplit } from './multi-label/multi-label-dataset.ts'

/** Images in arrays of each split. */
export interface Arrays<Split extends PixelArrays> {
  readonly title: string
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  readonly train: Split
  /** What training is tested on after each epoch; by default `test`. */
  readonly val?: Split | undefined
  readonly test: Split
}

/** Images in arrays with the names of their classes. */
export type ArrayData = Arrays<ImageArrays>

/** The same, of images with any number of classes each. */
export type LabelArrayData = Arrays<LabelArrays>

/** The same, of images with boxes. */
export interface BoxArrayData extends Arrays<BoxArrays> {
  /** COCO's size limits, 32 and 96 pixels, are multiplied by this. Default: 1. */
  readonly sizeFactor?: number | undefined
}

/**
 * Arrays as a data set, normalised by the mean and standard deviation of the training images.
 *
 * @throws MoietyError (data) for arrays that do not fit
 */
export function datasetOfArrays(data: ArrayData): Dataset {
  return { ...common(data), superclassOf: undefined, ...splits(data, splitOfArrays) }
}

/** The same, of images with any number of classes each. @throws MoietyError (data) */
export function multiLabelOfArrays(data: LabelArrayData): MultiLabelDataset {
  const { classes } = data
  return {
    ...common(data),
    superclassOf: undefined,
    ...splits(data, arrays => labelledSplit(arrays, classes.length)),
  }
}

/** The same, of images with boxes. @throws MoietyError (data) */
export function scenesOfArrays(data: BoxArrayData): DetectionDataset {
  const { classes, train, sizeFactor = 1 } = data
  const { size: _, ...facts } = common(data)
  return {
    ...facts,
    superclassOf: undefined,
    categoryIds: classes.map((_name, label) => label + 1),
    canvases: canvasesOf({ longest: train.size, shortest: train.size }),
    sizeFactor,
    ...splits(data, boxedSplit),
  }
}

function common<Split extends PixelArrays>({ title, classes, train, val, test }: Arrays<Split>) {
  const { size } = train
  for (const [name, split] of Object.entries({ val, test }))
    if (split !== undefined && split.size !== size)
      fail({
        kind: 'data',
        message: `expected images of ${size}×${size}, as those to train on, but those of ${name} are ${split.size}×${split.size}`,
        where: `${name}.size`,
        help: 'give all images one size',
      })
  return {
    ...{ name: 'arrays', title, size, classes, superclasses: undefined, skipped: [] },
    ...channelStatistics(train.pixels, size * size),
  }
}

function splits<From extends PixelArrays, To>(
  { train, val, test }: Arrays<From>,
  split: (arrays: From) => To,
): { readonly train: To; readonly val?: To; readonly test: To } {
  return { train: split(train), ...(val === undefined ? {} : { val: split(val) }), test: split(test) }
}

function labelledSplit(arrays: LabelArrays, classes: number): MultiLabelSplit {
  const { bytes, length } = checkedPixels(arrays, arrays.labels?.length)
  const targets = new Uint8Array(length * classes)
  for (const [image, labels] of arrays.labels.entries())
    for (const label of labels) {
      checkLabel(label, classes, `labels[${image}]`)
      targets[image * classes + label] = 1
    }
  return { length, load: loadOf(bytes, arrays.size, length), targets }
}

function boxedSplit({ objects: all, ...arrays }: BoxArrays): DetectionSplit {
  const { size } = arrays
  const { bytes, length } = checkedPixels(arrays, all?.length)
  const load = loadOf(bytes, size, length)
  let id = 0
  const scenes = all.map((objects, image): Scene => {
    const own = objects.map(({ box, label }, i) => {
      checkBox(box, size, `objects[${image}][${i}].box`)
      return { id: ++id, box, label, area: box[2] * box[3], crowd: false }
    })
    return { id: image + 1, name: `image ${image}`, width: size, height: size, objects: own }
  })
  return {
    length,
    scenes,
    load: async indices => {
      const pixels = await load(indices)
      const stride = 3 * size * size
      return Array.from(indices, (_, i) => ({
        pixels: pixels.subarray(i * stride, (i + 1) * stride),
        width: size,
        height: size,
      }))
    },
  }
}

function loadOf(bytes: Uint8Array, size: number, length: number) {
  return pixelsInMemory({ bytes, stride: 3 * size * size, header: 0, size, length })
}

function checkLabel(label: number, classes: number, where: string): void {
  if (Number.isInteger(label) && label >= 0 && label < classes) return
  fail({
    kind: 'data',
    message: `expected classes from 0 to ${classes - 1}, but ${label} came`,
    where,
    help: 'number the classes from 0, in the order of their names',
  })
}

function checkBox(box: readonly number[], size: number, where: string): void {
  const [x = Number.NaN, y = Number.NaN, width = Number.NaN, height = Number.NaN] = box ?? []
  const isWithin = x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= size && y + height <= size
  if (isWithin) return
  fail({
    kind: 'data',
    message: `expected a box within ${size}×${size} pixels, but [${[...(box ?? [])].join(', ')}] came`,
    where,
    help: 'give boxes as x, y, width, height in pixels',
  })
}
