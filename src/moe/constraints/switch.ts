import { div, mean, mul, softmax, stopGradient, sub, sum } from '../../graph/index.ts'
import type { Constraint } from './constraint.ts'

/**
 * The switch loss (Fedus et al. 2021; METHOD.md §8.1): weight · (E · Σ_i f_i P_i − 1), where f_i is the share of
 * the K·N places that expert i got and P_i its mean probability under the full softmax. The follow-up found that
 * it collapses routing in CNNs.
 */
export function switchLoss({ weight = 0.01 }: { readonly weight?: number } = {}): Constraint {
  return {
    name: 'switch',
    noise: true,
    loss: ({ logits, selected, experts }) => {
      const places = stopGradient(sum(selected, [0]))
      const fraction = div(places, sum(places))
      return mul(sub(mul(sum(mul(fraction, mean(softmax(logits), [0]))), experts), 1), weight)
    },
  }
}
