/**
 * Training: the loop, and what it is made of — the step as one program, optimizers, schedules, the configuration.
 *
 * @module
 */
export { classifierOf, constraintOf } from '../models/classifier.ts'
export {
  type AugmentationConfig,
  applyOverrides,
  type Config,
  type ConstraintConfig,
  type DataConfig,
  type EngineConfig,
  type ModelConfig,
  type MoeLayerConfig,
  type OptimizerConfig,
  resolveConfig,
  type ScheduleConfig,
  type TrainingConfig,
} from '../run/config.ts'
export type { LayerStats, LayerSummary, PreferredClass, TrainEvent, TrainSummary } from '../run/events.ts'
export { type TrainOptions, train } from './loop.ts'
export { clipGradients, gradientNorm, type OptimizerStep, optimize, type Trained } from './optimizers.ts'
export { type ScheduleMoment, scheduleAt } from './schedule.ts'
export { crossEntropy, type NoiseInput, type StepOptions, type TrainingStep, trainingStep } from './step.ts'
