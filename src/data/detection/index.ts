/**
 * Images with boxes: COCO's format, drawn scenes, batches.
 *
 * @module
 */
export {
  type BatchObjects,
  type DetectionBatch,
  type DetectionChanges,
  detectionBatches,
  makeDetectionBatch,
} from './batches.ts'
export { canvasOf } from './canvas.ts'
export { holdsCoco } from './coco-layout.ts'
export type {
  Canvas,
  DetectionDataset,
  DetectionSplit,
  Scene,
  SceneObject,
  ScenePixels,
} from './dataset.ts'
export { type DetectionDataOptions, openDetectionDataset } from './open.ts'
