import type { MeasureDefinition } from '../metrics/measure.ts'
import { classificationMeasures } from './classification/measures.ts'
import { detectionMeasures } from './detection/measures.ts'
import { multiLabelMeasures } from './multi-label/measures.ts'

/** What each task is measured by; the first measure of a task ranks its runs. Light, for the help of commands. */
export const measuresByTask: readonly (readonly MeasureDefinition[])[] = [
  classificationMeasures,
  multiLabelMeasures,
  detectionMeasures,
]

/** The measures of every task, in the order of tables. */
export const taskMeasures: readonly MeasureDefinition[] = measuresByTask.flat()
