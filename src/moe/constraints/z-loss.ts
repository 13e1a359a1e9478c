import { logSumExp, mean, mul, square } from '../../graph/index.ts'
import { defineConstraint, weight } from './definition.ts'

/**
 * The router z-loss (Zoph et al. 2022, eq. 5; METHOD.md §8.2): weight · mean_n (ln Σ_i e^(z_ni))². It keeps logits
 * small, which steadies training; it does not balance by itself.
 */
export const definition = defineConstraint({
  name: 'z-loss',
  description: 'the router z-loss, which keeps logits small',
  kind: 'other',
  noise: true,
  options: {
    weight: weight(1e-3),
  },
  create: ({ weight }) => ({
    loss: ({ logits }) => mul(mean(square(logSumExp(logits))), weight),
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const zLoss = definition.create
