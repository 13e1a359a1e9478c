import { z } from 'zod'
import { defineSchedule, halfCosine } from './definition.ts'

/** final + (η − final)·(1 + cos πp)/2, p from 0 after the warm-up towards 1 (torch's `CosineAnnealingLR`, by step). */
export const definition = defineSchedule({
  name: 'cosine',
  description: 'half a period of the cosine, down to a final rate',
  options: {
    final: z.number().min(0).max(1e3).default(0).describe('the rate that the last step approaches'),
  },
  rateAt: ({ final }, { rate, step, steps, warmSteps }) =>
    halfCosine(rate, final, (step - warmSteps) / (steps - warmSteps)),
})
