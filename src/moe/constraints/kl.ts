import { add, div, log, mul, sum } from '../../graph/index.ts'
import { rowCount } from '../../graph/ops/indexing.ts'
import { defineConstraint, weight } from './definition.ts'

/**
 * The KL-divergence loss (METHOD.md §2): L = weight · Σ_i p_i · ln(E · p_i) with p_i = (I_i + 10⁻¹⁰) / N, the
 * divergence of the experts' shares from the uniform distribution. Range [0, weight · ln E].
 */
export const definition = defineConstraint({
  name: 'kl',
  description: 'the divergence of the importance from the uniform distribution, as a loss',
  kind: 'soft',
  noise: true,
  options: {
    weight: weight(0.5),
  },
  create: ({ weight }) => ({
    loss: ({ importance, weights, experts }) => {
      const share = div(add(importance, 1e-10), rowCount(weights))
      return mul(sum(mul(share, log(mul(share, experts)))), weight)
    },
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const kl = definition.create
