import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { OptimizerConfig, ScheduleConfig } from '../config/config.ts'
import { cast, Graph, globalAveragePool, reshape, slice, sum, type Tensor } from '../graph/index.ts'
import type { Classifier, Detector } from '../models/index.ts'
import { gapFc, mixtureOfExperts, none } from '../moe/index.ts'
import { conv, linear, type Scope } from '../nn/index.ts'
import { scheduleAt } from '../optim/index.ts'
import { evaluationProgram } from '../tasks/classification/evaluation-program.ts'
import type { BuildObjective } from '../tasks/objective.ts'
import { type StepOptions, trainingStep } from './classification-step.ts'
import { detectionStep } from './detection-step.ts'
import { writeStep } from './step.ts'

const [classes, batch, size] = [3, 4, 4]
const optimizer: OptimizerConfig = {
  ...{ name: 'adam', learningRate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
}
const form = { images: batch, height: size, width: size }

const logitsOf = (scope: Scope, x: Tensor): Tensor => linear(scope, globalAveragePool(x), classes)
const right: Classifier = (scope, x) => ({ logits: logitsOf(scope, x), losses: [], stats: [] })

function refusal(build: () => unknown): MoietyError | undefined {
  try {
    build()
  } catch (error) {
    if (error instanceof MoietyError) return error
    throw error
  }
  return undefined
}

const stepWith = (more: Readonly<Record<string, unknown>>) =>
  refusal(() => {
    const options = {
      classifier: right,
      classes,
      batch,
      size,
      optimizer,
      labelSmoothing: 0,
      clipNorm: null,
      ...more,
    }
    trainingStep(options as StepOptions)
  })

/** The same mixture at the same place, so both have one name. */
const twoOfOneName: Classifier = (scope, x) => {
  const { output, losses, stats } = mixtureOfExperts(scope, x, {
    experts: [0, 1].map(() => (at: Scope, y: Tensor) => conv(at, y, { outputs: 2, kernel: 1 })),
    ...{ gate: gapFc, k: 2, constraint: none() },
  })
  return { logits: scope.in('fc', inner => logitsOf(inner, output)), losses, stats: [...stats, ...stats] }
}

describe('a classifier of a user’s own', () => {
  it.each<[string, unknown, string]>([
    ['nothing', () => undefined, '{ logits, losses, stats }, but this one returned nothing'],
    ['a Promise', async (scope: Scope, x: Tensor) => right(scope, x), 'returned a Promise'],
    ['logits alone', logitsOf, '{ logits, losses, stats }, but this one returned float32[4, 3]'],
    ['no logits', () => ({ losses: [], stats: [] }), 'float32[4, any], but this one returned nothing'],
    [
      'logits of another rank',
      (scope: Scope, x: Tensor) => ({
        ...right(scope, x),
        logits: reshape(logitsOf(scope, x), [batch, classes, 1]),
      }),
      'returned float32[4, 3, 1]',
    ],
    [
      'logits of fewer images',
      (scope: Scope, x: Tensor) => ({
        ...right(scope, x),
        logits: x.graph.constant('float32', [1, classes], [0, 0, 0]),
      }),
      'returned float32[1, 3]',
    ],
    [
      'integers',
      (scope: Scope, x: Tensor) => ({ ...right(scope, x), logits: cast(logitsOf(scope, x), 'int64') }),
      'returned int64[4, 3]',
    ],
    [
      'logits of another graph',
      (scope: Scope, x: Tensor) => ({
        ...right(scope, x),
        logits: new Graph().constant('float32', [4, 3], new Array(12).fill(0)),
      }),
      'of another graph',
    ],
    [
      'no losses',
      (scope: Scope, x: Tensor) => ({ logits: logitsOf(scope, x), stats: [] }),
      'in `losses` an array',
    ],
    [
      'a loss that is no scalar',
      (scope: Scope, x: Tensor) => ({ ...right(scope, x), losses: [logitsOf(scope, x)] }),
      'in `losses[0]` a scalar, float32[], but this one returned float32[4, 3]',
    ],
    [
      'no statistics',
      (scope: Scope, x: Tensor) => ({ logits: logitsOf(scope, x), losses: [] }),
      'in `stats` an array',
    ],
    [
      'statistics that are none',
      (scope: Scope, x: Tensor) => ({ ...right(scope, x), stats: [{}] }),
      'no name and routing',
    ],
    ['two mixtures of one name', twoOfOneName, 'two mixtures of experts of this network are called ""'],
  ])('may not return %s', (what, classifier, message) => {
    const evaluated = refusal(() => evaluationProgram({ classifier: classifier as Classifier, size }))
    // There, of any number of images, which a reshape to four is not.
    if (what !== 'logits of another rank')
      expect(evaluated?.message).toContain(
        what.endsWith('graph') ? message : message.replaceAll('[4,', '[N,'),
      )
    const trained = stepWith({ classifier })
    expect(trained?.message).toContain(message.replace('any', String(classes)))
    expect(trained).toMatchObject({ kind: 'usage' })
    expect(trained?.help).toBeTruthy()
  })

  it('has as many classes as the step is for', () => {
    expect(stepWith({})).toBeUndefined()
    expect(stepWith({ classes: 4 })?.message).toContain('float32[4, 4], but this one returned float32[4, 3]')
    expect(stepWith({ classifier: {} })?.message).toBe('a classifier must be a function, but is an object')
  })
})

describe('the numbers of a step', () => {
  it.each<[string, object, string]>([
    ['classes', { classes: Number.NaN }, 'but got NaN'],
    ['labelSmoothing', { labelSmoothing: undefined }, 'from 0 and below 1, but got undefined'],
    ['labelSmoothing', { labelSmoothing: 1 }, 'but got 1'],
    ['clipNorm', { clipNorm: undefined }, 'a norm above 0, or null, but got undefined'],
    ['clipNorm', { clipNorm: Number.NaN }, 'but got NaN'],
    ['form.images', { batch: 0 }, 'a whole number from 1, but got 0'],
    ['form.height', { size: 2.5 }, 'but got 2.5'],
    ['optimizer.betas', { optimizer: { ...optimizer, betas: [0.9] } }, 'expected a list of 2'],
    ['optimizer.betas', { optimizer: { name: 'adamw', epsilon: 1, weightDecay: 0 } }, 'but got undefined'],
    ['optimizer.epsilon', { optimizer: { ...optimizer, epsilon: Number.NaN } }, 'but got NaN'],
    ['optimizer.weightDecay', { optimizer: { ...optimizer, weightDecay: undefined } }, 'but got undefined'],
    ['optimizer.momentum', { optimizer: { name: 'sgd', weightDecay: 0 } }, 'but got undefined'],
    ['optimizer.name', { optimizer: { name: 'lion', weightDecay: 0 } }, 'there is no optimizer "lion"'],
  ])('are refused where %s cannot be: %o', (where, more, message) => {
    const error = stepWith(more as Record<string, unknown>)
    expect(error?.message).toContain(message)
    expect(error).toMatchObject({ kind: 'usage', where })
  })

  it.each<[string, object, object]>([
    ['without a rate', { name: 'constant', warmup: null }, {}],
    ['with a rate that is NaN', { name: 'constant', warmup: null }, { learningRate: Number.NaN }],
    ['with a negative rate', { name: 'constant', warmup: null }, { learningRate: -1 }],
    ['without a final rate', { name: 'cosine', warmup: null }, { learningRate: 1 }],
  ])('a schedule %s gives no rate', (_, schedule, rates) => {
    const moment = { step: 3, stepsPerEpoch: 2, epochs: 4 }
    const error = refusal(() => scheduleAt(schedule as ScheduleConfig, rates as OptimizerConfig, moment))
    expect(error?.message).toMatch(/gives a learning rate of (NaN|undefined|-1) at step 3/)
    expect(error).toMatchObject({ kind: 'usage', where: 'schedule' })
  })
})

it('a schedule that there is not is refused by its name', () => {
  const moment = { step: 3, stepsPerEpoch: 2, epochs: 4 }
  const error = refusal(() => scheduleAt({ name: 'own', warmup: null } as never, optimizer, moment))
  expect(error).toMatchObject({ kind: 'usage', where: 'schedule.name' })
  expect(error?.message).toBe('there is no schedule "own"')
})

describe('an objective of a user’s own', () => {
  const objective =
    (more: (loss: Tensor) => object): unknown =>
    (scope: Scope, x: Tensor) => {
      const loss = sum(logitsOf(scope, x))
      return { taskLoss: loss, losses: [], stats: [], measures: new Map(), ...more(loss) }
    }
  const write = (given: unknown) =>
    refusal(() => writeStep({ objective: given as BuildObjective, form, optimizer, clipNorm: null }))

  it.each<[string, unknown, string]>([
    ['nothing', () => undefined, 'an objective must return { taskLoss, losses, stats, measures }'],
    ['a Promise', async () => ({}), 'returned a Promise'],
    ['a loss for each image', objective(() => ({ taskLoss: 3 })), 'in `taskLoss` a scalar'],
    ['no Map of measures', objective(() => ({ measures: {} })), 'in `measures` a Map'],
    [
      'a measure that is no tensor',
      objective(() => ({ measures: new Map([['hits', 1]]) })),
      'in `measures.hits` a scalar',
    ],
    [
      'a measure with the name of a loss',
      objective(loss => ({ measures: new Map([['loss', loss]]) })),
      'cannot be called "loss"',
    ],
    [
      'a network without parameters',
      (scope: Scope) => ({ taskLoss: scope.graph.scalar(1), losses: [], stats: [], measures: new Map() }),
      'a network with parameters',
    ],
  ])('may not return %s', (_, given, message) => {
    expect(write(given)?.message).toContain(message)
    expect(write(given)).toMatchObject({ kind: 'usage' })
    expect(write(objective(loss => ({ measures: new Map([['hits', loss]]) })))).toBeUndefined()
  })
})

describe('a detector of a user’s own', () => {
  const anchors = 5
  const said = (scope: Scope, x: Tensor) => {
    const rows = (name: string, last: number): Tensor =>
      reshape(
        scope.in(name, inner => linear(inner, globalAveragePool(x), anchors * last)),
        [batch, anchors, last],
      )
    return {
      classes: { kind: 'logits', value: rows('c', classes) },
      boxes: rows('b', 4),
      losses: [],
      stats: [],
    }
  }
  const write = (detector: unknown) =>
    refusal(() =>
      detectionStep({
        detector: detector as Detector,
        anchors,
        boxWeight: 1,
        form,
        optimizer,
        clipNorm: null,
      }),
    )

  it.each<[string, unknown, string]>([
    ['nothing', () => undefined, 'a detector must return { classes, boxes, losses, stats }'],
    [
      'scores without their kind',
      (s: Scope, x: Tensor) => ({ ...said(s, x), classes: said(s, x).boxes }),
      'in `classes` { kind, value }',
    ],
    [
      'scores of another kind',
      (s: Scope, x: Tensor) => ({ ...said(s, x), classes: { kind: 'odds', value: said(s, x).boxes } }),
      'but this one returned "odds"',
    ],
    [
      'too few anchors',
      (s: Scope, x: Tensor) => ({ ...said(s, x), boxes: slice(said(s, x).boxes, 1, 0, 2) }),
      'float32[4, 5, 4], but this one returned float32[4, 2, 4]',
    ],
    ['no losses', (s: Scope, x: Tensor) => ({ ...said(s, x), losses: undefined }), 'in `losses` an array'],
  ])('may not return %s', (_, detector, message) => {
    expect(write(detector)?.message).toContain(message)
    expect(write(said)).toBeUndefined()
  })
})
