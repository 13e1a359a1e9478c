/**
 * Images with boxes: COCO's, YOLO's and Pascal VOC's format, drawn scenes, batches.
 *
 * @module
 */

export { type BoxFormat, boxFormats } from './box-folder.ts'
export { type FoundBoxes, findBoxes } from './box-formats.ts'
export { canvasOf } from './canvas.ts'
export {
  type BatchObjects,
  type DetectionBatch,
  type DetectionChanges,
  detectionBatches,
  makeDetectionBatch,
} from './detection-batches.ts'
export type {
  Canvas,
  DetectionDataset,
  DetectionSplit,
  Scene,
  SceneObject,
  ScenePixels,
} from './detection-dataset.ts'
export { type DetectionDataOptions, openDetectionDataset } from './open-detection-dataset.ts'
export type { DetectionAugmentation } from './tiles.ts'
