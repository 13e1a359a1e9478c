import { fail } from '../base/errors.ts'
import { type ClassPrediction, classificationPredictor } from './classification-predictor.ts'
import { detectionPredictor, type ObjectPrediction } from './detection-predictor.ts'
import { type LabelPrediction, multiLabelPredictor } from './multi-label-predictor.ts'
import type { Predictor } from './predictor.ts'

/** What the tasks predict of an image. */
export type Prediction = ClassPrediction | LabelPrediction | ObjectPrediction

const predictors: readonly Predictor<Prediction>[] = [
  classificationPredictor,
  multiLabelPredictor,
  detectionPredictor,
]

/** The predictor of a task. @throws MoietyError `usage` for a task that has none */
export function predictorOf(task: string): Predictor<Prediction> {
  return (
    predictors.find(predictor => predictor.task === task) ??
    fail({
      kind: 'usage',
      message: `expected a task that predicts (${predictors.map(one => one.task).join(', ')}), got ${task}`,
      where: 'task',
    })
  )
}
