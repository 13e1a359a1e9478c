import { logSumExp, mean, mul, square } from '../../graph/index.ts'
import type { Constraint } from './constraint.ts'

/**
 * The router z-loss (Zoph et al. 2022, eq. 5; METHOD.md §8.2): weight · mean_n (ln Σ_i e^(z_ni))². It keeps logits
 * small, which steadies training; it does not balance by itself.
 */
export function zLoss({ weight = 1e-3 }: { readonly weight?: number } = {}): Constraint {
  return {
    name: 'z-loss',
    noise: true,
    loss: ({ logits }) => mul(mean(square(logSumExp(logits))), weight),
  }
}
