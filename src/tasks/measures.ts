import type { MeasureDefinition } from '../metrics/measure.ts'
import { metrics } from '../metrics/registry.ts'
import type { Measures } from '../run/events.ts'
import { measuresByTask, taskMeasures } from './task-measures.ts'

/** The measures of the task that a run's numbers belong to, then those of the user's own; none where it has no numbers. */
export function measuresOf(measures: Measures): readonly MeasureDefinition[] {
  const known = measuresByTask.find(([ranking]) => ranking !== undefined && ranking.name in measures) ?? []
  const others = Object.keys(measures).filter(name => !known.some(one => one.name === name))
  return known.length === 0 ? [] : [...known, ...others.map(definitionOf)]
}

const rawPrefix = 'raw.'

/** What the weights of a run with `training.ema` measure, in addition to the measures of their moving average. */
export function rawMeasures(measures: Measures): Measures {
  return Object.fromEntries(Object.entries(measures).map(([name, value]) => [rawPrefix + name, value]))
}

/** Of a metric of the user's own; it need not be loaded to read results. */
function definitionOf(name: string): MeasureDefinition {
  const averaged = name.startsWith(rawPrefix) ? name.slice(rawPrefix.length) : undefined
  const known = taskMeasures.find(one => one.name === averaged)
  if (known !== undefined)
    return {
      name,
      title: `${known.title} of the weights without average`,
      label: `raw ${known.label}`,
      format: known.format,
    }
  return { name, title: name, label: name, format: metrics.find(name)?.format ?? 'fraction' }
}

/** The number by which runs of a task are ranked, from 0 to 1. */
export interface Score extends Omit<MeasureDefinition, 'format'> {
  readonly value: number
}

/** The score of a run; null where it has none. */
export function scoreOf(measures: Measures): Score | null {
  const [ranking] = measuresOf(measures)
  const value = ranking === undefined ? null : (measures[ranking.name] ?? null)
  return ranking === undefined || value === null
    ? null
    : { name: ranking.name, title: ranking.title, label: ranking.label, value }
}
