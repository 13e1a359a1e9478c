import { classScores, confusionMatrix, macroScores } from '../confusion.ts'
import { defineMetric } from '../metric.ts'
import { namedClasses } from './named-classes.ts'

/** `balanced_accuracy_score` of scikit-learn. */
export const definition = defineMetric({
  name: 'balanced-accuracy',
  description: 'mean recall of the classes, each of which counts the same however many images it has',
  options: {},
  format: 'percent',
  create: () => predictions => {
    const matrix = confusionMatrix(namedClasses(predictions), predictions.labels, predictions.classes.length)
    return macroScores(classScores(matrix)).balancedAccuracy ?? Number.NaN
  },
})
