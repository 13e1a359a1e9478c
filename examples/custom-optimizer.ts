/**
 * An optimizer of your own: Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv 2302.06675), whose steps
 * have one size for every parameter. Its momentum is part of the training state: saved, and resumed bit by bit.
 */
import { add, mul, sign, sub } from 'moiety/graph'
import { classificationTask, evaluateRun } from 'moiety/tasks'
import { addComponents, defineOptimizer, train } from 'moiety/train'
import { z } from 'zod'
import { vgg } from './custom-network.ts'
import { stripeData } from './stripes.ts'

const share = (usual: number) => z.number().min(0).lt(1).default(usual)

/** c = β₁·m + (1 − β₁)·g; θ ← θ − η·(sign(c) + λ·θ); m ← β₂·m + (1 − β₂)·g. */
export const lion = defineOptimizer({
  name: 'lion',
  description: 'the sign of an interpolated momentum',
  learningRate: 1e-4,
  options: {
    beta1: share(0.9).describe('how much of the momentum is in a step'),
    beta2: share(0.99).describe('how much of the momentum a step keeps'),
    weightDecay: z.number().min(0).max(1e3).default(0).describe('times learning rate and parameter'),
  },
  update:
    ({ beta1, beta2, weightDecay }, rate, memory) =>
    ({ parameters, value, gradient, group }) => {
      const decay = group?.weightDecay ?? weightDecay
      let direction = gradient
      memory.evolveFor(parameters, 'momentum', before => {
        direction = sign(add(mul(before, beta1), mul(gradient, 1 - beta1)))
        return add(mul(before, beta2), mul(gradient, 1 - beta2))
      })
      return sub(value, mul(add(direction, mul(value, decay)), mul(rate, group?.rate ?? 1)))
    },
})

addComponents([lion])

/** Trains the VGG-like network on stripes by it; returns the accuracy. */
export async function trainByLion(run: string, epochs = 8) {
  const task = classificationTask({
    config: {
      training: { epochs, batch: 32 },
      optimizer: { name: 'lion', learningRate: 0.003, weightDecay: 0.01 },
      schedule: { name: 'cosine' },
    },
    network: vgg,
    data: stripeData,
  })
  await train({ config: task.config, task, run, recipe: 'lion', resume: false })
  return (await evaluateRun({ run, task })).measures.top1!
}
