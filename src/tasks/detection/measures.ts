import type { MeasureDefinition } from '../../metrics/measure.ts'

/** COCO's numbers that tables show, the ranking one first. */
export const detectionMeasures: readonly MeasureDefinition[] = (
  ['AP', 'AP50', 'APs', 'APm', 'APl', 'AP75', 'AR100'] as const
).map(name => ({ name, title: name, label: name, format: 'fraction' }))
