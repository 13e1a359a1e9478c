/**
 * What is learned from what: classification, multi-label classification and detection, opening a trained run, and testing it.
 *
 * @module
 */

export type { Json, JsonObject } from '../files/json.ts'
export type { CheckpointChoice } from './choose-checkpoint.ts'
export type { AnswerSummary, ExplainedMistake } from './classification/answers.ts'
export {
  type ClassificationTaskOptions,
  classificationTask,
} from './classification/custom-classification.ts'
export {
  type ClassificationResult,
  type EvaluateOptions,
  evaluateSplit,
} from './classification/evaluate-split.ts'
export {
  type EvaluationProgram,
  type EvaluationProgramOptions,
  evaluationProgram,
} from './classification/evaluation-program.ts'
export { classifierOf, constraintOf, type ModelOptions } from './classifier-of.ts'
export { type DataIdentity, dataIdentity, type Normalisation } from './data-identity.ts'
export {
  anchorsFor,
  type DetectorModelConfig,
  type DetectorOptions,
  detectorOf,
  detectorPlaces,
  isDetector,
} from './detection/detector-of.ts'
export type { ExplainedMiss } from './detection/found-and-missed.ts'
export { type EvalOptions, type EvalSummary, evaluateRun } from './evaluate-run.ts'
export { openTask, taskKinds } from './kinds.ts'
export type { ExplainedLabelMistake, LabelSummary } from './multi-label/label-answers.ts'
export type { ClassResult, MultiLabelResult } from './multi-label/multi-label-result.ts'
export type { BatchForm, BuildObjective, Objective } from './objective.ts'
export type { DataChoice } from './open-run.ts'
export type { ExpertsOfImage, LabelledItem, RoutedLayer } from './routing.ts'
export type { RoutingChoice } from './routing-choice.ts'
export type {
  Evaluated,
  EvaluatedVariants,
  Evaluation,
  NetworkFacts,
  OpenTaskOptions,
  SplitSizes,
  StoredPicture,
  Task,
  TaskBatch,
  TaskData,
  TaskKind,
  TestOptions,
  TextTable,
  VariantOptions,
  VariantResult,
} from './task.ts'
export {
  type Mixture,
  type MixturePlace,
  type PlacedOverrides,
  type RoutingOverrides,
  type Variant,
  variantsOf,
} from './variants.ts'
