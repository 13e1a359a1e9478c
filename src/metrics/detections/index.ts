/** COCO's evaluation of detected boxes. It needs nothing that computes: no engine, no model. */
export { type DetectionCurves, precisionAt, recallAt } from './accumulate.ts'
export {
  type CategoryEvaluation,
  type DetectionCounts,
  type DetectionEvaluation,
  type DetectionEvaluationOptions,
  type DetectionMatches,
  evaluateDetections,
  type GroundTruth,
} from './evaluate-detections.ts'
export {
  bestScore,
  type CategoryScores,
  type MissedObject,
  type MissReason,
  missedObjects,
  missReasons,
  scoresFrom,
} from './missed-objects.ts'
export { type PrecisionRecallCurves, precisionRecallCurves } from './precision-recall-curves.ts'
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
