import { relu } from '../../graph/index.ts'
import { gapFc } from './gap-fc.ts'
import { defineGate, type Gate } from './gate.ts'

/**
 * ReLU-GAP-FC: z = W·GAP(max(x, 0)) + b, what the original's FCGate computes (METHOD.md §1.2). Parameters as of GAP-FC.
 * It differs from GAP-FC only where x has negative values, as the levels of a feature pyramid do. The gradient of x is
 * that of GAP-FC where x > 0 and zero elsewhere.
 */
export const reluGapFc: Gate = (scope, x, experts) => gapFc(scope, relu(x), experts)

export const definition = defineGate({
  name: 'relu-gap-fc',
  description: 'gap-fc on the positive part of the input, as in the original detectors',
  options: {},
  create: () => reluGapFc,
})
