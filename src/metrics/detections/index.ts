/** COCO's evaluation of detected boxes. It needs nothing that computes: no engine, no model. */
export { type DetectionCurves, precisionAt, recallAt } from './accumulate.ts'
export {
  type CategoryEvaluation,
  type DetectionCounts,
  type DetectionEvaluation,
  type DetectionEvaluationOptions,
  evaluateDetections,
  type GroundTruth,
} from './evaluate-detections.ts'
export {
  type AreaName,
  areaNames,
  cocoSizes,
  iouThresholds,
  maxDetections,
  recallThresholds,
  type SizeLimits,
} from './settings.ts'
export { type StatMeaning, statMeanings } from './stat-meanings.ts'
export type { DetectionStats, IouStats } from './summarise.ts'
