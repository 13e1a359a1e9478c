import { fail } from '../base/errors.ts'
import {
  add,
  addRows,
  asFloat,
  concat,
  gatherRows,
  greater,
  matmul,
  mul,
  nonzero,
  reshape,
  slice,
  type Tensor,
  zeroRows,
} from '../graph/index.ts'
import type { Layer } from '../nn/layers.ts'
import type { Scope } from '../nn/scope.ts'

/**
 * y_n = Σ_i w_ni · E_i(x_n), the sum over the experts with a positive weight. Ways to compute it that agree in value and,
 * where they train, in every gradient.
 *
 * @param experts - the E experts; expert I is built at `experts.I` of the scope
 * @param weights - [N, E]
 * @param rows - what the N rows are; where the same experts are sent to more than once, words that no other time has: how
 *   many of them an expert gets is an extent of its own
 */
export type Dispatch = (
  scope: Scope,
  x: Tensor,
  weights: Tensor,
  experts: readonly Layer[],
  rows?: string,
) => Tensor

/**
 * Computes only what was chosen: each expert gets the images with a positive weight for it, and its results are
 * added back to their rows. An expert may get any number of images, none included.
 */
export const sparseDispatch: Dispatch = (scope, x, weights, experts, rows = 'images') => {
  let output: Tensor | undefined
  for (const [i, expert] of experts.entries()) {
    const column = columnOf(weights, i)
    const own = nonzero(greater(column, 0), `${rows} of ${scope.name(`experts.${i}`)}`)
    const inner = scope.selected({ indices: own, of: x.shape[0]! })
    const result = buildExpert(inner, i, expert, gatherRows(x, own))
    const weighted = mul(result, perImage(gatherRows(column, own)))
    output = addRows(output ?? zeroRows(x, result.shape.slice(1)), own, weighted)
  }
  return output!
}

/** Runs every expert on every image and multiplies by the weight, zero included: slow and obvious. */
export const denseDispatch: Dispatch = (scope, x, weights, experts) => {
  const contributions = experts.map((expert, i) => {
    const column = columnOf(weights, i)
    const chosen = asFloat(greater(column, 0))
    return mul(buildExpert(scope.masked(chosen), i, expert, x), perImage(column))
  })
  return contributions.reduce((total, contribution) => add(total, contribution))
}

/**
 * For analysis: the experts' results side by side, [N, E, C·H·W], and the weights as a matrix product with them. What many
 * routings of one network share is then all but one product each, and their graph grows with E and not with E². Only
 * outside of training, where no image enters another one's statistics.
 *
 * @throws MoietyError (usage) in training
 */
export const stackedDispatch: Dispatch = (scope, x, weights, experts) => {
  if (scope.training)
    return fail({
      kind: 'usage',
      message: 'stacked dispatch does not train: its experts see every image',
      where: scope.path,
      help: 'use dispatch sparse or dense',
    })
  const results = experts.map((expert, i) => buildExpert(scope, i, expert, x))
  const [images, ...extents] = results[0]!.shape
  const size = extents.reduce((total: number, extent) => total * Number(extent), 1)
  const rows = results.map(result => reshape(result, [images!, 1, size]))
  const mixed = matmul(reshape(weights, [images!, 1, experts.length]), concat(rows, 1))
  return reshape(mixed, [images!, ...extents])
}

function buildExpert(scope: Scope, i: number, expert: Layer, x: Tensor): Tensor {
  return scope.in('experts', all => all.in(String(i), inner => expert(inner, x)))
}

/** Column i of [N, E] as [N]. */
function columnOf(weights: Tensor, i: number): Tensor {
  return reshape(slice(weights, 1, i, i + 1), [weights.shape[0]!])
}

/** [N] → [N, 1, 1, 1], to weigh whole images. */
function perImage(values: Tensor): Tensor {
  return reshape(values, [values.shape[0]!, 1, 1, 1])
}
