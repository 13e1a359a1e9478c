import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor } from '../base/tensor.ts'
import { type OptimizerConfig, resolveConfig } from '../config/config.ts'
import { globalAveragePool, relu } from '../graph/index.ts'
import type { Classifier } from '../models/index.ts'
import { gapFc, mixtureOfExperts, relative } from '../moe/index.ts'
import { conv, type Layer, linear } from '../nn/index.ts'
import { type Engines, startEngines } from '../runtime/engines.ts'
import type { BatchForm } from '../tasks/objective.ts'
import type { TaskBatch } from '../tasks/task.ts'
import { classifierStepOptions } from './classification-step.ts'
import type { WriteStepOptions } from './step.ts'
import { TrainingPrograms } from './training-programs.ts'

const [size, classes] = [8, 4]
const { optimizer } = resolveConfig({ optimizer: { name: 'adam', learningRate: 0.01 } }, 'test')

const block: Layer = (scope, x) => relu(conv(scope, x, { outputs: 6, kernel: 3 }))
/** No BatchNorm, and a constraint that remembers the importance of every batch. */
const network: Classifier = (scope, images) => {
  const first = scope.in('conv1', inner => block(inner, images))
  const { output, losses, stats } = scope.in('mixture', inner =>
    mixtureOfExperts(inner, first, {
      experts: [block, block, block, block],
      gate: gapFc,
      k: 2,
      constraint: relative({ threshold: 0.1 }),
    }),
  )
  return { logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), classes)), losses, stats }
}
const write =
  (own: OptimizerConfig, clipNorm: number | null) =>
  ({ images }: BatchForm): WriteStepOptions => ({
    ...classifierStepOptions({
      classifier: network,
      ...{ classes, batch: images, size, optimizer: own, labelSmoothing: 0.1, clipNorm },
      classWeights: [0.5, 1.5, 1, 1],
    }),
    ema: { decay: 0.9 },
  })

let alone: Engines
let two: Engines
beforeAll(async () => {
  alone = await startEngines({ replicas: 1, threads: 1 })
  two = await startEngines({ replicas: 2, threads: 2 })
})
afterAll(() => Promise.all([...alone, ...two].map(engine => engine.stop())))

function batchOf(count: number, seed: number): TaskBatch {
  const source = draws(seed, 'image')
  const images = Float32Array.from({ length: count * 3 * size * size }, () => source.normal())
  const labels = BigInt64Array.from({ length: count }, () => BigInt(source.below(classes)))
  return {
    form: { images: count, height: size, width: size },
    feeds: new Map<string, HostTensor>([
      ['images', floats([count, 3, size, size], images)],
      ['labels', { dtype: 'int64', shape: [count], data: labels }],
    ]),
  }
}

/** The state after three steps, and the outputs of the last one. */
async function trained(engines: Engines, accumulate: number, images: number) {
  const programs = new TrainingPrograms(engines, { write: write(optimizer, 0.5), accumulate }, 1)
  let outputs: ReadonlyMap<string, HostTensor> = new Map()
  for (let step = 0; step < 3; step++) {
    const batch = batchOf(images, step)
    const ready = await programs.for(batch.form)
    if (step === 0) {
      await engines[0].setState(ready.facts.initialState(1))
      await programs.spread(ready)
    }
    ;({ outputs } = await ready.take(batch, { step, epoch: 0, rate: 0.01 }))
  }
  const state = await engines[0].readState()
  await programs.release()
  return { state, outputs }
}

describe('a batch whose parts are computed one after the other', () => {
  it.each([
    ['in 3 equal parts', 12, 3, () => alone],
    ['in 4 parts of unequal size', 11, 4, () => alone],
    ['in 2 parts on each of 2 engines', 12, 2, () => two],
  ])('%s gives the step of the whole batch, but for rounding', async (_, images, parts, engines) => {
    const whole = await trained(alone, 1, images)
    const accumulated = await trained(engines(), parts, images)
    expect([...accumulated.state.keys()].sort()).toEqual([...whole.state.keys()].sort())
    expect(accumulated.state.size).toBeGreaterThan(30)
    for (const [name, { data }] of whole.state) {
      const other = accumulated.state.get(name)!.data
      for (let i = 0; i < data.length; i++) expect(Number(other[i]), name).toBeCloseTo(Number(data[i]), 4)
    }
    for (const name of ['loss', 'gradientNorm', 'mixture.importance', 'mixture.activation', 'correct1'])
      expect([...accumulated.outputs.get(name)!.data].map(Number), name).toEqual(
        [...whole.outputs.get(name)!.data].map(value => expect.closeTo(Number(value), 4)),
      )
  })
})

it('a batch is not divided into parts of one image where BatchNorm needs two', () => {
  const config = (fields: object) => () => resolveConfig({ training: { batch: 16, ...fields } }, 'test')
  expect(config({ accumulate: 8 })().training.accumulate).toBe(8)
  expect(config({ accumulate: 9 })).toThrow('cannot be divided into 9 parts of two images')
  expect(config({ accumulate: 4, replicas: 4 })).toThrow('cannot be divided into 16 parts')
})
