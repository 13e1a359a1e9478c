import { mean, mul, oneHot, reshape, softmax, stopGradient, sub, sum, topK } from '../../graph/index.ts'
import { defineConstraint, needsChoice, weight } from './definition.ts'

/**
 * The switch loss (Fedus et al. 2021, eq. 4–6; METHOD.md §8.1): weight · (E · Σ_i f_i P_i − 1), where f_i is the share
 * of images whose first choice is expert i, as in Switch and for K = 2 in GShard, and P_i the mean probability of i
 * under the full softmax. f carries no gradient. The follow-up found that it collapses routing in CNNs.
 */
export const definition = defineConstraint({
  name: 'switch',
  description: 'the loss of the Switch Transformer',
  kind: 'soft',
  noise: true,
  options: {
    weight: weight(0.01),
  },
  check: needsChoice('switch'),
  create: ({ weight }) => ({
    loss: ({ logits, weights, experts }) => {
      const first = topK(stopGradient(weights), 1).indices
      const chosen = oneHot(reshape(first, [first.shape[0]!]), experts)
      const agreement = sum(mul(mean(chosen, [0]), mean(softmax(logits), [0])))
      return mul(sub(mul(agreement, experts), 1), weight)
    },
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const switchLoss = definition.create
