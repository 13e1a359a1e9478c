/**
 * What is learned from what: classification and detection, opening a trained run, and testing it.
 *
 * @module
 */

export { type EvaluateOptions, evaluateSplit, type SplitResult } from './classification/evaluate-split.ts'
export { type EvaluationProgram, evaluationProgram } from './classification/evaluation-program.ts'
export { classifierOf, constraintOf, type ModelOptions } from './classifier-of.ts'
export {
  anchorsFor,
  type DetectorModelConfig,
  type DetectorOptions,
  type DetectorOverride,
  type DetectorPlace,
  detectorOf,
  detectorPlaces,
  isDetector,
} from './detection/detector-of.ts'
export {
  type CategorySummary,
  type DetectorEvalOptions,
  type DetectorEvalSummary,
  evaluateDetectorRun,
} from './detection/evaluate-detector-run.ts'
export { isDetectorRun } from './detection/trained-detector.ts'
export { type EvalOptions, type EvalSummary, evaluateRun } from './evaluate-run.ts'
export type { BatchForm, BuildObjective, Objective } from './objective.ts'
export type { DataChoice } from './open-run.ts'
export type { RoutingChoice } from './routing-choice.ts'
export type { Task, TaskBatch, TestOptions, TestResult } from './task.ts'
