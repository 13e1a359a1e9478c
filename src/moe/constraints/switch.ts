import { mean, mul, oneHot, reshape, softmax, stopGradient, sub, sum, topK } from '../../graph/index.ts'
import type { Constraint } from './constraint.ts'

/**
 * The switch loss (Fedus et al. 2021, eq. 4–6; METHOD.md §8.1): weight · (E · Σ_i f_i P_i − 1), where f_i is the share
 * of images whose first choice is expert i, as in Switch and for K = 2 in GShard, and P_i the mean probability of i
 * under the full softmax. f carries no gradient. The follow-up found that it collapses routing in CNNs.
 */
export function switchLoss({ weight = 0.01 }: { readonly weight?: number } = {}): Constraint {
  return {
    name: 'switch',
    noise: true,
    loss: ({ logits, weights, experts }) => {
      const first = topK(stopGradient(weights), 1).indices
      const chosen = oneHot(reshape(first, [first.shape[0]!]), experts)
      const agreement = sum(mul(mean(chosen, [0]), mean(softmax(logits), [0])))
      return mul(sub(mul(agreement, experts), 1), weight)
    },
  }
}
