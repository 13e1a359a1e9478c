import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { MoietyError } from '../src/base/errors.ts'
import { resolveConfig } from '../src/config/config.ts'
import { splitOfArrays } from '../src/data/arrays.ts'
import { imageBatch } from '../src/data/batches.ts'
import { defineDataset } from '../src/data/datasets/define-dataset.ts'
import { datasetOfArrays, openDataset } from '../src/data/index.ts'
import { defineTransform } from '../src/data/transform.ts'
import { transforms } from '../src/data/transforms/registry.ts'
import { globalAveragePool } from '../src/graph/index.ts'
import { defineMetric, type Predictions } from '../src/metrics/metric.ts'
import { defineNetwork } from '../src/models/network.ts'
import { linear } from '../src/nn/index.ts'
import { evaluateSplit } from '../src/tasks/index.ts'
import { addComponents } from '../src/train/index.ts'

/** What each type of component is given and may return, and how configurations that name them are checked. */

const size = 2
const given = Uint8Array.from({ length: 3 * 3 * size * size }, (_, i) => 7 * i)
const split = splitOfArrays({ pixels: given, labels: [0, 1, 0], size })
const add = defineTransform({
  name: 'add-at-random',
  description: 'adds a random number to all pixels',
  options: {},
  create: () => (image, facts) => {
    expect([image.length, facts.size]).toEqual([12, size])
    const value = facts.draws.uniform()
    for (const i of image.keys()) image[i]! += value
  },
})
const double = defineTransform({
  name: 'twice',
  description: 'doubles pixels',
  options: {},
  create: () => image => image.set(image.map(value => 2 * value)),
})
for (const one of [add, double]) transforms.add(one)
const before = [...given]
afterAll(() => expect([...given]).toEqual(before))

/** What images become; (x / 255 − 0) / (1 / 255) leaves pixels as they are. */
async function changed(
  names: readonly string[],
  indices: readonly number[],
  { epoch = 0, seed = 3, flip = 0 } = {},
): Promise<number[][]> {
  const { data } = await imageBatch(split, indices, {
    mean: [0, 0, 0],
    std: [1 / 255, 1 / 255, 1 / 255],
    augmentation: { flip, transforms: names.map(name => ({ name })) },
    seed,
    epoch,
  })
  const values = Array.from(data, Number)
  return indices.map((_, i) => values.slice(12 * i, 12 * (i + 1)))
}

const own = (n: number): number[] => before.slice(12 * n, 12 * (n + 1))

describe('transforms', () => {
  it('draw the same for an image and an epoch, whatever batch it is in', async () => {
    const [all, two, again] = [
      await changed(['add-at-random'], [0, 1, 2]),
      await changed(['add-at-random'], [2, 1]),
      await changed(['add-at-random'], [0, 1, 2], { epoch: 1 }),
    ]
    expect(two).toEqual([all[2], all[1]])
    const added = (images: readonly number[][], n: number): number => images[n]![0]! - own(n)[0]!
    for (const n of [0, 1, 2])
      for (const [i, value] of all[n]!.entries()) expect(value - own(n)[i]!).toBeCloseTo(added(all, n), 4)
    const drawn = [0, 1, 2].flatMap(n => [added(all, n), added(again, n)])
    expect(new Set(drawn.map(value => value.toFixed(4))).size).toBe(6)
    expect(drawn.every(value => value >= 0 && value < 1)).toBe(true)
  })

  it('are applied in their order, each with draws of its own, and before the flip', async () => {
    const close = (values: readonly number[], wanted: readonly number[]): void => {
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(wanted[i]!, 3)
    }
    const [added] = await changed(['add-at-random'], [1])
    const [first] = await changed(['add-at-random', 'twice'], [1])
    close(
      first!,
      added!.map(value => 2 * value),
    )
    const [twice] = await changed(['add-at-random', 'add-at-random'], [1])
    const [one, two] = [added![0]! - own(1)[0]!, twice![0]! - added![0]!]
    expect(Math.abs(one - two)).toBeGreaterThan(1e-3)
    const [flipped] = await changed(['twice'], [1], { flip: 1 })
    const doubled = own(1).map(value => 2 * value)
    close(
      flipped!,
      doubled.map((_, i) => doubled[i % 2 === 0 ? i + 1 : i - 1]!),
    )
  })
})

describe('metrics', () => {
  let seen: Predictions | undefined
  const metric = (name: string, value: unknown) =>
    defineMetric({
      name,
      description: 'for tests',
      format: 'fraction',
      options: { factor: z.number().default(1).describe('a factor') },
      create: options => predictions => {
        seen = predictions
        return typeof value === 'number' ? options.factor * value : (value as number)
      },
    })
  addComponents([
    metric('half', 0.5),
    metric('nan', Number.NaN),
    metric('text', 'x'),
    metric('nothing', undefined),
  ])
  const images = splitOfArrays({ pixels: new Uint8Array(3 * 3 * 4), labels: [1, 0, 1], size: 2 })
  const dataset = datasetOfArrays({
    title: 'three',
    classes: ['a', 'b'],
    train: { pixels: new Uint8Array(3 * 3 * 4), labels: [1, 0, 1], size: 2 },
    test: { pixels: new Uint8Array(3 * 3 * 4), labels: [1, 0, 1], size: 2 },
  })
  /** Logits (0, ln 3) for the first image of a batch, (ln 4, 0) for the others. */
  const program = {
    run: async (feeds: ReadonlyMap<string, { readonly shape: readonly number[] }>) => {
      const count = feeds.get('images')!.shape[0]!
      const rows = Array.from({ length: count }, (_, i) => (i === 0 ? [0, Math.log(3)] : [Math.log(4), 0]))
      const scalar = (value: number) => ({
        dtype: 'float32' as const,
        shape: [],
        data: Float32Array.of(value),
      })
      return new Map<string, object>([
        ['loss', scalar(0.25)],
        ['correct1', scalar(1)],
        ['correct5', scalar(count)],
        ['logits', { dtype: 'float32', shape: [count, 2], data: Float32Array.from(rows.flat()) }],
      ])
    },
  }
  const evaluate = (names: readonly { readonly name: string; readonly factor?: number }[]) =>
    evaluateSplit({
      dataset,
      split: images,
      evaluation: { layers: [] },
      loaded: [program as never],
      batch: 2,
      metrics: names,
    })

  it('are given softmax probabilities in the order of the images, over batches', async () => {
    const result = await evaluate([{ name: 'half' }, { name: 'nan' }])
    expect(result!.measures).toMatchObject({ half: 0.5, nan: null })
    expect([...seen!.labels]).toEqual([1, 0, 1])
    expect(seen!.classes).toEqual(['a', 'b'])
    // e^0 / (e^0 + 3) = 1/4; 4 / 5; the third image is the first of its batch.
    const wanted = [0.25, 0.75, 0.8, 0.2, 0.25, 0.75]
    for (const [i, value] of seen!.probabilities.entries()) expect(value).toBeCloseTo(wanted[i]!, 6)
    expect((await evaluate([{ name: 'half', factor: 0.5 }]))!.measures.half).toBe(0.25)
  })

  it.each([
    ['text', 'to return a number, but got'],
    ['nothing', 'to return a number, but got'],
  ])('that return %s are refused', async (name, message) => {
    await expect(evaluate([{ name }])).rejects.toThrow(`expected the metric "${name}" ${message}`)
  })
})

describe('a configuration', () => {
  addComponents([
    defineDataset({
      name: 'dots',
      description: 'for tests',
      options: {
        count: z.int().min(1).default(8).describe('images'),
        names: z.array(z.string()).default(['a', 'b']).describe('classes'),
      },
      create: () => () => undefined as never,
    }),
    defineNetwork({
      name: 'flat',
      description: 'for tests',
      options: { width: z.int().min(1).default(4).describe('channels') },
      create:
        () =>
        (scope, images, { classes }) => ({
          logits: linear(scope, globalAveragePool(images), classes),
          losses: [],
          stats: [],
        }),
    }),
  ])
  const flat = { network: { name: 'flat' }, moe: [] }

  it('is completed with the options’ defaults', () => {
    const { data, model } = resolveConfig(
      { data: { name: 'dots', options: { count: 3 } }, model: flat },
      'test',
    )
    expect(data.options).toEqual({ count: 3, names: ['a', 'b'] })
    expect(model.network).toEqual({ name: 'flat', width: 4 })
    expect(resolveConfig({ data: { name: 'dots' } }, 'test').data.options).toEqual({
      count: 8,
      names: ['a', 'b'],
    })
  })

  it.each<[string, object, string, string]>([
    [
      'an unknown option',
      { data: { name: 'dots', options: { size: 3 } } },
      'data.options.size',
      'has no option "size"',
    ],
    ['a wrong option', { data: { name: 'dots', options: { count: 0 } } }, 'data.options.count', 'came 0'],
    [
      'options of a built-in data set',
      { data: { options: { count: 3 } } },
      'data.options',
      'sample has no options',
    ],
    [
      'a network with mixtures of the configuration',
      { model: { network: { name: 'flat' }, moe: [{ position: 4 }] } },
      'model.moe',
      'no mixture can be put into it',
    ],
    [
      'a network with a detector',
      { data: { name: 'scenes' }, model: { ...flat, detector: {} } },
      'model.detector',
      'one logit for each class, no boxes',
    ],
    [
      'a network and a part of weights',
      { model: { ...flat, weights: 'x.safetensors', weightsPart: 'features' } },
      'model.weightsPart',
      'nothing is known of its parts',
    ],
    [
      'a network’s wrong option',
      { model: { network: { name: 'flat', width: 0 }, moe: [] } },
      'model.network.width',
      'came 0',
    ],
    [
      'a network that is not known',
      { model: { network: { name: 'flad' }, moe: [] } },
      'model.network',
      'flad',
    ],
    [
      'metrics of a detector',
      {
        data: { name: 'scenes' },
        model: { moe: [], detector: {} },
        training: { metrics: [{ name: 'half' }] },
      },
      'training.metrics',
      'is for classification, but this is',
    ],
    [
      'metrics of several labels an image',
      { data: { name: 'multi-label', directory: 'x' }, training: { metrics: [{ name: 'half' }] } },
      'training.metrics',
      'is for classification, but this is',
    ],
    [
      'early stopping without patience',
      { training: { callbacks: [{ name: 'early-stopping', patience: 0 }] } },
      'training.callbacks.0.patience',
      'came 0',
    ],
  ])('is refused for %s', (_, given, where, message) => {
    let error: unknown
    try {
      resolveConfig(given, 'test')
    } catch (cause) {
      error = cause
    }
    expect(error).toBeInstanceOf(MoietyError)
    const text = (error as MoietyError).describe()
    expect(text).toContain(where)
    expect(text).toContain(message)
  })
})

describe('a data set of a user’s own', () => {
  const arrays = (changes: object) => ({
    pixels: new Uint8Array(2 * 12).fill(9),
    labels: [0, 1],
    size: 2,
    ...changes,
  })
  const whole = { title: 'two', classes: ['a', 'b'], train: arrays({}), test: arrays({}) }
  const opened = async (name: string, value: unknown) => {
    const create = () => () => value as never
    addComponents([defineDataset({ name, description: 'for tests', options: {}, create })])
    return await openDataset({ name: name as 'sample' })
  }

  it('is known by its name, and a channel that is the same everywhere becomes zeros', async () => {
    const dataset = await opened('whole', whole)
    expect(dataset).toMatchObject({ name: 'whole', size: 2, classes: ['a', 'b'], std: [1, 1, 1] })
    const { data } = await imageBatch(dataset.train, [1], {
      ...dataset,
      augmentation: null,
      seed: 0,
      epoch: 0,
    })
    for (const value of data) expect(Number(value)).toBeCloseTo(0, 6)
  })

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'to open as { title, classes, train, test, … }'],
    ['no-classes', { ...whole, classes: [] }, 'to open as'],
    ['no-test', { ...whole, test: undefined }, 'to open as'],
    [
      'few-pixels',
      { ...whole, train: arrays({ pixels: new Uint8Array(5) }) },
      'a Uint8Array of 5 values came',
    ],
    ['no-pixels', { ...whole, test: arrays({ pixels: undefined }) }, 'but none came'],
    ['no-labels', { ...whole, train: arrays({ labels: undefined }) }, 'pixels of undefined images'],
    [
      'no-images',
      { ...whole, train: arrays({ labels: [], pixels: new Uint8Array(0) }) },
      'but there are none',
    ],
    [
      'other-size',
      { ...whole, test: { pixels: new Uint8Array(27), labels: [0], size: 3 } },
      'but those of test are 3×3',
    ],
  ])('that opens as %s is refused', async (name, value, message) => {
    const error: unknown = await opened(name, value).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(MoietyError)
    expect(error).toMatchObject({ kind: 'data' })
    expect((error as MoietyError).message).toContain(message)
  })
})
