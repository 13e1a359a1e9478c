import type { OptionMistake } from '../../base/component.ts'
import { fail } from '../../base/errors.ts'
import {
  add,
  div,
  erf,
  greater,
  maximum,
  mul,
  slice,
  stopGradient,
  sub,
  sum,
  type Tensor,
  topK,
  where,
} from '../../graph/index.ts'
import type { Routing } from '../routing.ts'
import { type ConstrainedRouting, defineConstraint, needsChoice, weight } from './definition.ts'
import { squaredVariation } from './importance.ts'

/**
 * s = softplus(x·Wn + 0.01) has no lower bound: it underflows to 0, where t = d / s is infinite or 0/0 and the gradient
 * φ(t)·d/s² is 0·∞. So d is divided by max(s, 0.01), the least scale of Shazeer et al.'s own code, which adds this 10⁻² after
 * the softplus (tensor2tensor, expert_utils.noisy_top_k_gating, noise_epsilon). Then |∂Φ/∂d| = φ(t)/s ≤ 0.3990/0.01 < 40 and
 * |∂Φ/∂s| = |t|·φ(t)/s ≤ 0.2420/0.01 < 25, the largest at t = 1, whatever the logits are; where the bound acts, s gets no
 * gradient. The noise itself is still ε·s.
 */
const leastScale = 0.01

/**
 * The load loss (Shazeer et al. 2017, eq. 8–10; METHOD.md §8.2): weight · CV²(Load) with
 *
 *     Load_i = Σ_n Φ((z_ni − kth excluding i) / s_ni),
 *
 * the probability that expert i would be among the K again if its noise were drawn again: a smooth stand-in for
 * how many images it gets. z are the clean logits, s the noise's standard deviation, and the threshold is the
 * K-th largest noisy logit of the others.
 */
export const definition = defineConstraint({
  name: 'load',
  description: 'the squared coefficient of variation of a smooth estimate of the load, as a loss',
  kind: 'soft',
  noise: true,
  options: {
    weight: weight(0.1),
  },
  check: routing => [...needsChoice('load')(routing), ...needsNoise(routing)],
  create: ({ weight }) => ({
    loss: routing => mul(squaredVariation(smoothLoad(routing)), weight),
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const load = definition.create

function smoothLoad({ logits, cleanLogits, noiseScale, k, experts }: Routing): Tensor {
  if (noiseScale === undefined || k >= experts) {
    return fail({
      kind: 'usage',
      message: `the load constraint expected gate noise and K < E, but got K = ${k}, E = ${experts}${noiseScale === undefined ? ', no noise' : ''}`,
      help: 'switch noise on, choose a smaller K, or use the importance constraint',
    })
  }
  const best = topK(logits, k + 1).values
  const [kth, next] = [slice(best, 1, k - 1, k), slice(best, 1, k, k + 1)]
  // An expert above the (K+1)-th is itself among the K, so the K-th of the others is the (K+1)-th of all.
  const isIn = greater(stopGradient(logits), next)
  const distance = div(sub(cleanLogits, where(isIn, next, kth)), maximum(noiseScale, leastScale))
  return sum(normalCdf(distance), [0])
}

/** Φ(x) = (1 + erf(x / √2)) / 2. */
function normalCdf(x: Tensor): Tensor {
  return mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5)
}

function needsNoise({ experts, noise }: ConstrainedRouting): OptionMistake[] {
  if (noise !== false || experts === 1) return []
  return [
    {
      key: 'noise',
      message: "the load loss is the probability that noise on the logits changes an expert's selection",
      help: 'leave noise out or set it to true, or take another constraint',
    },
  ]
}
