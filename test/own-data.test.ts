import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { resolveConfig } from '../src/config/config.ts'
import { type DetectionDataset, defineDataset, type MultiLabelDataset } from '../src/data/index.ts'
import { defineMetric } from '../src/metrics/metric.ts'
import { evaluateRun, openTask } from '../src/tasks/index.ts'
import { addComponents, train } from '../src/train/index.ts'
import { newFolder } from './tiny.ts'

/** Data sets and metrics of a user's own for tasks other than classification: opened, limited, trained on and measured. */

const size = 32

/** Images whose pixels are all their number, so that what is loaded says which image it is. */
const pixels = (count: number): Uint8Array =>
  Uint8Array.from({ length: count * 3 * size * size }, (_, i) => Math.floor(i / (3 * size * size)))

const labels = (count: number): number[][] =>
  Array.from({ length: count }, (_, n) => (n % 4 === 3 ? [] : n % 4 === 2 ? [0, 1] : [n % 4]))

const scenesOf = (count: number) =>
  Array.from({ length: count }, (_, n) => [
    { box: [2, 3, 16, 12] as const, label: n % 2 },
    ...(n % 2 === 0 ? [] : [{ box: [10, 10, 20, 20] as const, label: 0 }]),
  ])

const options = { count: z.int().min(1).default(12).describe('images to train on') }

const tags = defineDataset({
  name: 'tags',
  description: 'images with tags',
  task: 'multi-label',
  options,
  create:
    ({ count }) =>
    () => ({
      title: `${count} tagged images`,
      classes: ['first', 'second'],
      train: { pixels: pixels(count), size, labels: labels(count) },
      test: { pixels: pixels(8), size, labels: labels(8) },
    }),
})

const parts = defineDataset({
  name: 'parts',
  description: 'images with parts',
  task: 'detection',
  options,
  create:
    ({ count }) =>
    () => ({
      title: `${count} images of parts`,
      classes: ['nut', 'bolt'],
      train: { pixels: pixels(count), size, objects: scenesOf(count) },
      test: { pixels: pixels(4), size, objects: scenesOf(4) },
    }),
})

const shown = defineMetric({
  name: 'shown',
  description: 'labels an image has, on average',
  task: 'multi-label',
  format: 'fraction',
  options: {},
  create:
    () =>
    ({ targets, probabilities, classes }) => {
      expect(probabilities.length).toBe(targets.length)
      return targets.reduce((sum, one) => sum + one, 0) / (targets.length / classes.length)
    },
})

const objects = defineMetric({
  name: 'objects',
  description: 'objects an image has, on average',
  task: 'detection',
  format: 'fraction',
  options: {},
  create:
    () =>
    ({ images, classes }) => {
      expect(classes).toEqual(['nut', 'bolt'])
      expect(
        images.every(({ found }) => found.every(({ score }, i) => i === 0 || score <= found[i - 1]!.score)),
      ).toBe(true)
      return images.reduce((sum, one) => sum + one.objects.length, 0) / images.length
    },
})

const broken = defineDataset({
  name: 'broken-parts',
  description: 'a box that leaves its image',
  task: 'detection',
  options: {},
  create: () => () => {
    const train = { pixels: pixels(1), size, objects: [[{ box: [20, 0, 20, 5] as const, label: 0 }]] }
    return { title: 'broken', classes: ['nut'], train, test: train }
  },
})

addComponents([tags, parts, shown, objects, broken])

const moe = [{ position: 4, experts: 3, k: 2, style: 'conv', constraint: { name: 'importance' } }]
const training = { epochs: 2, batch: 4 }
const multiLabel = {
  data: { name: 'tags' },
  model: { width: 4, moe },
  training: { ...training, metrics: [{ name: 'shown' }] },
}
const detection = {
  data: { name: 'parts' },
  augmentation: { flip: 0.5 },
  model: { width: 4, detector: { channels: 8, headDepth: 1 }, moe },
  training: { ...training, metrics: [{ name: 'objects' }] },
}

describe('a data set of a user’s own with several labels an image', () => {
  it('opens with its targets, and within limits', async () => {
    const config = resolveConfig({ ...multiLabel, data: { name: 'tags', limit: { train: 3 } } }, 'test')
    const task = await openTask(config)
    expect([task.kind.name, task.data.title]).toEqual([
      'multi-label',
      '12 tagged images, of which 3 training and 8 test images are used',
    ])
    const data = task.data as MultiLabelDataset
    // Classes take turns: 0 has image 0, 1 has image 1, and image 3 has none.
    expect([...data.train.targets]).toEqual([1, 0, 0, 1, 0, 0])
    expect([...(await data.train.load([2])).subarray(0, 2)]).toEqual([3, 3])
    expect([...data.test.targets]).toEqual([1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0])
  })

  it('is trained on and measured', async () => {
    const run = join(newFolder(), 'run')
    const summary = await train({
      config: resolveConfig(multiLabel, 'test'),
      run,
      recipe: 'tags',
      resume: false,
    })
    // Of each four images one has no label, two have one, and one has both.
    expect(summary.measures).toMatchObject({ shown: 1, mAP: expect.any(Number) })
    expect((await evaluateRun({ run })).measures).toEqual(summary.measures)
  })
})

describe('a data set of a user’s own with boxes', () => {
  it('opens with its objects, and within limits', async () => {
    const config = resolveConfig(
      { ...detection, data: { name: 'parts', limit: { train: 2, test: 3 } } },
      'test',
    )
    const task = await openTask(config)
    expect([task.kind.name, task.data.title]).toEqual([
      'detection',
      '12 images of parts, of which 2 training and 3 test images are used',
    ])
    const data = task.data as DetectionDataset
    expect(data.canvases).toEqual([[32, 32]])
    expect(
      data.train.scenes.map(one => one.objects.map(({ box, label, area }) => [box, label, area])),
    ).toEqual([
      [[[2, 3, 16, 12], 0, 192]],
      [
        [[2, 3, 16, 12], 1, 192],
        [[10, 10, 20, 20], 0, 400],
      ],
    ])
    const [last] = await data.test.load([2])
    expect([last?.width, last?.height, last?.pixels[0]]).toEqual([32, 32, 2])
  })

  it('is trained on and measured', async () => {
    const run = join(newFolder(), 'run')
    const summary = await train({
      config: resolveConfig(detection, 'test'),
      run,
      recipe: 'parts',
      resume: false,
    })
    expect(summary.measures).toMatchObject({ objects: 1.5, AP: expect.any(Number) })
    expect((await evaluateRun({ run })).measures).toEqual(summary.measures)
  })

  it('is refused with the place of a box that leaves its image', async () => {
    const config = resolveConfig({ ...detection, data: { name: 'broken-parts' }, training }, 'test')
    await expect(openTask(config)).rejects.toThrow(
      'expected a box within 32×32 pixels, but [20, 0, 20, 5] came',
    )
  })
})

describe('configurations', () => {
  it.each([
    [
      { ...multiLabel, training: { metrics: [{ name: 'objects' }] } },
      'for detection, but this is multi-label',
    ],
    [{ training: { metrics: [{ name: 'shown' }] } }, 'for multi-label, but this is classification'],
    [{ ...multiLabel, data: { name: 'parts' } }, 'parts has boxes and no single class an image'],
    [{ ...detection, data: { name: 'tags' } }, 'a detector learns from boxes, and tags has none'],
  ])('refuse data and metrics of another task: %#', (given, message) => {
    expect(() => resolveConfig(given, 'test')).toThrow(message)
  })

  it('refuse a definition of no known task', () => {
    // @ts-expect-error: as from JavaScript
    const define = () => defineDataset({ ...tags, options: {}, task: 'segmentation' })
    expect(define).toThrow(
      'expected a task, one of classification, multi-label, detection, came "segmentation"',
    )
  })
})
