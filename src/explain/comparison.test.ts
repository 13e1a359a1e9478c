import { describe, expect, it } from 'vitest'
import { type ComparedRun, groupsOf, kindOf, spreadOf } from './comparison.ts'
import { nearest } from './neighbours.ts'

describe('runs side by side', () => {
  const plain: ComparedRun = {
    run: 'a',
    recipe: null,
    seed: 1,
    step: 10,
    images: 100,
    top1: 0.5,
    top5: 0.8,
    parameters: 100,
    activeParameters: 100,
    seconds: 60,
    layers: [],
  }

  it('are grouped where nothing but the seed differs', () => {
    const groups = groupsOf([
      plain,
      { ...plain, run: 'wide', parameters: 400 },
      { ...plain, run: 'b', seed: 2, top1: 0.6 },
    ])
    expect(groups.map(({ runs }) => runs.map(({ run }) => run))).toEqual([['a', 'b'], ['wide']])
    expect(groups[0]!.top1.mean).toBeCloseTo(0.55, 12)
    expect(groups[0]!.top1.deviation).toBeCloseTo(Math.SQRT1_2 * 0.1, 12)
    expect(groups[1]!.top1.deviation).toBeNull()
  })

  it('have the sample’s standard deviation', () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: Math.sqrt(5 / 3) })
  })

  it('are soft, hard or neither as the paper calls it', () => {
    expect(['none', 'importance', 'kl', 'relative', 'mean', 'loss-free'].map(kindOf)).toEqual([
      'none',
      'soft',
      'soft',
      'hard',
      'hard',
      'other',
    ])
  })
})

describe('the nearest images on the same route', () => {
  const among = {
    images: 4,
    channels: 2,
    features: Float32Array.of(1, 0, 1, 0.1, 0, 1, 0, 0),
    routes: [{ experts: 2, chosen: Uint8Array.of(0, 1, 1, 0, 1, 0, 1, 0) }],
  }
  const to = { features: Float32Array.of(2, 0), routes: [Uint8Array.of(1, 0)] }

  it('come before nearer ones that other experts computed', () => {
    const found = nearest(to, among, 4)
    expect(found.map(({ image, sharedLayers }) => [image, sharedLayers])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [0, 0],
    ])
    expect(found[0]!.similarity).toBeCloseTo(1 / Math.sqrt(1.01), 6)
    expect(found[3]!.similarity).toBeCloseTo(1, 6)
  })

  it('are as many as asked for, and an image without features is like none', () => {
    expect(nearest(to, among, 2).length).toBe(2)
    expect(nearest(to, among, 3)[2]).toEqual({ image: 3, similarity: 0, sharedLayers: 1 })
  })
})
