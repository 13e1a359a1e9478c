import { z } from 'zod'
import { floats } from '../../base/tensor.ts'
import { add, div, greater, mean, stopGradient, sub } from '../../graph/index.ts'
import { defineConstraint } from './definition.ts'
import { keepLeastUsed } from './keep-least-used.ts'

/**
 * The relative importance constraint (METHOD.md §3), a hard one. It keeps
 *
 *     r_i ← r_i + (I_i − Ī) / Ī,   Ī = N / E,
 *
 * and excludes for a whole step every expert with r_i > threshold. Σ r_i = 0 for ever, so one expert at least is
 * never excluded (the one with the smallest r, should rounding say otherwise); and because r integrates, long-run shares
 * become equal: after T steps they differ from 1/E by at most (E − 1)(threshold + E − 1) / (E·T).
 */
export const definition = defineConstraint({
  name: 'relative',
  description: 'excludes experts whose summed relative importance is above a threshold',
  kind: 'hard',
  noise: false,
  options: {
    threshold: z
      .number()
      .min(0)
      .max(1e6)
      .default(0.5)
      .describe('an expert is excluded from a step when its summed relative importance is above this'),
  },
  create: ({ threshold }) => ({
    init: experts => ({ r: floats([experts], new Array<number>(experts).fill(0)) }),
    excluded: ({ r }) => keepLeastUsed(greater(r!, threshold), r!),
    update: ({ r }, routing) => {
      const importance = stopGradient(routing.importance)
      const average = mean(importance)
      return { r: add(r!, div(sub(importance, average), average)) }
    },
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const relative = definition.create
