/** A metric of your own: the recall of the worst class, measured on held-out images after each epoch, logged and summarised. */
import { defineMetric } from 'moiety/metrics'
import { classificationTask } from 'moiety/tasks'
import { addComponents, train } from 'moiety/train'
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

addComponents([worstClass])

/** Trains the VGG-like network on stripes; returns the last value of the metric. */
export async function trainWithMetric(run: string, epochs = 6) {
  const metrics = [{ name: 'worst-class' }]
  const optimizer = { name: 'adam', learningRate: 0.01 }
  const task = classificationTask({
    config: { optimizer, training: { epochs, batch: 32, metrics } },
    network: vgg,
    data: stripeData,
  })
  const { measures } = await train({ config: task.config, task, run, recipe: 'metric', resume: false })
  return measures['worst-class']!
}
