import { z } from 'zod'
import { floats } from '../../base/tensor.ts'
import { add, mean, mul, sign, stopGradient, sub, sum } from '../../graph/index.ts'
import { defineConstraint, needsChoice } from './definition.ts'

/**
 * Loss-free balancing (Wang et al. 2024; METHOD.md §8.2): experts are chosen by logit + b_i but weighed by the
 * logit alone, and after each step b_i ← b_i + rate · sign(mean load − load_i). No loss, hence no gradient that
 * disturbs the task.
 */
export const definition = defineConstraint({
  name: 'loss-free',
  description: 'a bias on the selection that follows the load, without a loss',
  kind: 'other',
  noise: false,
  options: {
    rate: z
      .number()
      .gt(0)
      .max(1e3)
      .default(1e-3)
      .describe("how far an expert's selection bias moves in one step"),
  },
  check: needsChoice('loss-free'),
  create: ({ rate }) => ({
    init: experts => ({ b: floats([experts], new Array<number>(experts).fill(0)) }),
    bias: ({ b }) => b!,
    update: ({ b }, routing) => {
      const load = stopGradient(sum(routing.selected, [0]))
      return { b: add(b!, mul(sign(sub(mean(load), load)), rate)) }
    },
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const lossFree = definition.create
