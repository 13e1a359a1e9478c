import { z } from 'zod'
import { add, mul, sub } from '../../graph/index.ts'
import { defaultGroupOptions, defineOptimizer, times, weightDecay } from '../optimizer.ts'

/** SGD with momentum: u ← μu + g; θ ← θ − η·u, or, looking ahead (Nesterov), θ ← θ − η·(g + μu). */
export const definition = defineOptimizer({
  name: 'sgd',
  description: 'stochastic gradient descent with momentum',
  learningRate: 0.1,
  options: {
    momentum: z.number().min(0).lt(1).default(0.9).describe('how much of the velocity a step keeps'),
    nesterov: z.boolean().default(true).describe('look ahead along the velocity'),
    weightDecay: weightDecay(0, 'times the parameter, added to its gradient'),
  },
  check: ({ momentum, nesterov }) =>
    !nesterov || momentum > 0
      ? []
      : [
          {
            key: 'nesterov',
            message: 'Nesterov looks ahead along the velocity, and without momentum there is none',
            help: 'set optimizer.momentum above 0, or optimizer.nesterov to false',
          },
        ],
  update:
    ({ momentum, nesterov, weightDecay }, rate, memory) =>
    ({ parameters, value, gradient, group = defaultGroupOptions }) => {
      const decay = group.weightDecay ?? weightDecay
      const own = times(rate, group.rate)
      const g = decay > 0 ? add(gradient, mul(value, decay)) : gradient
      if (momentum === 0) return sub(value, mul(g, own))
      const u = memory.evolveFor(parameters, 'velocity', before => add(mul(before, momentum), g))
      return sub(value, mul(nesterov ? add(g, mul(u, momentum)) : u, own))
    },
})
