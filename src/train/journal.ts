import type { SplitName } from '../data/index.ts'
import type { LayerStats, Measures } from '../run/events.ts'
import { type MetricsLine, openMetricsLog } from '../run/metrics-log.ts'
import { openTensorBoardLog } from '../run/tensorboard.ts'
import type { Collapse } from './collapse.ts'

/** What is known of an epoch on one split when it is over. Losses are means over images. */
export interface EpochResult {
  readonly loss: number
  readonly taskLoss: number
  readonly auxLoss: number
  readonly measures: Measures
  readonly layers: readonly LayerStats[]
}

/** Writes what training observes: a line a step and two an epoch in `metrics.jsonl`, the latter for TensorBoard too. */
export interface Journal {
  step(line: Omit<MetricsLine, 'kind'> & { readonly step: number }): void
  epoch(
    moment: { readonly epoch: number; readonly step: number; readonly seconds: number },
    split: SplitName,
    result: EpochResult,
  ): void
  /** That a layer's experts collapse. */
  alarm(moment: { readonly epoch: number; readonly step: number }, collapse: Collapse): void
  /** To be called before a checkpoint is written, which must never know more than the log. */
  flush(): void
  close(): void
}

/**
 * Opens the journal of a run.
 *
 * @param resume - where training continues: what was written after that is cut off and written again
 * @throws MoietyError `data` for a damaged log, `disk`
 */
export function openJournal(
  run: string,
  resume?: { readonly step: number; readonly epoch: number },
): Journal {
  const metrics = openMetricsLog(run, resume === undefined ? {} : { resume })
  const board = openTensorBoardLog(run, resume === undefined ? {} : { resumeStep: resume.step })
  return {
    step: line => metrics.write({ kind: 'step', ...line }),
    epoch: ({ epoch, step, seconds }, split, result) => {
      const { loss, taskLoss, auxLoss, measures, layers } = result
      metrics.write({
        kind: 'epoch',
        epoch,
        step,
        split,
        loss,
        taskLoss,
        auxLoss,
        ...measures,
        layers,
        seconds,
      })
      board.scalars(step, scalarsOf(split, result))
    },
    alarm: (moment, collapse) => metrics.write({ kind: 'alarm', ...moment, ...collapse }),
    flush: () => {
      metrics.flush()
      board.flush()
    },
    close: () => {
      metrics.close()
      board.close()
    },
  }
}

function scalarsOf(split: string, { loss, measures, layers }: EpochResult): Record<string, number> {
  const scalars: Record<string, number> = { [`${split}/loss`]: loss }
  for (const [name, value] of Object.entries(measures))
    if (value !== null) scalars[`${split}/${name}`] = value
  for (const { name, importance, cvImportance, active, counters } of layers) {
    scalars[`${split}/${name}/cvImportance`] = cvImportance
    scalars[`${split}/${name}/active`] = active
    for (const [i, share] of importance.entries()) scalars[`${split}/${name}/importance/${i}`] = share
    for (const [counter, values] of Object.entries(counters)) {
      for (const [i, value] of values.entries()) scalars[`${split}/${name}/${counter}/${i}`] = value
    }
  }
  return scalars
}
