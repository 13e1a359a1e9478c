/**
 * Mixtures of experts: gates, routing, dispatch, constraints, the layer.
 *
 * @module
 */
export * from './constraints/index.ts'
export { type Dispatch, denseDispatch, sparseDispatch, stackedDispatch } from './dispatch.ts'
export { convGapFc, type Gate, gapFc } from './gates.ts'
export {
  counterOutput,
  type DispatchName,
  epochInput,
  type LayerInfo,
  layerInfo,
  type MoeOptions,
  type MoeResult,
  type MoeStatistics,
  mixtureOfExperts,
  type RoutingOverride,
} from './layer.ts'
export { type Routing, type RoutingOptions, route, type Weighting } from './routing.ts'
