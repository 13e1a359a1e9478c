/**
 * A metric and a callback of your own: the recall of the worst class, measured after each epoch, and a callback that ends the training
 * once it is good enough. What the callback remembers is in the checkpoints.
 */
import { defineMetric } from 'moiety/metrics'
import { classificationTask } from 'moiety/tasks'
import { addComponents, defineCallback, train } from 'moiety/train'
import { z } from 'zod'
import { vgg } from './custom-network.ts'
import { stripeData } from './stripes.ts'

export const worstClass = defineMetric({
  name: 'worst-class',
  description: 'the recall of the class that is recognised least often',
  format: 'percent',
  options: {},
  create:
    () =>
    ({ labels, probabilities, classes }) => {
      const [right, all] = [classes.map(() => 0), classes.map(() => 0)]
      for (const [image, label] of labels.entries()) {
        const row = probabilities.subarray(image * classes.length, (image + 1) * classes.length)
        all[label]!++
        if (row.indexOf(Math.max(...row)) === label) right[label]!++
      }
      return Math.min(...right.map((count, label) => count / all[label]!))
    },
})

export const goodEnough = defineCallback({
  name: 'good-enough',
  description: 'ends a training after tests in a row that were good enough',
  options: {
    measure: z.string().default('top1').describe('the measure'),
    least: z.number().default(0.9).describe('what is good enough'),
    tests: z.int().min(1).default(2).describe('how many tests in a row'),
  },
  create: ({ measure, least, tests }, inARow = 0) => ({
    onEpoch({ split, measures }, training) {
      if (split === 'train') return
      inARow = (measures[measure] ?? 0) >= least ? inARow + 1 : 0
      if (inARow === tests) training.stop(`${measure} was at least ${least} in ${tests} tests`)
    },
    save: () => inARow,
    restore(saved) {
      inARow = Number(saved)
    },
  }),
})

addComponents([worstClass, goodEnough])

/** Trains the VGG-like network on stripes until then; returns the last value of the metric. */
export async function trainUntilGood(run: string, epochs = 30) {
  const metrics = [{ name: 'worst-class' }]
  const callbacks = [{ name: 'good-enough', measure: 'worst-class', least: 0.95 }]
  const task = classificationTask({
    config: { optimizer: { name: 'adam' }, training: { epochs, batch: 32, metrics, callbacks } },
    network: vgg,
    data: stripeData,
  })
  const { config } = task
  const { measures } = await train({ config, task, run, recipe: 'good-enough', resume: false })
  return measures['worst-class']!
}
