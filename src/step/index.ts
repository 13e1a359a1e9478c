/**
 * What training needs besides an engine, for any JavaScript runtime, a browser among them: training and evaluation steps as
 * programs, batches from arrays, the learning rate of a step, and the counter-based generator; the content of a run's folder
 * and of an exported model; the colours of reports. It imports nothing from Node and no native module; `program.model` is an
 * ONNX file for any ONNX Runtime.
 *
 * @module
 */

export { tableInformation } from '../analysis/information.ts'
export { MoietyError } from '../base/errors.ts'
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
export { withAdditions } from '../config/additions.ts'
export {
  type Config,
  type ConstraintConfig,
  type ModelConfig,
  type MoeLayerConfig,
  type NetworkConfig,
  type OptimizerConfig,
  resolveConfig,
  type ScheduleConfig,
  withoutSafeKeys,
} from '../config/config.ts'
export { type ImageArrays, splitOfArrays } from '../data/arrays.ts'
export type { Augmentation, Crop, Jitter } from '../data/augmentation.ts'
export { type Batch, type BatchOptions, epochOrder, makeBatch } from '../data/batches.ts'
export { channelStatistics } from '../data/channel-statistics.ts'
export { type PerChannel, type Split, spreadOverClasses } from '../data/dataset.ts'
export { splitByFile } from '../data/folder-split.ts'
export { isImageName } from '../data/image-names.ts'
export { isJunkFile } from '../data/junk-files.ts'
export { photographs } from '../data/photographs.ts'
export { roleOf } from '../data/split-names.ts'
export { type DescribedRun, describeModel } from '../export/describe.ts'
export {
  type ExportedModel,
  exportedModel,
  type ModelForm,
  modelFile,
  type TrainedClassifier,
} from '../export/export-model.ts'
export { encodeMetadata, type ModelMetadata } from '../export/metadata.ts'
export type { DataFacts, Normalisation } from '../export/run-facts.ts'
export { isJsonObject, type Json, type JsonObject } from '../files/json.ts'
export { decodeSafetensors, encodeSafetensors, type Safetensors } from '../files/safetensors.ts'
export {
  addBatch,
  counterValues,
  emptySums,
  type LayerStats,
  type UtilizationSums,
  utilization,
} from '../metrics/utilization.ts'
export type { LayerInfo } from '../moe/index.ts'
export { adopt } from '../nn/index.ts'
export * from '../optim/index.ts'
export { expertShades, liftShades, liftStep, type Shade, themeStyle } from '../report/palette.ts'
export {
  type CheckpointRecord,
  checkpointFormat,
  type FileFacts,
  hashedText,
  nameOf,
  recordOf,
  recordText,
  type Sha256,
  type StateFile,
  stateFiles,
} from '../run/checkpoint-text.ts'
export { type Extension, extension, readPlan, type TrainingPlan, trainingPlan } from '../run/extensions.ts'
export { encodeLine, type MetricsLine } from '../run/metrics-line.ts'
export { plainModel } from '../runtime/plain-ops.ts'
export {
  type ClassificationObjectiveOptions,
  classificationObjective,
  crossEntropy,
} from '../tasks/classification/classification-objective.ts'
export { type EvaluationProgram, evaluationProgram } from '../tasks/classification/evaluation-program.ts'
export { classifierOf, constraintOf, type ModelOptions } from '../tasks/classifier-of.ts'
export type { BatchForm, BuildObjective, Objective } from '../tasks/objective.ts'
export {
  type DataIdentity,
  dataIdentity,
  type IdentifiedData,
  identity,
  remembered,
} from '../tasks/remembered-data.ts'
export type { LabelledItem, RoutedLayer } from '../tasks/routing.ts'
export { SquareBatches } from '../tasks/square-batches.ts'
export { classifierStepOptions, type StepOptions, trainingStep } from '../train/classification-step.ts'
export { type Collapse, collapses } from '../train/collapse.ts'
export {
  addStep,
  type EpochSums,
  emptyEpoch,
  epochMeans,
  epochSums,
  readSums,
  writeSums,
} from '../train/epoch-sums.ts'
export { type DescribedExample, describedExamples, type ExampleImage } from '../train/examples-of-experts.ts'
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
} from '../train/step.ts'
export { type StepMoment, stepFeeds } from '../train/step-feeds.ts'
export { type StepLayer, stepLayers } from '../train/step-layers.ts'
