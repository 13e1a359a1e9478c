/**
 * Datasets, augmentation, batches.
 *
 * @module
 */

export type { Creator, CreatorSpec, NamedOptions } from '../base/component.ts'
export {
  type ArrayData,
  type Arrays,
  type BoxArrayData,
  datasetOfArrays,
  type LabelArrayData,
  multiLabelOfArrays,
  scenesOfArrays,
} from './array-data.ts'
export {
  type BoxArrays,
  type ImageArrays,
  type LabelArrays,
  type PixelArrays,
  splitOfArrays,
} from './arrays.ts'
export type { FindPackage } from './artwork-package.ts'
export type { Augmentation, Crop, Jitter } from './augmentation.ts'
export { type Batch, type BatchOptions, epochOrder, imageBatch, makeBatch } from './batches.ts'
export { cacheDirectory } from './cache.ts'
export { findCifar, openCifar } from './cifar.ts'
export {
  type CocoAnnotation,
  type CocoAnnotations,
  type CocoCategory,
  type CocoImage,
  type ReadCocoOptions,
  readCocoAnnotations,
} from './coco/annotations.ts'
export type { Box } from './coco/record.ts'
export { type Detection, type KnownIds, readCocoResults } from './coco/results.ts'
export type { Dataset, Limit, OnProgress, PerChannel, Progress, SkippedFile, Split } from './dataset.ts'
export type { DataTask } from './datasets/dataset-facts.ts'
export {
  type DatasetDefinition,
  defineDataset,
  type OpenCustomData,
  type OpenedData,
  type OpenFacts,
} from './datasets/define-dataset.ts'
export {
  type BatchObjects,
  type Canvas,
  type DetectionAugmentation,
  type DetectionBatch,
  type DetectionChanges,
  type DetectionDataOptions,
  type DetectionDataset,
  type DetectionSplit,
  detectionBatches,
  makeDetectionBatch,
  openDetectionDataset,
  type Scene,
  type SceneObject,
  type ScenePixels,
} from './detection/index.ts'
export { type FolderOptions, openFolder } from './folder.ts'
export { type Archive, archives, type GetOptions, getCifar } from './get-cifar.ts'
export { decodeImage, type ImageBytes, type ImageSource, UnreadableImage } from './image.ts'
export {
  type MultiLabelDataset,
  type MultiLabelOptions,
  type MultiLabelSplit,
  openMultiLabel,
} from './multi-label/index.ts'
export { type DataOptions, openDataset } from './open-dataset.ts'
export {
  type AffectedMeasure,
  type MeasureChange,
  type Problem,
  type ProblemKind,
  type ProblemKindFacts,
  problemKinds,
} from './problem-kinds.ts'
export { type OnRefusal, Problems, type RefusedPart } from './problems.ts'
export { openSample, type SampleOptions } from './sample.ts'
export { heldOutSplit, type SplitName, type Splits, splitNamed, splitNames } from './split-names.ts'
export { defineTransform, type Transform, type TransformDefinition } from './transform.ts'
