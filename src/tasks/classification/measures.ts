import type { MeasureDefinition } from '../../metrics/measure.ts'

/** What a classifier is measured by, the ranking one first. */
export const classificationMeasures: readonly MeasureDefinition[] = [
  { name: 'top1', title: 'top-1 accuracy', label: 'top-1', format: 'percent' },
  { name: 'top5', title: 'top-5 accuracy', label: 'top-5', format: 'percent' },
]
