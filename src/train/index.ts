/**
 * Training: the loop, and what it is made of — the step as one program, optimizers, schedules, the configuration.
 *
 * @module
 */

export {
  type Callback,
  type CallbackDefinition,
  defineCallback,
  type EpochReport,
  type StepReport,
  type TrainingControl,
} from '../config/callback.ts'
export { addComponents, type Definition, type UsedComponents } from '../config/components.ts'
export {
  type AugmentationConfig,
  applyOverrides,
  type Config,
  type ConstraintConfig,
  type DataConfig,
  type DetectorConfig,
  type EngineConfig,
  type HeadMixtureConfig,
  type ModelConfig,
  type MoeLayerConfig,
  type NetworkConfig,
  resolveConfig,
  type TrainingConfig,
} from '../config/config.ts'
export type { GateConfig } from '../config/moe.ts'
export { loadComponents } from '../config/use.ts'
export type { Detector } from '../models/index.ts'
export * from '../optim/index.ts'
export type {
  LayerStats,
  LayerSummary,
  Measures,
  NetworkCost,
  PreferredClass,
  TrainEvent,
  TrainSummary,
} from '../run/events.ts'
export { type Engines, type EnginesOptions, startEngines } from '../runtime/engines.ts'
export {
  type ClassificationObjectiveOptions,
  classificationObjective,
  crossEntropy,
} from '../tasks/classification/classification-objective.ts'
export { classifierOf, constraintOf } from '../tasks/classifier-of.ts'
export { type DetectionObjectiveOptions, detectionObjective } from '../tasks/detection/detection-objective.ts'
export { type DetectorModelConfig, detectorOf, isDetector } from '../tasks/detection/detector-of.ts'
export {
  binaryCrossEntropy,
  type MultiLabelObjectiveOptions,
  multiLabelObjective,
} from '../tasks/multi-label/multi-label-objective.ts'
export type { BatchForm, BuildObjective, Objective } from '../tasks/objective.ts'
export type { TaskBatch } from '../tasks/task.ts'
export { classifierStepOptions, type StepOptions, trainingStep } from './classification-step.ts'
export { type DetectionStepOptions, detectionStep } from './detection-step.ts'
export { probeTraining, type TrainingProbeOptions, type TrainingReport } from './device-probe.ts'
export { type Drift, type DriftOptions, measureDrift, type StepDrift } from './drift.ts'
export { type FindOptions, type FoundRate, findLearningRate, type TriedRate } from './find-learning-rate.ts'
export { type FromWeights, withModelFrom } from './model-from.ts'
export type { StepDifference } from './probe-step.ts'
export {
  type Derivative,
  type Diagnosis,
  type Differentiated,
  differentiate,
  type Metric,
  type NoiseInput,
  refuseExceeded,
  type StepFacts,
  type TrainingStep,
  type WeightAverage,
  type WriteStepOptions,
  writeStep,
} from './step.ts'
export { type StepMoment, stepFeeds } from './step-feeds.ts'
export { type TrainOptions, train } from './train.ts'
export { type ReadyStep, type StepWriter, TrainingPrograms } from './training-programs.ts'
