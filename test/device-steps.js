import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { draws } from '../dist/base/random.js'
import { floats, sizeOf } from '../dist/base/tensor.js'
import { globalAveragePool, relu } from '../dist/graph/index.js'
import { anchorTargets } from '../dist/models/index.js'
import { constraints, gapFc, mixtureOfExperts } from '../dist/moe/index.js'
import { batchNorm, conv, linear } from '../dist/nn/index.js'
import { Engine, placementOf, readTraces } from '../dist/runtime/index.js'
import { anchorsFor, classifierOf, constraintOf, detectorOf } from '../dist/tasks/index.js'
import { detectionStep, resolveConfig, stepFeeds, trainingStep } from '../dist/train/index.js'
import { differenceOf } from '../dist/train/probe-step.js'
import { updatesOf } from '../dist/train/training-programs.js'

/*
 * A process that takes steps of small networks on a device and on the processor, and sends what they differ by. One for all networks:
 * what is compiled for one need not be compiled for the next. `node device-steps.js DEVICE STEPS NETWORK…`
 */

const classes = 4

/** @param {readonly number[]} shape @param {string} purpose */
const normal = (shape, purpose) => {
  const source = draws(1, purpose)
  return floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}

/** A mixture for each of the constraints, sparse and dense in turn; with BatchNorm in their experts. */
const mixtures = () => {
  /** @type {import('../dist/nn/index.js').Layer} */
  const expert = (scope, x) =>
    relu(
      scope.in('bn', inner =>
        batchNorm(
          inner,
          scope.in('conv', kernel => conv(kernel, x, { outputs: 4, kernel: 3 })),
        ),
      ),
    )
  /** @type {import('../dist/models/index.js').Classifier} */
  const classifier = (scope, images) => {
    let x = relu(scope.in('stem', inner => conv(inner, images, { outputs: 4, kernel: 3, stride: 2 })))
    const [losses, stats] = [[], []]
    for (const [i, name] of constraints.names().entries()) {
      const { constraint } = resolved({ position: 4, experts: 3, constraint: { name } })
      const layer = scope.in(name, inner =>
        mixtureOfExperts(inner, x, {
          experts: [expert, expert, expert],
          k: 2,
          gate: gapFc,
          constraint: constraintOf(constraint),
          dispatch: i % 2 === 0 ? 'sparse' : 'dense',
        }),
      )
      x = layer.output
      losses.push(...layer.losses)
      stats.push(...layer.stats)
    }
    const logits = scope.in('fc', inner => linear(inner, globalAveragePool(x), classes))
    return { logits, losses, stats }
  }
  return classification(classifier, { batch: 8, size: 8, optimizer: { name: 'sgd', learningRate: 0.01 } })
}

/** @param {object} layer */
const resolved = layer =>
  resolveConfig({ model: { name: 'resnet18', width: 4, moe: [layer] } }, 'test').model.moe[0]

/** A narrow ResNet-18 with the stem of ImageNet, which has a max-pool, and a mixture in its last stage. */
const resnet = () => {
  const model = {
    name: 'resnet18',
    width: 4,
    stem: 'imagenet',
    moe: [{ position: 4, style: 'resblock', experts: 3, constraint: { name: 'kl' } }],
  }
  const config = resolveConfig({ model }, 'test')
  return classification(classifierOf(config.model, { classes }), {
    batch: 8,
    size: 32,
    optimizer: { name: 'adam', learningRate: 0.001 },
  })
}

const classification = (classifier, { batch, size, optimizer }) => {
  const step = trainingStep({
    ...{ classifier, classes, batch, size, labelSmoothing: 0.1, clipNorm: 1 },
    optimizer: resolveConfig({ optimizer }, 'test').optimizer,
  })
  const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes))
  const feeds = new Map([
    ['images', normal([batch, 3, size, size], 'images')],
    ['labels', { dtype: 'int64', shape: [batch], data: labels }],
  ])
  return { step, feeds: () => feeds, rate: optimizer.learningRate }
}

/** A RetinaNet on 16 × 16 pixels with mixtures in both heads. */
const retinanet = () => {
  const side = 16
  const batch = 2
  const { model, optimizer } = resolveConfig(
    {
      data: { name: 'coco', directory: '.', size: side },
      model: {
        name: 'resnet18',
        width: 4,
        detector: {
          channels: 8,
          headDepth: 1,
          matching: { lowQuality: true },
          mixture: { experts: 2, k: 1, weighting: 'softmax-before-top-k', constraint: { name: 'kl' } },
        },
      },
      optimizer: { name: 'sgd', learningRate: 0.001 },
    },
    'test',
  )
  const { boxes } = anchorsFor(model, [side, side])
  const anchors = boxes.length / 4
  const step = detectionStep({
    ...{ detector: detectorOf(model, { classes: 2 }), anchors, boxWeight: 1, clipNorm: 1, optimizer },
    form: { images: batch, height: side, width: side },
  })
  const objects = [
    { boxes: [2, 2, 7, 8], categories: [0] },
    { boxes: [5, 3, 15, 13, 1, 10, 5, 14], categories: [1, 0] },
  ]
  // Every other step is without any object.
  const steps = [objects, objects.map(() => ({ boxes: [], categories: [] }))].map(scenes => {
    const targets = anchorTargets(boxes, scenes, 2)
    return new Map([
      ['images', normal([batch, 3, side, side], 'images')],
      ['classTargets', { dtype: 'int64', shape: [batch, anchors], data: targets.classes }],
      ['boxTargets', floats([batch, anchors, 4], targets.boxes)],
    ])
  })
  return { step, feeds: i => steps[i % 2], rate: 0.001 }
}

const networks = { mixtures, resnet, retinanet }

/** Losses and last state of some steps. */
async function taken(device, { step, feeds, rate }, { steps, profile }) {
  const engine = await Engine.start({ device, threads: 1, isTried: true, ...(profile ? { profile } : {}) })
  try {
    const state = step.initialState(1)
    // One expert gets no image.
    const bias = [...state].find(([name]) => /gate\.fc\.bias$/.test(name))
    if (bias) bias[1].data[2] = -1e4
    await engine.setState(state)
    const loaded = await engine.load(step.program, { updates: updatesOf(step) })
    const losses = []
    for (let i = 0; i < steps; i++) {
      const { outputs, nonFinite } = await loaded.step(
        stepFeeds(step, feeds(i), { step: i, epoch: 0, rate }, 1),
        step,
      )
      if (nonFinite.length > 0) throw new Error(`not finite in step ${i}: ${nonFinite.join(', ')}`)
      losses.push(outputs.get('loss').data[0])
    }
    return { losses, state: await engine.readState() }
  } finally {
    await engine.stop()
  }
}

const [device, steps, ...names] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'moiety-device-steps-'))
try {
  for (const name of names) {
    const network = networks[name]()
    const how = { steps: Number(steps) }
    const cpu = await taken('cpu', network, how)
    const started = performance.now()
    const profile = join(folder, name)
    const there = await taken(device, network, { ...how, profile })
    const seconds = (performance.now() - started) / 1000
    const withLoss = ({ losses, state }) => new Map([['loss', { data: losses }], ...state])
    const [trace] = await readTraces(profile)
    const placement = placementOf(network.step.program, device, trace)
    const difference = differenceOf(withLoss(there), withLoss(cpu))
    const answer = { name, losses: cpu.losses, difference, placement, seconds }
    process.send?.(answer)
    if (process.send === undefined) console.log(JSON.stringify(answer))
  }
} finally {
  if (existsSync(folder)) rmSync(folder, { recursive: true })
}
process.disconnect?.()
