/**
 * What networks and mixtures are measured by: average precision of classes, COCO's average precision, utilization of experts, preferred classes.
 *
 * @module
 */

export { averagePrecision, meanAveragePrecision } from './average-precision.ts'
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
