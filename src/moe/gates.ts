import { globalAveragePool, relu, type Tensor } from '../graph/index.ts'
import { kaimingUniform } from '../nn/initialise.ts'
import { conv, linear } from '../nn/layers.ts'
import type { Scope } from '../nn/scope.ts'

/**
 * A gate: one logit an expert for each image, from what the layer sees. x [N, C, H, W] → [N, E].
 * Any function of this type is a gate.
 */
export type Gate = (scope: Scope, x: Tensor, experts: number) => Tensor

/** GAP-FC: z = W·GAP(x) + b (METHOD.md §1.2). Parameters `fc.weight` [E, C], `fc.bias` [E]. */
export const gapFc: Gate = (scope, x, experts) =>
  scope.in('fc', fc => linear(fc, globalAveragePool(x), experts))

/**
 * ReLU-GAP-FC: z = W·GAP(max(x, 0)) + b, what the original's FCGate computes (METHOD.md §1.2). Parameters as of GAP-FC.
 * It differs from GAP-FC only where x has negative values, as the levels of a feature pyramid do. The gradient of x is
 * that of GAP-FC where x > 0 and zero elsewhere.
 */
export const reluGapFc: Gate = (scope, x, experts) => gapFc(scope, relu(x), experts)

/**
 * Conv-GAP-FC: a 3×3 convolution without padding and without a non-linearity, then GAP, then FC (METHOD.md
 * §1.2). Parameters `conv.weight` [width, C, 3, 3], `conv.bias`, `fc.weight` [E, width], `fc.bias`.
 *
 * @param width - channels of the convolution; the paper has 256
 */
export function convGapFc(width = 256): Gate {
  return (scope, x, experts) => {
    const seen = scope.in('conv', inner =>
      conv(inner, x, { outputs: width, kernel: 3, padding: 0, bias: true, initialise: kaimingUniform }),
    )
    return scope.in('fc', fc => linear(fc, globalAveragePool(seen), experts))
  }
}
