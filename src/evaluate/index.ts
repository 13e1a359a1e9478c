/**
 * Evaluation: a classifier as a program, accuracy, utilisation of experts, preferred classes; detections.
 *
 * @module
 */

export type { RoutingChoice } from './chosen-routing.ts'
export {
  type AreaName,
  areaNames,
  type CategoryEvaluation,
  cocoSizes,
  type DetectionCounts,
  type DetectionCurves,
  type DetectionEvaluation,
  type DetectionEvaluationOptions,
  type DetectionStats,
  evaluateDetections,
  type GroundTruth,
  type IouStats,
  iouThresholds,
  maxDetections,
  precisionAt,
  recallAt,
  recallThresholds,
  type SizeLimits,
} from './detections/index.ts'
export {
  type CategorySummary,
  type DetectorEvalOptions,
  type DetectorEvalSummary,
  evaluateDetectorRun,
  isDetectorRun,
} from './detector/index.ts'
export { type EvalOptions, type EvalSummary, evaluateRun } from './evaluate-run.ts'
export { type EvaluateOptions, evaluateSplit, type SplitResult } from './evaluate-split.ts'
export { type ClassWeights, preferredClasses } from './preference.ts'
export { type EvaluationProgram, evaluationProgram } from './program.ts'
export type { DataChoice } from './trained-run.ts'
export { livingShare, type UtilisationSums, utilisation, variation } from './utilisation.ts'
