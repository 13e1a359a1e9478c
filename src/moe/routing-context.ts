import { ContextKey, type Scope } from '../nn/scope.ts'

/**
 * How images are routed when the layer is analysed rather than trained: by the gate with another K or without an
 * expert, to one expert alone, or to all with equal weight.
 */
export type RoutingOverride =
  | { readonly kind: 'gate'; readonly k?: number; readonly without?: number }
  | { readonly kind: 'single'; readonly expert: number }
  | { readonly kind: 'equal' }

/**
 * Ways to compute Σ w·E(x) that agree: the chosen experts only; each of them on as many images as may choose it; all of them; or all
 * of them for analysis.
 */
export type DispatchName = 'sparse' | 'capacity' | 'dense' | 'stacked'

/** How mixtures route and compute instead of as their options say, for analysis. */
export interface RoutingContext {
  /** For the mixtures of these names. */
  readonly overrides: ReadonlyMap<string, RoutingOverride>
  /** For all mixtures without an entry in `overrides`. */
  readonly override?: RoutingOverride | undefined
  readonly dispatch?: DispatchName | undefined
}

const key = new ContextKey<RoutingContext>('routing')

/** The same scope, in which every mixture of experts routes and computes like this, wherever in the network it is. */
export function withRouting(scope: Scope, context: RoutingContext): Scope {
  return scope.withContext(key, context)
}

/** How the mixture at a scope is overridden; undefined for as its options say. */
export function contextualOverride(scope: Scope): RoutingOverride | undefined {
  const context = scope.context(key)
  return context?.overrides.get(scope.path) ?? context?.override
}

/** How mixtures at a scope dispatch; undefined for as their options say. */
export function contextualDispatch(scope: Scope): DispatchName | undefined {
  return scope.context(key)?.dispatch
}
