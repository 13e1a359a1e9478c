import type { Config } from '../config/config.ts'
import { withoutPaths } from '../config/without-paths.ts'
import type { SplitName } from '../data/index.ts'
import { isJsonObject } from '../files/json.ts'
import type { LayerStats, Measures } from '../run/events.ts'
import { type MetricsLine, openMetricsLog } from '../run/metrics-log.ts'
import { openTensorBoardLog, stepTag } from '../run/tensorboard.ts'
import { type Hyperparameter, histogramOf, type Summary } from '../run/tensorboard-events.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { Collapse } from './collapse.ts'
import type { DescribedExample } from './examples-of-experts.ts'

/** What is known of an epoch on one split when it is over. Losses are means over images. */
export interface EpochResult {
  readonly loss: number
  readonly taskLoss: number
  readonly auxLoss: number
  readonly measures: Measures
  readonly layers: readonly LayerStats[]
}

/** A line about a step, and each layer's shares of the gate weights in it. */
export interface StepRecord {
  readonly line: Omit<MetricsLine, 'kind'> & { readonly step: number }
  readonly shares: readonly { readonly name: string; readonly values: readonly number[] }[]
}

/**
 * Writes what training observes: a line a step and two an epoch in `metrics.jsonl`, and the same for TensorBoard, with the
 * distribution of gates' logits and example images at each test.
 */
export interface Journal {
  step(record: StepRecord): void
  epoch(
    moment: { readonly epoch: number; readonly step: number; readonly seconds: number },
    split: SplitName,
    result: EpochResult,
  ): void
  /** What a test found out about gates, and pictures by their tags. */
  routing(
    step: number,
    split: SplitName,
    routing: readonly RoutedLayer[],
    pictures: Readonly<Record<string, Summary>>,
  ): void
  /** For each layer and expert the images that a test gave most weight. */
  examples(
    moment: { readonly epoch: number; readonly step: number },
    split: SplitName,
    layers: Readonly<Record<string, readonly (readonly DescribedExample[])[]>>,
  ): void
  /** That a layer's experts collapse. */
  alarm(moment: { readonly epoch: number; readonly step: number }, collapse: Collapse): void
  /** That the training has come to its end. */
  end(step: number): void
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
  config: Config,
  resume?: { readonly step: number; readonly epoch: number; readonly batch: number },
): Journal {
  const metrics = openMetricsLog(run, resume === undefined ? {} : { resume })
  const board = openTensorBoardLog(run, { resume, hyperparameters: hyperparametersOf(config) })
  return {
    step: ({ line, shares }) => {
      metrics.write({ kind: 'step', ...line })
      board.write(line.step, stepScalars(line, shares))
    },
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
      board.write(step, scalarsOf(split, result))
    },
    routing: (step, split, routing, pictures) => {
      const summaries = { ...logitHistograms(split, routing), ...pictures }
      if (Object.keys(summaries).length > 0) board.write(step, summaries)
    },
    examples: ({ epoch, step }, split, layers) =>
      metrics.write({ kind: 'examples', epoch, step, split, layers }),
    alarm: (moment, collapse) => metrics.write({ kind: 'alarm', ...moment, ...collapse }),
    end: step => board.end(step),
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

/** Every number of a step, `step/loss` and so on, and the shares of experts: `step/layer4/importance/0`. */
function stepScalars(
  { step: _, epoch: __, ...line }: StepRecord['line'],
  shares: StepRecord['shares'],
): Record<string, number> {
  const numbers = Object.entries(line).flatMap(([name, value]) =>
    typeof value === 'number' ? [[`${stepTag}${name}`, value] as const] : [],
  )
  const byExpert = shares.flatMap(({ name, values }) =>
    values.map((value, i) => [`${stepTag}${name}/importance/${i}`, value] as const),
  )
  return Object.fromEntries([...numbers, ...byExpert])
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

/** Of each expert the gate's logits of all inputs, before noise and masks. */
function logitHistograms(split: string, routing: readonly RoutedLayer[]): Record<string, Summary> {
  return Object.fromEntries(
    routing.flatMap(({ name, experts, logits }) =>
      Array.from({ length: experts }, (_, expert) => {
        const own = logits.filter((_, at) => at % experts === expert)
        return [`${split}/${name}/logits/${expert}`, histogramOf(own)] as const
      }).flatMap(([tag, histogram]) => (histogram === undefined ? [] : [[tag, histogram] as const])),
    ),
  )
}

/** The leaves of a configuration by their keys, as `--set` names them; of a path only the last name, for logs are shown to others. */
function hyperparametersOf(config: Config): Record<string, Hyperparameter> {
  const leaves: [string, Hyperparameter][] = []
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      leaves.push([path, value])
    else if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, `${path}.${i}`)
    else if (isJsonObject(value))
      for (const [key, item] of Object.entries(value)) visit(item, path === '' ? key : `${path}.${key}`)
  }
  visit(withoutPaths(config), '')
  return Object.fromEntries(leaves)
}
