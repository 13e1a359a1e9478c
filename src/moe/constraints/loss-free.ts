import { floats } from '../../base/tensor.ts'
import { add, mean, mul, sign, stopGradient, sub, sum } from '../../graph/index.ts'
import type { Constraint } from './constraint.ts'

/**
 * Loss-free balancing (Wang et al. 2024; METHOD.md §8.2): experts are chosen by logit + b_i but weighed by the
 * logit alone, and after each step b_i ← b_i + rate · sign(mean load − load_i). No loss, hence no gradient that
 * disturbs the task.
 */
export function lossFree({ rate = 1e-3 }: { readonly rate?: number } = {}): Constraint {
  return {
    name: 'loss-free',
    noise: false,
    init: experts => ({ b: floats([experts], new Array<number>(experts).fill(0)) }),
    bias: ({ b }) => b!,
    update: ({ b }, routing) => {
      const load = stopGradient(sum(routing.selected, [0]))
      return { b: add(b!, mul(sign(sub(mean(load), load)), rate)) }
    },
  }
}
