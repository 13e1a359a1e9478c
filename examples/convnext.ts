/**
 * A ConvNeXt-like network (Liu et al. 2022, arXiv 2201.03545) with a mixture of experts: depthwise convolutions, LayerNorm and GELU
 * of `moiety/nn` and `moiety/graph`; the experts are the pointwise part of a block, of which a gate lets two compute each image.
 */
import { add, gelu, globalAveragePool } from 'moiety/graph'
import type { Classifier } from 'moiety/models'
import { gapFc, importance, mixtureOfExperts } from 'moiety/moe'
import { channelsOf, conv, type Layer, layerNorm, layerNorm2d, linear } from 'moiety/nn'
import { classificationTask, evaluateRun } from 'moiety/tasks'
import { train } from 'moiety/train'
import { stripeData } from './stripes.ts'

/** What a ConvNeXt block computes at each pixel: four times as many channels, GELU, and back. */
const pointwise: Layer = (scope, x) => {
  const width = channelsOf(x)
  const wide = scope.in('expand', s => conv(s, x, { outputs: 4 * width, kernel: 1, bias: true }))
  return scope.in('project', s => conv(s, gelu(wide), { outputs: width, kernel: 1, bias: true }))
}

/** The depthwise part of a block: 5×5, each channel for itself, then LayerNorm over the channels. */
const depthwise: Layer = (scope, x) => {
  const outputs = channelsOf(x)
  const seen = scope.in('dw', s => conv(s, x, { outputs, kernel: 5, groups: outputs, bias: true }))
  return scope.in('norm', s => layerNorm2d(s, seen))
}

/** Patches of 2×2, a block, a block whose pointwise part is a mixture, LayerNorm and a linear classifier of four classes. */
export const convnext: Classifier = (scope, images) => {
  const patches = scope.in('stem', s => conv(s, images, { outputs: 16, kernel: 2, stride: 2, padding: 0 }))
  const first = scope.in('block1', s => add(patches, pointwise(s, depthwise(s, patches))))
  const seen = scope.in('block2', s => depthwise(s, first))
  const { output, losses, stats } = scope.in('mixture', s =>
    mixtureOfExperts(s, seen, {
      experts: [pointwise, pointwise, pointwise, pointwise],
      gate: gapFc,
      k: 2,
      constraint: importance({ weight: 0.1 }),
    }),
  )
  const features = scope.in('norm', s => layerNorm(s, globalAveragePool(add(first, output))))
  return { logits: scope.in('fc', s => linear(s, features, 4)), losses, stats }
}

/** Trains it on stripes into `run`; returns the accuracy, and the share of the experts that are active. */
export async function trainConvnext(run: string, epochs = 8) {
  const task = classificationTask({
    config: {
      training: { epochs, batch: 32 },
      optimizer: { name: 'adamw', learningRate: 0.005 },
      schedule: { name: 'cosine' },
    },
    network: convnext,
    data: stripeData,
  })
  const { layers } = await train({ config: task.config, task, run, recipe: 'convnext', resume: false })
  const { measures } = await evaluateRun({ run, task })
  return { accuracy: measures.top1!, layer: layers[0]! }
}
