import { add, div, mean, mul, square, type Tensor, variance } from '../../graph/index.ts'
import type { Constraint } from './constraint.ts'

/**
 * The importance loss: the squared coefficient of variation of the experts' importance (METHOD.md §2; Shazeer et
 * al. 2017, eq. 7). L = weight · Var(I) / (μ² + 10⁻¹⁰), the variance with divisor E − 1. Range [0, E · weight].
 */
export function importance({ weight = 0.5 }: { readonly weight?: number } = {}): Constraint {
  return {
    name: 'importance',
    noise: true,
    loss: routing => mul(squaredVariation(routing.importance), weight),
  }
}

/** CV² = Var(v) / (mean(v)² + 10⁻¹⁰) of a vector, the variance unbiased. */
export function squaredVariation(values: Tensor): Tensor {
  return div(variance(values, [0], { correction: 1 }), add(square(mean(values)), 1e-10))
}
