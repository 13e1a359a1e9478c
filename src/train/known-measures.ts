import { fail } from '../base/errors.ts'
import { callbacks } from '../config/callbacks.ts'
import type { TrainingConfig } from '../config/config.ts'
import { metrics } from '../metrics/registry.ts'
import type { TaskKind } from '../tasks/task.ts'

/**
 * Refuses a training that is to be ranked or ended by what its task does not measure, before anything is opened.
 *
 * @throws MoietyError `usage` that lists the measures
 */
export function refuseUnknownMeasures(training: TrainingConfig, kind: TaskKind): void {
  const known = measuresIn(training, kind)
  const refuse = (measure: string | undefined, where: string, help: string): void => {
    if (measure === undefined || known.includes(measure)) return
    const metric = metrics.find(measure)
    if (metric !== undefined && metric.task === kind.name)
      fail({
        kind: 'usage',
        message: `the metric "${measure}" is not among the training's: it measures ${known.join(', ')}`,
        where,
        help: `add { "name": "${measure}" } to training.metrics`,
      })
    fail({
      kind: 'usage',
      message: `expected one of ${known.join(', ')}, came "${measure}"`,
      where,
      help,
    })
  }
  const [ranking] = kind.measures
  refuse(training.best?.measure, 'training.best.measure', `leave it out to rank by ${ranking?.name}`)
  for (const [i, { name, ...options }] of (training.callbacks ?? []).entries())
    for (const measure of callbacks.get(name).measures?.(options) ?? [])
      refuse(measure, `training.callbacks.${i}`, `${name} needs one that the training has`)
}

/** What a test of a training gives numbers for. */
function measuresIn({ metrics = [], ema }: TrainingConfig, { measures }: TaskKind): readonly string[] {
  const names = [...measures, ...metrics].map(({ name }) => name)
  return ['loss', ...names, ...(ema === undefined ? [] : names.map(name => `raw.${name}`))]
}
