import { add, div, mean, mul, square, type Tensor, variance } from '../../graph/index.ts'
import { defineConstraint, weight } from './definition.ts'

/**
 * The importance loss: the squared coefficient of variation of the experts' importance (METHOD.md §2; Shazeer et
 * al. 2017, eq. 7). L = weight · Var(I) / (μ² + 10⁻¹⁰), the variance with divisor E − 1. Range [0, E · weight].
 */
export const definition = defineConstraint({
  name: 'importance',
  description: 'the squared coefficient of variation of the importance, as a loss',
  kind: 'soft',
  noise: true,
  options: {
    weight: weight(0.5),
  },
  create: ({ weight }) => ({
    loss: routing => mul(squaredVariation(routing.importance), weight),
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const importance = definition.create

/** CV² = Var(v) / (mean(v)² + 10⁻¹⁰) of a vector, the variance unbiased. */
export function squaredVariation(values: Tensor): Tensor {
  return div(variance(values, [0], { correction: 1 }), add(square(mean(values)), 1e-10))
}
