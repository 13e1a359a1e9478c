/**
 * A gate of your own: it scores the experts by the contrast of an image, which the published gates, looking at
 * channel means only, cannot see.
 */
import { add, globalAveragePool, relu, sqrt, square } from 'moiety/graph'
import type { Classifier } from 'moiety/models'
import { entropy, type Gate, mixtureOfExperts } from 'moiety/moe'
import { conv, type Layer, linear } from 'moiety/nn'

/** z = W·√(mean(x²) + ε) + b, the mean over space: [N, C, H, W] → [N, E]. Parameters `fc.weight` [E, C], `fc.bias` [E]. */
export const contrastGate: Gate = (scope, x, experts) => {
  const contrast = sqrt(add(globalAveragePool(square(x)), 1e-6))
  return scope.in('fc', inner => linear(inner, contrast, experts))
}

const expert: Layer = (scope, x) => relu(conv(scope, x, { outputs: 8, kernel: 3, bias: true }))

/** Two experts, one of which computes each image, and a linear classifier of four classes behind them. */
export function twoExperts(gate: Gate): Classifier {
  return (scope, images) => {
    const { output, losses, stats } = scope.in('mixture', inner =>
      mixtureOfExperts(inner, images, {
        experts: [expert, expert],
        gate,
        k: 1,
        weighting: 'softmax-before-top-k',
        // Confident for each image and even on average: it rewards a gate that can tell images apart.
        constraint: entropy({ weight: 1 }),
      }),
    )
    const logits = scope.in('fc', inner => linear(inner, globalAveragePool(output), 4))
    return { logits, losses, stats }
  }
}
