import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { add, mul, relu, square, sub, sum } from '../graph/index.ts'
import { zeros } from '../nn/index.ts'
import { Engine } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import type { BuildObjective } from '../tasks/objective.ts'
import { classifierStepOptions } from './classification-step.ts'
import { measureDrift, type StepDrift } from './drift.ts'
import { writeStep } from './step.ts'

let engine: Engine
beforeAll(async () => {
  engine = await Engine.start({ threads: 2 })
})
afterAll(async () => {
  await engine.stop()
})

function normal(shape: readonly number[], purpose: string, step: number): HostTensor {
  const source = draws(3, purpose, step)
  return floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}

describe('the drift of float32 from float64', () => {
  it('comes from the one relu that rounding turns, and is gone when float64 makes the same choice', async () => {
    // (x + 1) − 1 of 3·10⁻⁸ is 0 in float32, where the spacing at 1 is 1.2·10⁻⁷; the relu of 0 has no gradient.
    const objective: BuildObjective = (scope, images) => {
      const x = scope.parameter('x', [3], zeros)
      const one = mul(sum(images), 1 / 12)
      const y = scope.graph.within('turned', () => relu(sub(add(x, one), one)))
      return {
        taskLoss: add(mul(sum(y), 2), sum(square(x))),
        losses: [],
        stats: [],
        measures: new Map(),
      }
    }
    const [step, ...more] = await measureDrift(engine, {
      step: {
        objective,
        form: { images: 1, height: 2, width: 2 },
        optimizer: resolveConfig(
          { optimizer: { name: 'sgd', momentum: 0, nesterov: false, weightDecay: 0 } },
          'test',
        ).optimizer,
        clipNorm: null,
      },
      state: new Map([['x', floats([3], [3e-8, 0.5, -0.5])]]),
      batches: [new Map([['images', floats([1, 3, 2, 2], new Float32Array(12).fill(1))]])],
      learningRate: 0.1,
    })
    expect(more).toEqual([])
    // Gradients: (2, 3, −1) in float64 by its own choice, (0, 3, −1) in float32.
    expect(step!.own).toEqual({ difference: expect.closeTo(2 / Math.sqrt(14), 6), parameter: 'x' })
    expect(step!.following.difference).toBeLessThan(1e-7)
    expect(step!.sameValues.difference).toBeLessThan(1e-7)
    const x = Math.fround(3e-8)
    expect(step!.changed).toEqual([
      { label: 'turned/relu', index: [0], margin: expect.closeTo(x, 15), largest: 0.5 },
    ])
  })
})

const [classes, batch, size, steps] = [5, 12, 12, 2]

/** A mixture of four experts in a narrow ResNet-18 trained by Adam, or none. */
async function driftsOf(layer: object | null): Promise<StepDrift[]> {
  const moe = layer === null ? [] : [{ experts: 4, k: 2, constraint: { name: 'importance' }, ...layer }]
  const { model, optimizer } = resolveConfig(
    { model: { name: 'resnet18', stem: 'cifar', width: 4, moe }, optimizer: { name: 'adam' } },
    'test',
  )
  const step = classifierStepOptions({
    classifier: classifierOf(model, { classes }),
    ...{ classes, batch, size, optimizer },
    labelSmoothing: 0,
    clipNorm: null,
  })
  const { noise, model: names, initialState } = writeStep(step)
  const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes))
  return await measureDrift(engine, {
    step,
    state: new Map([...initialState(3)].filter(([name]) => names.includes(name))),
    batches: Array.from(
      { length: steps },
      (_, i) =>
        new Map<string, HostTensor>([
          ['images', normal([batch, 3, size, size], 'images', i)],
          ['labels', { dtype: 'int64', shape: [batch], data: labels }],
          ...noise.map(({ name, shape }) => [name, normal(shape, name, i)] as const),
        ]),
    ),
    learningRate: 1e-3,
  })
}

describe('given the choices of float32, all gradients in float64 agree with it', () => {
  it.each([
    ['plain', null],
    ['conv p = 0', { position: 0, style: 'conv' }],
    ['Block p = 1', { position: 1, style: 'block' }],
    ['conv p = 4', { position: 4, style: 'conv' }],
    ['ResBlock p = 3', { position: 3, style: 'resblock' }],
    ['K = 1 straight-through', { position: 4, style: 'resblock', k: 1, weighting: 'softmax-before-top-k' }],
    ['z-loss', { position: 4, style: 'resblock', constraint: { name: 'z-loss' } }],
    ['relative', { position: 2, style: 'resblock', constraint: { name: 'relative', threshold: 0.1 } }],
  ])('%s', async (_name, layer) => {
    for (const { following, sameValues, rounding, changed } of await driftsOf(layer)) {
      // The engine also rounds inside an op: a few times what rounding its results does.
      expect(sameValues.difference, sameValues.parameter).toBeLessThan(1e-6 + 8 * rounding)
      expect(rounding).toBeLessThan(1e-5)
      // Through Adam, whose first steps have the size of the rate even where a gradient is all rounding.
      expect(following.difference, following.parameter).toBeLessThan(1e-4)
      // Which choices turn depends on the processor; each is within rounding of the other one.
      for (const { label, margin, largest } of changed)
        expect(margin / largest, label).toBeLessThan(64 * 2 ** -24)
    }
  })
})
