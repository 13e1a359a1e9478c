/**
 * Images with boxes: COCO's format, drawn scenes, batches.
 *
 * @module
 */

export { canvasOf } from './canvas.ts'
export { holdsCoco } from './coco-layout.ts'
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
