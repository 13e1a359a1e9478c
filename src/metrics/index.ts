/**
 * What networks and mixtures are measured by: confusions, calibration, average precision of classes, COCO's average precision, utilization of experts, preferred classes.
 *
 * @module
 */

export { averagePrecision, meanAveragePrecision } from './average-precision.ts'
export { type Calibration, type CalibrationBin, calibrationOf } from './calibration.ts'
export {
  confidentMistakes,
  type LabelMistake,
  type LabelMistakes,
  labelMistakes,
  type Mistake,
} from './confident-mistakes.ts'
export {
  type ClassScores,
  type Confusion,
  type ConfusionMatrix,
  classScores,
  confusionMatrix,
  type MacroScores,
  macroScores,
  mostConfused,
} from './confusion.ts'
export {
  type AreaName,
  areaNames,
  type CategoryEvaluation,
  cocoSizes,
  type DetectionCounts,
  type DetectionCurves,
  type DetectionEvaluation,
  type DetectionEvaluationOptions,
  type DetectionMatches,
  type DetectionStats,
  evaluateDetections,
  type GroundTruth,
  type IouStats,
  iouThresholds,
  type MissReason,
  maxDetections,
  missReasons,
  type PrecisionRecallCurves,
  precisionAt,
  precisionRecallCurves,
  recallAt,
  recallThresholds,
  type SizeLimits,
} from './detections/index.ts'
export {
  bestThreshold,
  countsAt,
  type LabelCounts,
  type PrecisionRecall,
  precisionRecall,
} from './label-thresholds.ts'
export { type MeasureDefinition, type Measures, measureText } from './measure.ts'
export {
  type BoxPredictions,
  defineMetric,
  type LabelPredictions,
  type Metric,
  type MetricDefinition,
  type MetricFacts,
  type MetricOfTask,
  type Predictions,
  type PredictionsOfTask,
} from './metric.ts'
export { type ClassWeights, preferredClasses } from './preferred-classes.ts'
export { activeShare, type LayerStats, type UtilizationSums, utilization, variation } from './utilization.ts'
