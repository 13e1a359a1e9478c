import { z } from 'zod'
import { MoietyError } from '../base/errors.ts'
import { withCurrentNames } from '../run/earlier-names.ts'
import type { TrainEvent } from '../run/events.ts'
import { epochLineSchema, layerStatsSchema } from '../run/file-schemas.ts'
import { type MetricsLine, metricsPath, readMetrics } from '../run/metrics-log.ts'
import type { LayerFindings } from './findings.ts'

const numbers = layerStatsSchema
  .pick({ name: true })
  .extend({ importance: z.array(z.number()), cvImportance: z.number(), active: z.number() })
const epochLine = epochLineSchema
  .pick({ kind: true, epoch: true })
  .extend({ split: z.enum(['val', 'test']), layers: z.array(z.preprocess(withCurrentNames, numbers)) })
  .loose()

/** A layer's shares on the held-out split after each epoch, as the training's log has them (METHOD.md §6.7). */
export function historyOf(lines: readonly MetricsLine[], layer: string): LayerFindings['history'] {
  return lines.flatMap(line => {
    const parsed = epochLine.safeParse(line)
    if (!parsed.success) return []
    const { epoch, layers } = parsed.data
    return layers
      .filter(({ name }) => name === layer)
      .map(({ importance, cvImportance, active }) => ({ epoch, importance, cvImportance, active }))
  })
}

/**
 * The lines of the training's log up to a checkpoint, for a training that continues has written later ones; none, with a warning, where it is missing or damaged, which is no reason not to look at the
 * network.
 */
export function logOf(run: string, step: number, onEvent: (event: TrainEvent) => void): MetricsLine[] {
  try {
    return readMetrics(metricsPath(run)).filter(line => line.step <= step)
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    onEvent({ kind: 'warning', message: `shares over training are left out: ${error.message}` })
    return []
  }
}
