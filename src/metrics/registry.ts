import { Registry } from '../base/component.ts'
import { definition as balancedAccuracy } from './classification/balanced-accuracy.ts'
import { definition as ece } from './classification/ece.ts'
import { definition as macroF1 } from './classification/macro-f1.ts'
import type { MetricDefinition } from './metric.ts'

const known = [macroF1, balancedAccuracy, ece] as const

/** All metrics that `training.metrics` can name. One that comes with Moiety is a file of this folder and a word of this list. */
export const metrics = new Registry<MetricDefinition, typeof known>('metric', known)

/** Whether less or more of a measure is better: `min` for losses, and for metrics that say so. */
export function betterOf(measure: string): 'max' | 'min' {
  const name = measure.replace(/^raw\./, '')
  return name.endsWith('loss') ? 'min' : (metrics.find(name)?.better ?? 'max')
}
