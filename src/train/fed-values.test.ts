import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HostTensor, scalar } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import type { Dataset } from '../data/index.ts'
import { globalAveragePool, reshape, type Tensor } from '../graph/index.ts'
import type { Classifier, Detector } from '../models/index.ts'
import { gapFc, mixtureOfExperts, relative } from '../moe/index.ts'
import { conv, linear, type Scope } from '../nn/index.ts'
import { Engine, type LoadedProgram } from '../runtime/index.ts'
import { evaluateSplit } from '../tasks/classification/evaluate-split.ts'
import { evaluationProgram } from '../tasks/classification/evaluation-program.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { classifierStepOptions, trainingStep } from './classification-step.ts'
import { detectionStep } from './detection-step.ts'
import { TrainingPrograms } from './training-programs.ts'

const [classes, batch, size] = [3, 4, 4]
const optimizer = { name: 'sgd', learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0 } as const

/** As small as it gets, with a constraint that is lifted, so that the step is fed an epoch. */
const classifier: Classifier = (scope, images) => {
  const { output, losses, stats } = scope.in('mixture', inner =>
    mixtureOfExperts(inner, images, {
      experts: [0, 1].map(() => (at: Scope, x: Tensor) => conv(at, x, { outputs: 2, kernel: 1 })),
      ...{ gate: gapFc, k: 2, constraint: relative(), lift: 5 },
    }),
  )
  return { logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), classes)), losses, stats }
}

const stepOptions = { classifier, classes, batch, size, optimizer, labelSmoothing: 0, clipNorm: null }
const step = trainingStep(stepOptions)
const images: HostTensor = {
  dtype: 'float32',
  shape: [batch, 3, size, size],
  data: new Float32Array(batch * 3 * size * size).fill(0.5),
}
const labelsOf = (...labels: number[]): HostTensor => ({
  dtype: 'int64',
  shape: [labels.length],
  data: BigInt64Array.from(labels, BigInt),
})
const right = labelsOf(0, 1, 2, 0)

let engine: Engine
beforeAll(async () => {
  engine = await Engine.start({ threads: 1 })
})
afterAll(async () => {
  await engine.stop()
})

const fed = (more: Readonly<Record<string, unknown>>) =>
  new Map(Object.entries({ images, labels: right, ...more }) as [string, HostTensor][])

/** What each label that cannot be is refused with, and where. */
const wrongLabels: [string, unknown, string, string][] = [
  ['−1', labelsOf(0, -1, 2, 0), 'expected class labels from 0 to 2, but got -1', 'tensor labels[1]'],
  [
    'as many as there are classes, and more',
    labelsOf(0, 1, 3, 7),
    'but got 3, the first of 2 among 4 values',
    'tensor labels[2]',
  ],
  [
    'beyond 32 bits, and right below them',
    { ...right, data: BigInt64Array.of(0n, 1n, 2n, 2n ** 32n + 1n) },
    'but got 4294967297',
    'tensor labels[3]',
  ],
  [
    'a fraction and NaN, in float32',
    { dtype: 'float32', shape: [batch], data: Float32Array.of(0, 0.5, Number.NaN, 1) },
    'but got float32 [4]',
    'tensor labels',
  ],
  [
    'of 32 bits',
    { dtype: 'int32', shape: [batch], data: new Int32Array(batch) },
    'got the element type "int32"',
    'tensor labels',
  ],
  ['too few', labelsOf(0, 1, 2), 'but got int64 [3]', 'tensor labels'],
  ['one-hot', { ...right, shape: [2, 2] }, 'but got int64 [2, 2]', 'tensor labels'],
]

describe('a custom loop', () => {
  let training: LoadedProgram
  beforeAll(async () => {
    await engine.setState(step.initialState(1))
    training = await engine.load(step.program)
  })
  const take = (more: Readonly<Record<string, unknown>>) =>
    training.step(fed({ learningRate: scalar(0.1), epoch: scalar(0), ...more }), {
      updates: step.updates,
      guards: step.guards,
    })

  it.each(wrongLabels)('refuses to train on labels: %s', async (_, labels, message, where) => {
    const before = await engine.readState()
    await expect(take({ labels })).rejects.toThrow(message)
    await expect(take({ labels })).rejects.toMatchObject({ kind: 'data', where })
    expect(await engine.readState()).toEqual(before)
  })

  it.each([
    ['learningRate', Number.NaN, 'expected a learning rate, a finite number of at least 0, but got NaN'],
    ['learningRate', Infinity, 'but got Infinity'],
    ['learningRate', -0.1, 'but got -0.1'],
    ['epoch', Number.NaN, 'expected the number of an epoch from 0, but got NaN'],
  ])(
    'refuses a %s of %s: every parameter would be lost, or the constraint lifted',
    async (name, value, message) => {
      await expect(take({ [name]: scalar(value) })).rejects.toThrow(message)
      await expect(take({ [name]: scalar(value) })).rejects.toMatchObject({ where: `tensor ${name}` })
    },
  )

  it('trains on labels that are classes', async () => {
    expect((await take({})).committed).toBe(true)
  })
})

describe('every other program that is fed labels refuses them too', () => {
  it.each(wrongLabels)('evaluation: %s', async (_, labels, message) => {
    await engine.setState(step.initialState(1))
    const evaluation = await engine.load(evaluationProgram({ classifier, size }).program)
    const given = message.includes('int64 [3]') ? 'expected int64 [4], but got int64 [3]' : message
    await expect(evaluation.run(fed({ labels }))).rejects.toThrow(given)
    await evaluation.release()
  })

  it('steps that engines share, and explain', async () => {
    const programs = new TrainingPrograms(
      [engine, engine],
      { write: form => classifierStepOptions({ ...stepOptions, batch: form.images }) },
      1,
    )
    const form = { images: batch, height: size, width: size }
    const ready = await programs.for(form)
    await engine.setState(ready.facts.initialState(1))
    await expect(
      ready.take({ form, feeds: fed({ labels: labelsOf(0, 1, 2, -1) }) }, { step: 0, epoch: 0, rate: 0.1 }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('got -1') as string,
      where: 'tensor labels[1]',
    })
    await programs.release()

    const { model } = resolveConfig({ model: { width: 4, moe: [] } }, 'test')
    const { program } = evaluationProgram({ classifier: classifierOf(model, { classes }), size: 8 })
    expect(program.inputs.find(({ name }) => name === 'labels')!.takes).toMatchObject({ least: 0, most: 2 })
  })

  it('evaluateSplit names the image of a data source with a class that is none', async () => {
    await engine.setState(step.initialState(1))
    const evaluation = evaluationProgram({ classifier, size })
    const loaded = [await engine.load(evaluation.program)]
    const evaluate = (labels: Int32Array, pixels: unknown = new Uint8Array(batch * 3 * size * size)) => {
      const split = { length: batch, labels, coarse: undefined, load: async () => pixels as Uint8Array }
      const dataset: Dataset = {
        ...{ name: 'own', title: 'own', size, classes: ['a', 'b', 'c'], skipped: [] },
        ...{ superclasses: undefined, superclassOf: undefined, mean: [0, 0, 0], std: [1, 1, 1] },
        ...{ train: split, test: split },
      }
      return evaluateSplit({ dataset, split, evaluation, loaded, batch })
    }
    expect(await evaluate(Int32Array.of(0, 1, 2, 0))).toMatchObject({ images: batch })
    for (const [labels, message, where] of [
      [Int32Array.of(0, -1, 2, 0), 'expected a class from 0 to 2, but got -1', 'image 1 of the split'],
      [Int32Array.of(0, 1, 2, 3), 'expected a class from 0 to 2, but got 3', 'image 3 of the split'],
      [
        Int32Array.of(0, 1),
        'expected a class for each of 4 images, but there are 2 labels',
        'image 2 of the split',
      ],
      [[0, Number.NaN, 1, 1], 'but got NaN', 'image 1 of the split'],
      [[0, 1, 0.5, 1], 'but got 0.5', 'image 2 of the split'],
    ] as [Int32Array, string, string][])
      await expect(evaluate(labels)).rejects.toMatchObject({
        message: expect.stringContaining(message),
        where,
        kind: 'data',
      })
    for (const pixels of [null, new Uint8Array(7), new Float32Array(batch * 3 * size * size)])
      await expect(evaluate(Int32Array.of(0, 1, 2, 0), pixels)).rejects.toThrow(
        'expected the pixels of 4 square images',
      )
  })
})

describe('a detector', () => {
  const anchors = 5
  /** A score for each class and four numbers, the same for every anchor. */
  const detector: Detector = (scope, x) => {
    const seen = globalAveragePool(x)
    const said = (name: string, outputs: number): Tensor =>
      scope.in(name, inner => linear(inner, seen, anchors * outputs))
    const shaped = (tensor: Tensor, last: number): Tensor => reshape(tensor, [batch, anchors, last])
    return {
      classes: { kind: 'logits', value: shaped(said('classes', classes), classes) },
      boxes: shaped(said('boxes', 4), 4),
      ...{ losses: [], stats: [] },
    }
  }

  it('refuses targets of classes that do not exist, and codes that are not finite', async () => {
    const form = { images: batch, height: size, width: size }
    const trained = detectionStep({ detector, anchors, boxWeight: 1, form, optimizer, clipNorm: null })
    await engine.setState(trained.initialState(1))
    const loaded = await engine.load(trained.program)
    const take = (at: number, target: number, code = 0) => {
      const classTargets = labelsOf(...new Array<number>(batch * anchors).fill(classes))
      const boxTargets = new Float32Array(batch * anchors * 4)
      classTargets.data[at] = BigInt(target)
      boxTargets[4 * at] = code
      return loaded.step(
        new Map<string, HostTensor>([
          ['images', images],
          ['learningRate', scalar(0.1)],
          ['classTargets', { ...classTargets, shape: [batch, anchors] }],
          ['boxTargets', { dtype: 'float32', shape: [batch, anchors, 4], data: boxTargets }],
        ]),
        { updates: trained.updates, guards: trained.guards },
      )
    }
    for (const target of [-1, 0, classes - 1, classes]) expect((await take(7, target)).committed).toBe(true)
    for (const target of [-2, classes + 1])
      await expect(take(7, target)).rejects.toMatchObject({
        message: `expected a class from 0 to 2 for each anchor, 3 for the background or -1 for what does not count, but got ${target}`,
        where: 'tensor classTargets[1, 2]',
      })
    for (const code of [Number.NaN, -Infinity])
      await expect(take(7, 0, code)).rejects.toMatchObject({ where: 'tensor boxTargets[1, 2, 0]' })
  })
})
