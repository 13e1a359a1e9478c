import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import type { Classifier } from '../models/index.ts'
import { type Engines, partSizes, startEngines } from '../runtime/engines.ts'
import type { StepResult } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import type { BatchForm } from '../tasks/objective.ts'
import type { TaskBatch } from '../tasks/task.ts'
import { classifierStepOptions } from './classification-step.ts'
import type { WriteStepOptions } from './step.ts'
import { TrainingPrograms } from './training-programs.ts'

const [size, classes] = [8, 4]
const layer = { position: 4, style: 'resblock', experts: 4, k: 2, noise: false }
const { model, optimizer } = resolveConfig(
  {
    model: {
      name: 'resnet18',
      width: 4,
      moe: [
        { ...layer, position: 3, constraint: { name: 'mean' } },
        { ...layer, constraint: { name: 'relative' } },
      ],
    },
    optimizer: { name: 'sgd', learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0 },
  },
  'test',
)
const writer =
  (classifier: Classifier) =>
  ({ images }: BatchForm): WriteStepOptions =>
    classifierStepOptions({
      classifier,
      classes,
      batch: images,
      size,
      optimizer,
      labelSmoothing: 0.1,
      clipNorm: null,
    })
const write = writer(classifierOf(model, { classes }))
const moment = { step: 0, epoch: 0, rate: 0.1 }

let engines: Engines
let alone: Engines
let one: TrainingPrograms
let divided: TrainingPrograms
beforeAll(async () => {
  engines = await startEngines({ replicas: 2, threads: 2 })
  alone = await startEngines({ replicas: 1, threads: 1 })
  one = new TrainingPrograms(alone, { write }, 1)
  divided = new TrainingPrograms(engines, { write }, 1)
})
afterAll(() => Promise.all([...engines, ...alone].map(engine => engine.stop())))

/** Some images, the first ones of an endless row. */
function batchOf(from: number, to: number): TaskBatch {
  const count = to - from
  const values = Array.from({ length: count }, (_, i) => {
    const source = draws(3, 'image', from + i)
    return Array.from({ length: 3 * size * size }, () => source.normal())
  })
  return {
    form: { images: count, height: size, width: size },
    feeds: new Map<string, HostTensor>([
      ['images', floats([count, 3, size, size], values.flat())],
      [
        'labels',
        {
          dtype: 'int64',
          shape: [count],
          data: BigInt64Array.from({ length: count }, (_, i) => BigInt((from + i) % classes)),
        },
      ],
    ]),
  }
}

/** One batch after the other. */
function together(first: TaskBatch, second: TaskBatch): TaskBatch {
  const joined = (a: HostTensor, b: HostTensor): HostTensor => {
    const shape = [a.shape[0]! + b.shape[0]!, ...a.shape.slice(1)]
    const data =
      a.data instanceof BigInt64Array
        ? BigInt64Array.from([...a.data, ...(b.data as BigInt64Array)])
        : Float32Array.from([...(a.data as Float32Array), ...(b.data as Float32Array)])
    return { dtype: a.dtype, shape, data }
  }
  return {
    form: { ...first.form, images: first.form.images + second.form.images },
    feeds: new Map([...first.feeds].map(([name, tensor]) => [name, joined(tensor, second.feeds.get(name)!)])),
  }
}

/**
 * What rounding may do: statistics of a few images amplify it on the way back, and no average is made of that way. A
 * bias is 0 before, so that of it nothing but the step is seen: an engine that rewrites nothing comes to 5.4e-4 there.
 */
function tolerance(name: string): number {
  if (/running_|constraint/.test(name)) return 1e-4
  return name.endsWith('.bias') ? 1e-3 : 5e-4
}

const isOfModel = (name: string): boolean => !name.startsWith('optimizer.')

interface Taken extends StepResult {
  readonly state: ReadonlyMap<string, HostTensor>
}

/** A step from the first state. */
async function taken(programs: TrainingPrograms, batch: TaskBatch, seed = 1): Promise<Taken> {
  const ready = await programs.for(batch.form)
  const [first] = programs.engines
  await first.setState(ready.facts.initialState(seed))
  await programs.spread(ready)
  const result = await ready.take(batch, moment)
  return { ...result, state: await first.readState() }
}

/** Largest difference of any number of two tensors, beside the larger one's size. */
function apart(a: HostTensor, b: HostTensor): number {
  expect(a.shape).toEqual(b.shape)
  let [most, largest] = [0, 1e-3]
  for (let i = 0; i < sizeOf(a.shape); i++) {
    most = Math.max(most, Math.abs(Number(a.data[i]) - Number(b.data[i])))
    largest = Math.max(largest, Math.abs(Number(b.data[i])))
  }
  return most / largest
}

describe('partSizes', () => {
  it.each([
    [8, 2, [4, 4]],
    [11, 3, [4, 4, 3]],
    [2, 4, [1, 1]],
    [5, 1, [5]],
  ])('divides %d images into %d parts', (images, parts, expected) => {
    expect(partSizes(images, parts)).toEqual(expected)
  })
})

describe('a step that two engines share', () => {
  it('is that of one half where both halves are the same', async () => {
    const half = batchOf(0, 6)
    const whole = await taken(one, half)
    const shared = await taken(divided, together(half, half))
    expect([...shared.state.keys()].sort()).toEqual([...whole.state.keys()].sort())
    for (const [name, value] of whole.state)
      expect(apart(shared.state.get(name)!, value), name).toBeLessThan(tolerance(name))
    const value = (result: Taken, name: string): number => Number(result.outputs.get(name)!.data[0])
    expect([...shared.outputs.keys()].sort()).toEqual([...whole.outputs.keys()].sort())
    for (const name of ['loss', 'taskLoss', 'gradientNorm'])
      expect(value(shared, name)).toBeCloseTo(value(whole, name), 4)
    for (const name of ['layer4.importance', 'layer4.activation', 'layer4.idle', 'correct1'])
      expect(value(shared, name)).toBeCloseTo(2 * value(whole, name), 4)
    for (const name of ['layer4.excluded', 'layer3.counters.t'])
      expect(value(shared, name)).toBe(value(whole, name))
  })

  it('clips, and remembers moments, of what the parts found together', async () => {
    const soft = { ...layer, constraint: { name: 'importance' } }
    const config = resolveConfig(
      { model: { name: 'resnet18', width: 4, moe: [soft] }, optimizer: { name: 'adam' } },
      'test',
    )
    const classifier = classifierOf(config.model, { classes })
    const clipping = {
      write: ({ images }: BatchForm): WriteStepOptions =>
        classifierStepOptions({
          classifier,
          classes,
          batch: images,
          size,
          optimizer: config.optimizer,
          labelSmoothing: 0,
          clipNorm: 0.05,
        }),
    }
    const half = batchOf(0, 4)
    const whole = await taken(new TrainingPrograms(alone, clipping, 1), half)
    const shared = await taken(new TrainingPrograms(engines, clipping, 1), together(half, half))
    expect(Number(whole.outputs.get('gradientNorm')!.data[0])).toBeGreaterThan(0.05)
    for (const [name, value] of whole.state)
      if (!isOfModel(name)) expect(apart(shared.state.get(name)!, value), name).toBeLessThan(1e-3)
  })

  it('is the mean of the steps of its parts, each weighing as many images as it has', async () => {
    // Without momentum a step is linear in the gradient, and the running totals are in the importance.
    const [larger, smaller] = [batchOf(0, 4), batchOf(4, 7)]
    const shared = await taken(divided, together(larger, smaller))
    const [first, second] = [await taken(one, larger), await taken(one, smaller)]
    for (const [name, { shape, data }] of first.state) {
      const other = second.state.get(name)!.data
      const mean = Float32Array.from(data as Float32Array, (a, i) => (4 * a + 3 * Number(other[i])) / 7)
      expect(apart(shared.state.get(name)!, floats(shape, mean)), name).toBeLessThan(tolerance(name))
    }
    const loss = (result: Taken): number => Number(result.outputs.get('loss')!.data[0])
    expect(loss(shared)).toBeCloseTo((4 * loss(first) + 3 * loss(second)) / 7, 5)
  })

  it('counts for relative what a whole batch would', async () => {
    const batch = batchOf(0, 8)
    const shared = await taken(divided, batch)
    const importance = [...shared.outputs.get('layer4.importance')!.data].map(Number)
    const totals = importance.map(own => (own - 2) / 2)
    const r = [...shared.state.get('layer4.constraint.r')!.data].map(Number)
    for (const [i, total] of totals.entries()) expect(r[i]).toBeCloseTo(total, 5)
  })

  it.each([8, 1])('leaves both engines with the same model after a batch of %d', async images => {
    const { state } = await taken(divided, batchOf(0, images))
    const other = await engines[1]!.readState()
    expect([...other.keys()].sort()).toEqual([...state.keys()].filter(isOfModel).sort())
    for (const [name, value] of other) expect(value, name).toEqual(state.get(name))
  })

  it('is that of one engine where there is a single image', async () => {
    const image = batchOf(0, 1)
    const [shared, whole] = [await taken(divided, image), await taken(one, image)]
    for (const [name, value] of whole.state)
      expect(apart(shared.state.get(name)!, value), name).toBeLessThan(tolerance(name))
  })

  it('counts steps as whole numbers, however uneven the parts', async () => {
    const batch = batchOf(0, 7)
    const ready = await divided.for(batch.form)
    await engines[0].setState(ready.facts.initialState(1))
    await divided.spread(ready)
    for (let step = 0; step < 4; step++) await ready.take(batch, { ...moment, step })
    const counted = await engines[0].readState(['layer3.constraint.t'])
    expect([...counted.get('layer3.constraint.t')!.data]).toEqual([4])
  })

  it('takes no step where one part is not finite, and says which tensor is not', async () => {
    const plain = classifierOf({ ...model, moe: [] }, { classes })
    const programs = new TrainingPrograms(engines, { write: writer(plain) }, 1)
    const batch = batchOf(0, 8)
    const images = batch.feeds.get('images')!
    images.data[images.data.length - 1] = Number.NaN
    const ready = await programs.for(batch.form)
    const { committed, state } = await taken(programs, batch)
    expect(committed).toBe(false)
    expect(state).toEqual(ready.facts.initialState(1))
    expect(await ready.firstNonFinite(batch, moment)).toBe('images')
  })
})
