import { z } from 'zod'
import { calibrationOf } from '../calibration.ts'
import { defineMetric } from '../metric.ts'
import { namedClasses } from './named-classes.ts'

/** The expected calibration error of the class that is named (Guo et al. 2017, equation 3). */
export const definition = defineMetric({
  name: 'ece',
  description: 'expected calibration error: how far confidences are from the accuracy; less is better',
  options: {
    bins: z
      .int()
      .min(1)
      .max(1000)
      .default(15)
      .describe('bins of equal width, into which confidences are sorted'),
  },
  format: 'fraction',
  better: 'min',
  create:
    ({ bins }) =>
    predictions => {
      const { labels, probabilities, classes } = predictions
      const named = namedClasses(predictions)
      const confidences = Float32Array.from(named, (label, n) => probabilities[n * classes.length + label]!)
      const isRight = Uint8Array.from(labels, (label, n) => Number(named[n] === label))
      return calibrationOf(confidences, isRight, bins).ece ?? Number.NaN
    },
})
