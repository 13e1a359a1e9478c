import { writeSync } from 'node:fs'
import { globalAveragePool, relu } from '../dist/graph/index.js'
import { constraints, gates, mixtureOfExperts } from '../dist/moe/index.js'
import { batchNorm, conv, linear } from '../dist/nn/index.js'
import { optimizers } from '../dist/optim/index.js'
import { InferenceSession } from '../dist/runtime/node-binding.js'
import { plainModel } from '../dist/runtime/plain-ops.js'
import { sessionOptions } from '../dist/runtime/session.js'
import { classificationObjective } from '../dist/tasks/classification/classification-objective.js'
import { classifierOf, constraintOf, gateOf } from '../dist/tasks/classifier-of.js'
import { multiLabelObjective } from '../dist/tasks/multi-label/multi-label-objective.js'
import { resolveConfig, writeStep } from '../dist/train/index.js'
import { updatesOf } from '../dist/train/training-programs.js'

/*
 * A process that has ONNX Runtime place the training steps of classifiers on WebGPU, and runs none of them: no shader is compiled.
 * ONNX Runtime logs to stderr where it places each node and each copy; a line `step NAME` precedes the log of each.
 */

const classes = 4

/** @param {object} config */
const resolved = config => resolveConfig(config, 'test')

/** A network of four channels; `others` are not checked against each other. */
const resnet = (model, others = {}) =>
  classifierOf(
    { ...resolved({ model: { name: 'resnet18', width: 4, ...model } }).model, ...others },
    { classes },
  )

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

/** A convolution, a mixture of three experts and the outputs. */
const mixture = layer => (scope, images) => {
  const [own] = resolved({
    model: { name: 'resnet18', width: 4, moe: [{ position: 4, experts: 3, ...layer }] },
  }).model.moe
  const x = relu(scope.in('stem', inner => conv(inner, images, { outputs: 4, kernel: 3, stride: 2 })))
  const { output, losses, stats } = scope.in('mixture', inner =>
    mixtureOfExperts(inner, x, {
      ...own,
      experts: [expert, expert, expert],
      gate: gateOf(own),
      constraint: constraintOf(own.constraint),
      noise: own.noise ?? undefined,
      lift: own.constraint.lift ?? null,
    }),
  )
  return { logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), classes)), losses, stats }
}

const dispatches = ['sparse', 'dense', 'capacity']
const ofConstraints = dispatches.flatMap(dispatch =>
  constraints
    .names()
    .map(name => [`${name}, ${dispatch}`, { classifier: mixture({ constraint: { name }, dispatch }) }]),
)
const ofGates = dispatches.flatMap(dispatch =>
  gates.names().map(gate => [`gate ${gate}, ${dispatch}`, { classifier: mixture({ gate, dispatch }) }]),
)
const ofLifts = constraints
  .names()
  .filter(name => name !== 'none')
  .map(name => [
    `lifted ${name}`,
    { classifier: mixture({ constraint: { name, lift: 2 }, dispatch: 'dense' }) },
  ])
const k1 = { k: 1, weighting: 'softmax-before-top-k' }
const ofRouting = [
  ['K = 1', { classifier: mixture({ ...k1, dispatch: 'sparse' }) }],
  [
    'K = 1 with a bias',
    { classifier: mixture({ ...k1, constraint: { name: 'loss-free' }, dispatch: 'dense' }) },
  ],
  ['K = E', { classifier: mixture({ k: 3, noise: true, dispatch: 'sparse' }) }],
]
const plain = resnet({})
const group = { parameters: 'fc.*', rate: 0.1, weightDecay: 0 }
const ofOptimizers = optimizers
  .names()
  .flatMap(name =>
    [
      {},
      { weightDecay: 0.1 },
      { groups: [group] },
      ...(name === 'sgd' ? [{ momentum: 0.9, nesterov: true }] : []),
    ].map(options => [
      `${name} ${JSON.stringify(options)}`,
      { classifier: plain, optimizer: { name, ...options } },
    ]),
  )
const ofParts = [
  ...['block', 'resblock', 'conv', 'shared'].map(style => [
    `style ${style}`,
    { classifier: resnet({ moe: [{ position: 2, style, experts: 3, dispatch: 'dense' }] }) },
  ]),
  ...['imagenet', 'strided'].map(stem => [`stem ${stem}`, { classifier: resnet({ stem }), size: 32 }]),
  ['resnet50', { classifier: resnet({ name: 'resnet50' }) }],
  ['frozen', { classifier: resnet({}, { freeze: [0, 1] }) }],
  ['moving average', { classifier: plain, ema: { decay: 0.9 } }],
  ['no clipping, no smoothing', { classifier: plain, clipNorm: null, labelSmoothing: 0 }],
  ['class weights', { classifier: plain, classWeights: [1, 2, 3, 4] }],
  ['mixed images', { classifier: plain, mixed: true }],
  ['several labels', { classifier: plain, objective: multiLabelObjective }],
]

/** Training steps of classifiers by their names: every constraint, gate and optimizer that comes with Moiety, and every part. */
const steps = [...ofConstraints, ...ofGates, ...ofLifts, ...ofRouting, ...ofOptimizers, ...ofParts]

// The device stays as long as a session.
const sessions = []
for (const [name, given] of steps) {
  const { optimizer = {}, objective = classificationObjective, size = 8, clipNorm = 1, ema, ...facts } = given
  const step = writeStep({
    objective: objective({ classes, labelSmoothing: 0.1, ...facts }),
    form: { images: 8, height: size, width: size },
    optimizer: resolved({ optimizer: { name: 'sgd', ...optimizer } }).optimizer,
    clipNorm,
    ema,
  })
  const settings = { device: 'webgpu', threads: 1, profile: undefined, rewrite: true }
  const options = sessionOptions(settings, 0, { staying: [...updatesOf(step).keys()] })
  const model = plainModel(step.program)
  writeSync(2, `\nstep ${name}\n`)
  sessions.push(await InferenceSession.create(model, { ...options, logSeverityLevel: 0 }))
}
for (const session of sessions) await session.release()
process.disconnect?.()
