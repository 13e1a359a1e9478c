/** A network, a data set, a transform, a metric and a callback for `moiety train examples/own-components.json`. */
import { draws } from 'moiety'
import { defineDataset, defineTransform } from 'moiety/data'
import { globalAveragePool, relu } from 'moiety/graph'
import { defineMetric } from 'moiety/metrics'
import { defineNetwork } from 'moiety/models'
import { gapFc, importance, mixtureOfExperts } from 'moiety/moe'
import { conv, linear } from 'moiety/nn'
import { defineCallback } from 'moiety/train'
import { z } from 'zod'

const block = outputs => (scope, x) => relu(conv(scope, x, { outputs, kernel: 3, bias: true }))
const count = (usual, what) => z.int().min(2).max(1e6).default(usual).describe(what)

const network = defineNetwork({
  name: 'two-blocks',
  description: 'a convolution, and one that is a mixture of experts',
  options: { width: count(8, 'channels'), experts: count(3, 'experts, two of which compute each image') },
  create: options => (scope, images, facts) => {
    const stem = scope.in('stem', s => block(options.width)(s, images))
    const experts = Array(options.experts).fill(block(options.width))
    const moe = { experts, gate: gapFc, k: 2, constraint: importance() }
    const { output, losses, stats } = scope.in('mixture', s => mixtureOfExperts(s, stem, moe))
    return { logits: scope.in('fc', s => linear(s, globalAveragePool(output), facts.classes)), losses, stats }
  },
})

/** Images of 8×8 whose bright channel is red (class 0) or blue (class 1), with noise. */
function colours(images, seed) {
  const noise = draws(seed, 'colours')
  const isBright = i => Math.floor(i / 64) % 3 === (Math.floor(i / 192) % 2 === 0 ? 0 : 2)
  const pixels = Uint8Array.from(
    { length: images * 192 },
    (_, i) => 120 * isBright(i) + 130 * noise.uniform(),
  )
  return { pixels, labels: Array.from({ length: images }, (_, n) => n % 2), size: 8 }
}

const dataset = defineDataset({
  name: 'colours',
  description: 'images that are rather red or rather blue',
  options: { train: count(64, 'images to train on'), test: count(32, 'images to test on') },
  create:
    ({ train, test }) =>
    () => ({
      title: `${train} colours`,
      classes: ['red', 'blue'],
      train: colours(train, 1),
      test: colours(test, 2),
    }),
})

const transform = defineTransform({
  name: 'darken',
  description: 'multiplies an image by a random number below 1',
  options: { most: z.number().min(0).max(1).default(0.5).describe('by how much it is darkened at most') },
  create:
    ({ most }) =>
    (image, facts) => {
      const factor = 1 - most * facts.draws.uniform()
      for (let i = 0; i < image.length; i++) image[i] *= factor
    },
})

const metric = defineMetric({
  name: 'confidence',
  description: 'mean probability of the right class',
  format: 'fraction',
  options: {},
  create:
    () =>
    ({ labels, probabilities, classes }) =>
      labels.reduce((sum, label, n) => sum + probabilities[n * classes.length + label], 0) / labels.length,
})

const callback = defineCallback({
  name: 'enough-steps',
  description: 'ends a training after the epoch in which it has had so many steps',
  options: { steps: count(20, 'steps') },
  create: options => {
    let done = 0
    return {
      onStep: () => void done++,
      onEpoch: (_, training) => done >= options.steps && training.stop(`${done} steps are enough`),
      save: () => done,
      restore(saved) {
        done = saved
      },
    }
  },
})

export default [network, dataset, transform, metric, callback]
