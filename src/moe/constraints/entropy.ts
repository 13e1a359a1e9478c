import { add, exp, log, logSoftmax, mean, mul, neg, sub, sum, type Tensor } from '../../graph/index.ts'
import { defineConstraint, weight } from './definition.ts'

/**
 * The entropy loss of the follow-up (METHOD.md §8.1): weight · (mean_n H(p_n) − H(mean_n p_n)), which is minus the
 * mutual information of image and expert: confident for each image, uniform on average. p is the full softmax.
 */
export const definition = defineConstraint({
  name: 'entropy',
  description: 'minus the mutual information of image and expert, as a loss',
  kind: 'soft',
  noise: false,
  options: {
    weight: weight(0.5),
  },
  create: ({ weight }) => ({
    loss: ({ logits }) => {
      const logP = logSoftmax(logits)
      const p = exp(logP)
      const perImage = neg(mean(sum(mul(p, logP), [1])))
      return mul(sub(perImage, entropyOf(mean(p, [0]))), weight)
    },
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const entropy = definition.create

/** H(p) = −Σ p ln p of a vector. */
function entropyOf(p: Tensor): Tensor {
  return neg(sum(mul(p, log(add(p, 1e-10)))))
}
