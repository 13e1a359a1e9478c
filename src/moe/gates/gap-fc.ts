import { globalAveragePool } from '../../graph/index.ts'
import { linear } from '../../nn/layers.ts'
import { defineGate, type Gate } from './gate.ts'

/** GAP-FC: z = W·GAP(x) + b (METHOD.md §1.2). Parameters `fc.weight` [E, C], `fc.bias` [E]. */
export const gapFc: Gate = (scope, x, experts) =>
  scope.in('fc', fc => linear(fc, globalAveragePool(x), experts))

export const definition = defineGate({
  name: 'gap-fc',
  description: 'a linear layer on the mean of each channel',
  options: {},
  create: () => gapFc,
})
