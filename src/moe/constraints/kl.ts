import { add, div, log, mul, sum } from '../../graph/index.ts'
import { rowCount } from '../../graph/ops/indexing.ts'
import type { Constraint } from './constraint.ts'

/**
 * The KL-divergence loss (METHOD.md §2): L = weight · Σ_i p_i · ln(E · p_i) with p_i = (I_i + 10⁻¹⁰) / N, the
 * divergence of the experts' shares from the uniform distribution. Range [0, weight · ln E].
 */
export function kl({ weight = 0.5 }: { readonly weight?: number } = {}): Constraint {
  return {
    name: 'kl',
    noise: true,
    loss: ({ importance, weights, experts }) => {
      const share = div(add(importance, 1e-10), rowCount(weights))
      return mul(sum(mul(share, log(mul(share, experts)))), weight)
    },
  }
}
