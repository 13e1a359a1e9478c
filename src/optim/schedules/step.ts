import { z } from 'zod'
import { defineSchedule } from './definition.ts'

/** η·factor^m, where m milestones are at or before the epoch (torch's `MultiStepLR`). */
export const definition = defineSchedule({
  name: 'step',
  description: 'the rate falls by a factor at each milestone',
  options: {
    milestones: z
      .array(z.int().min(1).max(1e6))
      .min(1)
      .max(1000)
      .describe('epochs, counted from 0, that are the first with a lower rate'),
    factor: z.number().gt(0).max(1).default(0.1).describe('what a milestone multiplies the rate by'),
  },
  check: ({ milestones }) => {
    const wrong = milestones.findIndex((epoch, i) => i > 0 && epoch <= milestones[i - 1]!)
    if (wrong < 0) return []
    return [
      {
        key: `milestones.${wrong}`,
        message: `milestones must increase, but ${milestones[wrong]} comes after ${milestones[wrong - 1]}`,
        help: 'each milestone lowers the rate once, in order',
      },
    ]
  },
  rateAt: ({ milestones, factor }, { rate, epoch }) =>
    rate * factor ** milestones.filter(milestone => milestone <= epoch).length,
})
