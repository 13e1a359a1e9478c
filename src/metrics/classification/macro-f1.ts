import { classScores, confusionMatrix, macroScores } from '../confusion.ts'
import { defineMetric } from '../metric.ts'
import { namedClasses } from './named-classes.ts'

/** `f1_score(average='macro')` of scikit-learn, over the classes that an image shows or the network names. */
export const definition = defineMetric({
  name: 'macro-f1',
  description: 'mean F1 of the classes, each of which counts the same however many images it has',
  options: {},
  format: 'fraction',
  create: () => predictions => {
    const matrix = confusionMatrix(namedClasses(predictions), predictions.labels, predictions.classes.length)
    return macroScores(classScores(matrix)).macroF1 ?? Number.NaN
  },
})
