export type { ComponentSource, OptionMistake } from '../base/component.ts'
export {
  averagedState,
  averageName,
  averageStep,
  averagesOf,
  type ChangedTensor,
  decayAt,
  decayInput,
  isAveragedStatistic,
  withAverages,
} from './average.ts'
export {
  clipGradients,
  gradientNorm,
  type OptimizerStep,
  optimize,
  optimizerPrefix,
  zerosFor,
} from './optimize.ts'
export {
  defineOptimizer,
  type OptimizerDefinition,
  type OptimizerMemory,
  type OptimizerSpec,
  type Parameter,
  type ParamGroupOptions,
  type Trained,
  type UpdateRule,
  weightDecay,
} from './optimizer.ts'
export { type OptimizerConfig, optimizers } from './optimizers/registry.ts'
export { type ScheduleMoment, scheduleAt } from './schedule.ts'
export {
  defineSchedule,
  type ScheduleDefinition,
  type ScheduleSpec,
  type ScheduleStep,
} from './schedules/definition.ts'
export { type ScheduleConfig, schedules } from './schedules/registry.ts'
export { trainedTogether } from './trained.ts'
