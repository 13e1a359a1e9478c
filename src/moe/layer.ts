import { fail } from '../base/errors.ts'
import type { Tensor } from '../graph/index.ts'
import { checkFunction, describeGiven } from '../nn/contract.ts'
import type { Layer } from '../nn/layers.ts'
import type { Scope } from '../nn/scope.ts'
import {
  buildExpert,
  type CapacityOptions,
  capacityDispatch,
  denseDispatch,
  sparseDispatch,
  stackedDispatch,
} from './dispatch.ts'
import { type GatingOptions, gateInputs, type MoeStatistics } from './gating.ts'
import { contextualDispatch, type DispatchName } from './routing-context.ts'

const dispatches = {
  sparse: () => sparseDispatch,
  capacity: capacityDispatch,
  dense: () => denseDispatch,
  stacked: () => stackedDispatch,
} as const

/** What a mixture of experts is made of. */
export interface MoeOptions extends Omit<GatingOptions, 'experts'> {
  /** The experts (E of them); any block. All must give the same shape. */
  readonly experts: readonly Layer[]
  readonly dispatch?: DispatchName
  /** With dispatch `capacity`: see {@link capacityDispatch}. */
  readonly capacityFactor?: number | undefined
}

/** How images are sent to experts. */
export interface DispatchOptions extends CapacityOptions {
  /** Default: sparse. */
  readonly dispatch?: DispatchName | undefined
  /** What the N rows are, in words; others for each x where one scope dispatches several (`Dispatch`). */
  readonly rows?: string
}

const expertHelp = 'give a function (scope, x) => feature maps for each expert'

/** The result of a mixture-of-experts layer. A loss that is part of the result cannot be forgotten. */
export interface MoeResult {
  readonly output: Tensor
  /** Auxiliary losses, scalars, to be added to the task's. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/**
 * A sparsely-gated mixture of experts (METHOD.md §1.1): each image of x [N, C, H, W] goes to K of the E experts,
 * and their results are added with the gate's weights.
 *
 * Parameters at the scope: what `gateInputs` has, and `experts.I.*`. With a single expert the layer is that expert.
 *
 * @throws MoietyError (usage) as `gateInputs` and `dispatchTo` do
 */
export function mixtureOfExperts(scope: Scope, x: Tensor, options: MoeOptions): MoeResult {
  const { experts, k, dispatch, capacityFactor: factor } = options
  if (!Array.isArray(experts)) {
    fail({
      kind: 'usage',
      message: `a mixture of experts expected an array of experts, but got ${describeGiven(experts)}`,
      where: scope.path,
      help: expertHelp,
    })
  }
  const { weights, losses, stats } = gateInputs(scope, [x], { ...options, experts: experts.length })
  return { output: dispatchTo(scope, x, weights[0]!, experts, { k, factor, dispatch }), losses, stats }
}

/**
 * Σ_i w_i · E_i(x), with expert I built at `experts.I` of the scope; the plain expert where there is one alone.
 *
 * @param weights - [N, E], of `gateInputs`
 * @throws MoietyError (usage) unless there is an expert for each column, for `stacked` in training, for `capacity` with an
 *   unknown number of images, or for an expert that
 *   returns something else than [N, C, H, W], or of another shape than the others
 */
export function dispatchTo(
  scope: Scope,
  x: Tensor,
  weights: Tensor,
  experts: readonly Layer[],
  { dispatch = 'sparse', rows, ...capacity }: DispatchOptions,
): Tensor {
  if (weights.dim(1) !== experts.length) {
    fail({
      kind: 'usage',
      message: `expected an expert for each of ${weights.dim(1)} weights, but got ${experts.length}`,
      where: scope.path,
      help: 'give gateInputs as many experts as there are to be sent to',
    })
  }
  for (const [i, expert] of experts.entries())
    checkFunction(expert, { what: `expert ${i}`, where: scope.path, help: expertHelp })
  if (experts.length === 1) return buildExpert(scope, 0, experts[0]!, x)
  const send = dispatches[contextualDispatch(scope) ?? dispatch](capacity)
  return send(scope, x, weights, experts, rows)
}
