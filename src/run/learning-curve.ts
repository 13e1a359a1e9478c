import { z } from 'zod'
import type { MetricsLine } from './metrics-log.ts'

const measure = z.number().nullable()

const epochLine = z.looseObject({
  kind: z.literal('epoch'),
  split: z.enum(['train', 'val', 'test']),
  epoch: z.number(),
  loss: z.number(),
})

/** The schema of a point of a learning curve. */
export const learningPoint = z.object({
  /** Counted from 0. */
  epoch: z.number(),
  split: z.enum(['train', 'val', 'test']),
  /** Mean over images; of training with auxiliary losses. */
  loss: z.number(),
  /** By the names of the task's measures. */
  measures: z.record(z.string(), measure),
})

/** What a network reached after an epoch: on training images while it learned from them, or on held-out images after it. */
export type LearningPoint = z.output<typeof learningPoint>

/** What is in a line in addition to measures. */
const others = ['kind', 'epoch', 'step', 'split', 'loss', 'taskLoss', 'auxLoss', 'layers', 'seconds']

/** The learning curve in a training's log. */
export function learningCurveOf(lines: readonly MetricsLine[]): LearningPoint[] {
  return lines.flatMap(line => {
    const parsed = epochLine.safeParse(line)
    if (!parsed.success) return []
    const { epoch, split, loss } = parsed.data
    const measures = Object.entries(parsed.data).flatMap(([name, value]): [string, number | null][] =>
      !others.includes(name) && (typeof value === 'number' || value === null) ? [[name, value]] : [],
    )
    return [{ epoch, split, loss, measures: Object.fromEntries(measures) }]
  })
}
