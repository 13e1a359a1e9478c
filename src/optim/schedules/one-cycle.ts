import { z } from 'zod'
import { defineRisingSchedule, halfCosine } from './definition.ts'

/** Half a cosine from η/div up to η, half a cosine down to η/div/finalDiv (torch's `OneCycleLR`, two phases; momentum stays unchanged). */
export const definition = defineRisingSchedule(
  {
    name: 'one-cycle',
    description: 'half a cosine up to the base learning rate, half a cosine down',
    options: {
      warmFraction: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.3)
        .describe('the part of all steps in which the rate rises'),
      div: z.number().min(1).max(1e9).default(25).describe('peak rate ÷ first rate'),
      finalDiv: z.number().min(1).max(1e12).default(1e4).describe('first rate ÷ last rate'),
    },
    rateAt: ({ warmFraction, div, finalDiv }, { rate: peak, step, steps }) => {
      const first = peak / div
      const last = first / finalDiv
      // As torch counts: the peak is the last step of the rise, the last rate is the last step of the training.
      const top = warmFraction * steps - 1
      const end = steps - 1
      if (step <= top) return halfCosine(first, peak, top === 0 ? 1 : step / top)
      return halfCosine(peak, last, (step - top) / (end - top))
    },
  },
  'one-cycle has its own rise: warmFraction and div',
)
