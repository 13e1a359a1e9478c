import type { MeasureDefinition } from '../../metrics/measure.ts'

/** What a multi-label network is measured by, the ranking one first. */
export const multiLabelMeasures: readonly MeasureDefinition[] = [
  { name: 'mAP', title: 'mean average precision', label: 'mAP', format: 'fraction' },
  { name: 'f1', title: 'F1 at probability 0.5', label: 'F1', format: 'fraction' },
]
