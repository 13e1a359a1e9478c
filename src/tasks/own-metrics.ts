import type { NamedOptions } from '../base/component.ts'
import { fail } from '../base/errors.ts'
import type { DataTask } from '../data/datasets/dataset-facts.ts'
import type { Measures } from '../metrics/measure.ts'
import type { Metric, PredictionsOfTask } from '../metrics/metric.ts'
import { metrics } from '../metrics/registry.ts'
import { describeGiven } from '../nn/contract.ts'

/**
 * What metrics of the user's own measure, by their names; null where there is nothing to measure.
 *
 * @param named - of a configuration, which has been checked to name metrics of that task
 * @throws MoietyError (usage) for anything but a number
 */
export function ownMeasures<Task extends DataTask>(
  named: readonly NamedOptions[],
  predictions: PredictionsOfTask[Task],
): Measures {
  return Object.fromEntries(
    named.map(({ name, ...options }) => {
      const metric = metrics.get(name).create(options) as Metric<Task>
      const value: unknown = metric(predictions)
      if (typeof value !== 'number')
        fail({
          kind: 'usage',
          message: `expected the metric "${name}" to return a number, but got ${describeGiven(value)}`,
          where: 'training.metrics',
          help: 'return NaN where there is nothing to measure',
        })
      return [name, Number.isFinite(value) ? value : null]
    }),
  )
}
