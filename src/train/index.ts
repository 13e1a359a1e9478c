/**
 * Training: the loop, and what it is made of — the step as one program, optimizers, schedules, the configuration.
 *
 * @module
 */
export { classifierOf, constraintOf } from '../models/classifier.ts'
export { type Detector, type DetectorModelConfig, detectorOf, isDetector } from '../models/detector.ts'
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
  type OptimizerConfig,
  resolveConfig,
  type ScheduleConfig,
  type TrainingConfig,
} from '../run/config.ts'
export type {
  LayerStats,
  LayerSummary,
  Measures,
  PreferredClass,
  TrainEvent,
  TrainSummary,
} from '../run/events.ts'
export {
  classifierStepOptions,
  crossEntropy,
  type StepOptions,
  trainingStep,
} from './classification-step.ts'
export { type DetectionStepOptions, detectionStep } from './detection-step.ts'
export { probeTraining, type TrainingProbeOptions, type TrainingReport } from './device-probe.ts'
export { type Drift, type DriftOptions, measureDrift, type StepDrift } from './drift.ts'
export { type Engines, type EnginesOptions, startEngines } from './engines.ts'
export { type TrainOptions, train } from './loop.ts'
export {
  clipGradients,
  gradientNorm,
  type Manner,
  type OptimizerStep,
  optimize,
  type Parameter,
  type Trained,
  trainedTogether,
  zerosFor,
} from './optimizers.ts'
export type { StepDifference } from './probe-step.ts'
export { type ScheduleMoment, scheduleAt } from './schedule.ts'
export {
  type BatchForm,
  type BuildObjective,
  type Diagnosis,
  type NoiseInput,
  type Objective,
  type StepFacts,
  type TrainingStep,
  type WriteStepOptions,
  writeStep,
} from './step.ts'
export type { TaskBatch } from './task.ts'
export { type ReadyStep, type StepMoment, type StepWriter, TrainingPrograms } from './training-programs.ts'
