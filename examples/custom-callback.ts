/**
 * A callback of your own: it ends the training once it has been good enough in several tests in a row. What it remembers is in the
 * checkpoints, so that a training that is resumed goes on as if it had not stopped.
 */
import { classificationTask } from 'moiety/tasks'
import { addComponents, type Callback, defineCallback, train } from 'moiety/train'
import { z } from 'zod'
import { vgg } from './custom-network.ts'
import { stripeData } from './stripes.ts'

export const goodEnough = defineCallback({
  name: 'good-enough',
  description: 'ends a training after tests in a row that were good enough',
  options: {
    measure: z.string().default('top1').describe('the measure'),
    least: z.number().default(0.95).describe('what is good enough'),
    tests: z.int().min(1).default(2).describe('how many tests in a row'),
  },
  create: ({ measure, least, tests }): Callback => {
    let inARow = 0
    return {
      onEpoch({ split, measures }, training) {
        if (split === 'train') return
        inARow = (measures[measure] ?? 0) >= least ? inARow + 1 : 0
        if (inARow === tests) training.stop(`${measure} was at least ${least} in ${tests} tests`)
      },
      save: () => inARow,
      restore(saved) {
        inARow = Number(saved)
      },
    }
  },
})

addComponents([goodEnough])

/** Trains the VGG-like network on stripes until then; returns the accuracy and the epochs that it took. */
export async function trainUntilGood(run: string, epochs = 30) {
  const callbacks = [{ name: 'good-enough' }]
  const optimizer = { name: 'adam', learningRate: 0.01 }
  const task = classificationTask({
    config: { optimizer, training: { epochs, batch: 32, callbacks } },
    network: vgg,
    data: stripeData,
  })
  let last = 0
  // A program may also follow its training without a name for it.
  const follow: Callback = {
    onEpoch(report) {
      last = report.epoch
    },
  }
  const options = { config: task.config, task, run, recipe: 'good-enough', resume: false }
  const { measures } = await train({ ...options, callbacks: [follow] })
  return { accuracy: measures.top1!, epochs: last + 1 }
}
