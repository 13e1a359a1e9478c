/**
 * A network of your own: VGG-like convolutions with a mixture of experts, trained with checkpoints, logs and resume like any
 * recipe, then evaluated as trained and with each expert alone.
 */
import { globalAveragePool, maxPool, relu } from 'moiety/graph'
import type { Classifier } from 'moiety/models'
import { gapFc, importance, mixtureOfExperts } from 'moiety/moe'
import { batchNorm, conv, type Layer, linear } from 'moiety/nn'
import { classificationTask, evaluateRun } from 'moiety/tasks'
import { train } from 'moiety/train'
import { stripeData } from './stripes.ts'

const block =
  (outputs: number): Layer =>
  (scope, x) =>
    relu(scope.in('bn', inner => batchNorm(inner, conv(scope, x, { outputs, kernel: 3 }))))

/** Two blocks with a pool between them, a mixture of four blocks of which two compute each image, and a linear classifier. */
export const vgg: Classifier = (scope, images) => {
  const first = maxPool(
    scope.in('block1', inner => block(8)(inner, images)),
    { kernel: 2, stride: 2 },
  )
  const second = scope.in('block2', inner => block(16)(inner, first))
  const { output, losses, stats } = scope.in('mixture', inner =>
    mixtureOfExperts(inner, second, {
      experts: [block(16), block(16), block(16), block(16)],
      gate: gapFc,
      k: 2,
      constraint: importance({ weight: 0.1 }),
    }),
  )
  return { logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), 4)), losses, stats }
}

/** Trains it into `run`; returns the accuracy as trained and of the first expert alone. */
export async function trainVgg(run: string, epochs = 8) {
  const task = classificationTask({
    config: {
      training: { epochs, batch: 32 },
      optimizer: { name: 'adam', learningRate: 0.01 },
      schedule: { name: 'constant' },
    },
    network: vgg,
    data: stripeData,
  })
  await train({ config: task.config, task, run, recipe: 'vgg', resume: false })
  const [trained, alone] = [await evaluateRun({ run, task }), await evaluateRun({ run, task, only: 0 })]
  return { trained: trained.measures.top1!, alone: alone.measures.top1! }
}
