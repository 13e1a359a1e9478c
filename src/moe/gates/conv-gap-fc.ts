import { z } from 'zod'
import { globalAveragePool } from '../../graph/index.ts'
import { kaimingUniform } from '../../nn/initialise.ts'
import { conv, linear } from '../../nn/layers.ts'
import { defineGate, type Gate } from './gate.ts'

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

export const definition = defineGate({
  name: 'conv-gap-fc',
  description: 'a 3×3 convolution before gap-fc',
  options: {
    gateWidth: z
      .int()
      .min(1)
      .max(65_536)
      .default(256)
      .describe('channels of the convolution in a conv-gap-fc gate'),
  },
  least: { side: 3, because: 'the 3×3 convolution of conv-gap-fc has no padding' },
  create: ({ gateWidth }) => convGapFc(gateWidth),
})
