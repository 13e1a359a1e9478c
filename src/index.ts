/**
 * Moiety's main doors: train a configuration, evaluate a run. The rooms behind them have doors of their own
 * (`moiety/graph`, `moiety/moe`, …).
 *
 * @module
 */
export { type ErrorFacts, type ErrorKind, exitCodes, MoietyError } from './base/errors.ts'
export { type Draws, draws } from './base/random.ts'
export {
  type DType,
  floats,
  type HostTensor,
  type State,
  scalar,
  sizeOf,
  type TensorData,
} from './base/tensor.ts'
export { type EvalOptions, type EvalSummary, evaluateRun } from './tasks/evaluate-run.ts'
export {
  type Config,
  type NetworkCost,
  resolveConfig,
  type TrainEvent,
  type TrainOptions,
  type TrainSummary,
  train,
} from './train/index.ts'
