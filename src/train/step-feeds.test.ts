import { expect, it } from 'vitest'
import { floats, scalar } from '../base/tensor.ts'
import { passFeeds, stepFeeds } from './step-feeds.ts'

const noise = [
  { name: 'gate.noise', shape: [2, 3], distribution: 'normal' },
  { name: 'dropout.noise', shape: [4], distribution: 'uniform' },
] as const
const moment = { step: 7, epoch: 2, rate: 0.125 }
const batch = new Map([['images', floats([1], [5])]])

it('a step is fed its batch, the learning rate, noise, and the epoch where it asks for it', () => {
  const feeds = stepFeeds({ noise, needsEpoch: true }, batch, moment, 3)
  expect([...feeds.keys()].sort()).toEqual(['dropout.noise', 'epoch', 'gate.noise', 'images', 'learningRate'])
  expect(feeds.get('images')).toBe(batch.get('images'))
  expect(feeds.get('learningRate')).toEqual(scalar(0.125))
  expect(feeds.get('epoch')).toEqual(scalar(2))
  expect(feeds.get('gate.noise')).toMatchObject({ dtype: 'float32', shape: [2, 3] })
  for (const value of feeds.get('dropout.noise')!.data) {
    expect(Number(value)).toBeGreaterThanOrEqual(0)
    expect(Number(value)).toBeLessThanOrEqual(1)
  }
  expect(stepFeeds({ noise, needsEpoch: false }, batch, moment, 3).has('epoch')).toBe(false)
  expect([...batch.keys()]).toEqual(['images'])
})

it('noise is a function of seed, layer, step and part, not of the epoch', () => {
  const noiseOf = (seed: number, step: number, part: number, epoch = 2) =>
    String(
      passFeeds({ noise, needsEpoch: false }, batch, { ...moment, step, epoch }, seed, part).get(
        'gate.noise',
      )!.data,
    )
  expect(noiseOf(3, 7, 0, 9)).toBe(noiseOf(3, 7, 0))
  expect(new Set([noiseOf(3, 7, 0), noiseOf(4, 7, 0), noiseOf(3, 8, 0), noiseOf(3, 7, 1)]).size).toBe(4)
})
