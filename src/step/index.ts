/**
 * What training needs besides an engine, for any JavaScript runtime, a browser among them: training and evaluation steps as
 * programs, batches from arrays, the learning rate of a step, and the counter-based generator. It imports nothing from Node and
 * no native module; `program.model` is an ONNX file for any ONNX Runtime.
 *
 * @module
 */

export { type Draws, draws } from '../base/random.ts'
export {
  type DType,
  floats,
  type HostTensor,
  type State,
  scalar,
  sizeOf,
  type TensorData,
} from '../base/tensor.ts'
export {
  type Config,
  type ConstraintConfig,
  type ModelConfig,
  type MoeLayerConfig,
  type NetworkConfig,
  type OptimizerConfig,
  resolveConfig,
  type ScheduleConfig,
} from '../config/config.ts'
export { type ImageArrays, splitOfArrays } from '../data/arrays.ts'
export type { Augmentation, Crop, Jitter } from '../data/augmentation.ts'
export { type Batch, type BatchOptions, epochOrder, makeBatch } from '../data/batches.ts'
export { channelStatistics } from '../data/channel-statistics.ts'
export type { PerChannel, Split } from '../data/dataset.ts'
export * from '../optim/index.ts'
export {
  type ClassificationObjectiveOptions,
  classificationObjective,
  crossEntropy,
} from '../tasks/classification/classification-objective.ts'
export { type EvaluationProgram, evaluationProgram } from '../tasks/classification/evaluation-program.ts'
export { classifierOf, constraintOf, type ModelOptions } from '../tasks/classifier-of.ts'
export type { BatchForm, BuildObjective, Objective } from '../tasks/objective.ts'
export { classifierStepOptions, type StepOptions, trainingStep } from '../train/classification-step.ts'
export {
  type Derivative,
  type Diagnosis,
  type Differentiated,
  differentiate,
  type Metric,
  type NoiseInput,
  type StepFacts,
  type TrainingStep,
  type WeightAverage,
  type WriteStepOptions,
  writeStep,
} from '../train/step.ts'
export { type StepMoment, stepFeeds } from '../train/step-feeds.ts'
