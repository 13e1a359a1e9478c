/**
 * Mixtures of experts: gates, routing, dispatch, constraints, the layer.
 *
 * @module
 */
export {
  type Component,
  type ComponentSource,
  type ComponentSpec,
  type ComponentType,
  type Creator,
  type CreatorSpec,
  type NamedOptions,
  type OptionMistake,
  Registry,
} from '../base/component.ts'
export * from './constraints/index.ts'
export {
  type CapacityOptions,
  capacityDispatch,
  capacityOf,
  type Dispatch,
  denseDispatch,
  sparseDispatch,
  stackedDispatch,
} from './dispatch.ts'
export * from './gates/index.ts'
export {
  counterOutput,
  epochInput,
  type Gating,
  type GatingOptions,
  gateInputs,
  type LayerInfo,
  layerInfo,
  type MoeStatistics,
} from './gating.ts'
export {
  type DispatchOptions,
  dispatchTo,
  type MoeOptions,
  type MoeResult,
  mixtureOfExperts,
} from './layer.ts'
export { type Routing, type RoutingOptions, route, type Weighting } from './routing.ts'
export {
  type DispatchName,
  type RoutingContext,
  type RoutingOverride,
  withRouting,
} from './routing-context.ts'
