import { z } from 'zod'
import { add, div, mul, sqrt, sub, type Tensor } from '../../graph/index.ts'
import { defaultGroupOptions, defineOptimizer, times, type UpdateRule, weightDecay } from '../optimizer.ts'

/** The options of Adam and of AdamW but for the weight decay. */
export const moments = {
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe('how much of the running first and second moments a step keeps'),
  epsilon: z.number().gt(0).max(1).default(1e-8).describe("added to the second moment's root"),
} as const

interface AdamOptions {
  readonly betas: readonly [number, number]
  readonly epsilon: number
  readonly weightDecay: number
}

/**
 * Adam (Kingma & Ba 2015): m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − η·m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ),
 * v̂ = v / (1 − β₂ᵗ). The corrections follow the same recursion as the moments of a constant 1, c ← βc + (1 − β),
 * so they are state like everything else. Weight decay joins the gradient (`gradient`) or shrinks the parameter by
 * η·λ apart from it (`parameter`: AdamW; Loshchilov & Hutter 2019).
 */
export function adam(decayOf: 'gradient' | 'parameter'): UpdateRule<AdamOptions> {
  return ({ betas: [beta1, beta2], epsilon, weightDecay }, rate, memory) => {
    const average = (beta: number, fresh: Tensor | number) => (before: Tensor) =>
      add(mul(before, beta), typeof fresh === 'number' ? fresh * (1 - beta) : mul(fresh, 1 - beta))
    const correction1 = memory.evolve('correction1', average(beta1, 1))
    const correction2 = sqrt(memory.evolve('correction2', average(beta2, 1)))
    const scaledRate = div(mul(rate, correction2), correction1)
    return ({ parameters, value, gradient, group = defaultGroupOptions }) => {
      const decay = group.weightDecay ?? weightDecay
      const own = times(rate, group.rate)
      const g = decayOf === 'gradient' && decay > 0 ? add(gradient, mul(value, decay)) : gradient
      const m = memory.evolveFor(parameters, 'm', average(beta1, g))
      const v = memory.evolveFor(parameters, 'v', average(beta2, mul(g, g)))
      // (√v / √c₂ + ε)⁻¹ = √c₂ / (√v + ε·√c₂): so that no element is divided by √c₂.
      const denominator = add(sqrt(v), mul(correction2, epsilon))
      const shrunk = decayOf === 'parameter' && decay > 0 ? mul(value, sub(1, mul(own, decay))) : value
      return sub(shrunk, mul(div(m, denominator), times(scaledRate, group.rate)))
    }
  }
}

export const definition = defineOptimizer({
  name: 'adam',
  description: 'Adam, whose weight decay joins the gradient',
  learningRate: 1e-3,
  options: { ...moments, weightDecay: weightDecay(0, 'times the parameter, added to its gradient') },
  update: adam('gradient'),
})
