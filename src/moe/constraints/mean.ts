import { z } from 'zod'
import { floats, scalar } from '../../base/tensor.ts'
import { add, div, greater, mul, stopGradient, sub } from '../../graph/index.ts'
import { rowCount } from '../../graph/ops/indexing.ts'
import { defineConstraint } from './definition.ts'
import { keepLeastUsed } from './keep-least-used.ts'

/**
 * The mean importance constraint (METHOD.md §3), a hard one. It keeps the running mean share of each expert,
 *
 *     a_i ← (t·a_i + I_i / N) / (t + 1),   t ← t + 1,
 *
 * and excludes for a whole step every expert with a_i − 1/E > threshold: a cap of 1/E + threshold on the share.
 * After t steps a share is at most c + (1 − c) / t, c the cap. Should all be excluded (a negative threshold, or rounding
 * at 0), the least used expert stays.
 */
export const definition = defineConstraint({
  name: 'mean',
  description: 'excludes experts whose mean share is above a threshold',
  kind: 'hard',
  noise: false,
  options: {
    threshold: z
      .number()
      .min(-1)
      .max(1)
      .default(0.3)
      .describe('an expert is excluded from a step when its mean share is above 1/E by more than this'),
  },
  create: ({ threshold }) => ({
    init: experts => ({ a: floats([experts], new Array<number>(experts).fill(0)), t: scalar(0) }),
    excluded: ({ a }) => keepLeastUsed(greater(sub(a!, 1 / Number(a!.shape[0])), threshold), a!),
    update: ({ a, t }, routing) => {
      const share = div(stopGradient(routing.importance), rowCount(routing.weights))
      return { a: div(add(mul(a!, t!), share), add(t!, 1)), t: add(t!, 1) }
    },
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const meanImportance = definition.create
