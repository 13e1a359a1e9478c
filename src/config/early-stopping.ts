import { z } from 'zod'
import { fail } from '../base/errors.ts'
import type { Json } from '../files/json.ts'
import { betterOf } from '../metrics/registry.ts'
import { type Callback, defineCallback } from './callback.ts'

const memory = z.object({ best: z.number().nullable(), worse: z.number() })

/** Ends a training that no longer improves on held-out images (Prechelt, "Early stopping – but when?", 1998). */
export const definition = defineCallback({
  name: 'early-stopping',
  description: 'ends a training that no longer improves on held-out images',
  options: {
    measure: z
      .string()
      .min(1)
      .max(100)
      .default('loss')
      .describe('loss, or the name of a measure such as top1'),
    mode: z
      .enum(['max', 'min'])
      .optional()
      .describe('whether more or less of it is better; left out: as for training.best'),
    patience: z
      .int()
      .min(1)
      .max(1e6)
      .default(5)
      .describe('the training ends after so many tests in a row that are no better than the best one before'),
    margin: z
      .number()
      .min(0)
      .max(1e9)
      .default(0)
      .describe('a test is better only if it exceeds the best one by more than this'),
  },
  measures: ({ measure }) => [measure],
  create: ({ measure, mode, patience, margin }): Callback => {
    const sign = (mode ?? betterOf(measure)) === 'min' ? -1 : 1
    let { best, worse }: z.output<typeof memory> = { best: null, worse: 0 }
    return {
      onEpoch({ split, loss, measures }, training) {
        if (split === 'train') return
        const measured = measure === 'loss' ? loss : measures[measure]
        if (measured === undefined)
          fail({
            kind: 'usage',
            message: `early-stopping expected one of loss, ${Object.keys(measures).join(', ')}, but its measure is ${measure}`,
            where: 'training.callbacks',
            help: 'name one of them',
          })
        const value = measured === null ? null : sign * measured
        const isBetter = value !== null && (best === null || value > best + margin)
        if (isBetter) best = value
        worse = isBetter ? 0 : worse + 1
        if (worse >= patience) training.stop(`${measure} has not improved in ${worse} tests`)
      },
      save: (): Json => ({ best, worse }),
      restore: saved => {
        ;({ best, worse } = memory.catch({ best: null, worse: 0 }).parse(saved))
      },
    }
  },
})
