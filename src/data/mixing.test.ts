import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor } from '../base/tensor.ts'
import { betaOf } from './beta.ts'
import { drawMixing, mixImages, mixLabels } from './mixing.ts'

describe('Beta(alpha, alpha)', () => {
  it.each([0.2, 1, 4])('of alpha %d has the mean ½ and the variance 1 / (4 (2 alpha + 1))', alpha => {
    const source = draws(1, 'beta')
    const values = Array.from({ length: 20_000 }, () => betaOf(alpha, source))
    const mean = values.reduce((a, b) => a + b) / values.length
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length
    expect(mean).toBeCloseTo(0.5, 1)
    expect(variance / (1 / (4 * (2 * alpha + 1)))).toBeCloseTo(1, 1)
  })

  it('is a number also for an alpha of which Gamma is 0 in every digit', () => {
    const source = draws(1, 'beta')
    for (let i = 0; i < 200; i++) {
      const value = betaOf(0.001, source)
      expect(value >= 0 && value <= 1).toBe(true)
    }
  })
})

/** Images [3, 1, 4, 4] of one value each. */
const images = floats(
  [3, 1, 4, 4],
  [1, 10, 100].flatMap(value => Array<number>(16).fill(value)),
)
const labels: HostTensor = { dtype: 'int64', shape: [3], data: BigInt64Array.of(5n, 6n, 7n) }

describe('mixup', () => {
  it('blends each image with the one before it, as torchvision rolls them', () => {
    const { data } = mixImages(images, { share: 0.75, area: undefined })
    expect([data[0], data[16], data[32]]).toEqual([0.75 + 25, 7.5 + 0.25, 75 + 2.5])
  })

  it('gives the larger share to the first label, whichever image that is of', () => {
    const { labels: first, others, shares } = mixLabels(labels, { share: 0.75 })
    expect([...(first.data as BigInt64Array)]).toEqual([5n, 6n, 7n])
    expect([...(others.data as BigInt64Array)]).toEqual([7n, 5n, 6n])
    expect([...shares.data]).toEqual([0.75, 0.75, 0.75])
    const turned = mixLabels(labels, { share: 0.25 })
    expect([turned.labels, turned.others, turned.shares]).toEqual([others, first, shares])
  })

  it('mixes the labels of an image as a row, where it has several', () => {
    const rows: HostTensor = { dtype: 'int64', shape: [3, 2], data: BigInt64Array.of(1n, 0n, 0n, 0n, 1n, 1n) }
    const { labels: first, others, shares } = mixLabels(rows, { share: 0.25 })
    expect([...(first.data as BigInt64Array)]).toEqual([1n, 1n, 1n, 0n, 0n, 0n])
    expect([others.data, others.shape, [...shares.data]]).toEqual([rows.data, [3, 2], [0.75, 0.75, 0.75]])
  })
})

describe('CutMix', () => {
  it('takes a rectangle of the image before', () => {
    const area = { top: 1, bottom: 3, left: 2, right: 4 }
    const { data } = mixImages(images, { share: 0.75, area })
    expect([...data.slice(16, 32)]).toEqual([
      ...[10, 10, 10, 10],
      ...[10, 10, 1, 1],
      ...[10, 10, 1, 1],
      ...[10, 10, 10, 10],
    ])
  })

  it('counts the pixels that are left, and cuts rectangles off at the edges', () => {
    let [cut, total] = [0, 0]
    for (let seed = 0; seed < 500; seed++) {
      const { share, area } = drawMixing({ cutmix: { alpha: 1 } }, 32, draws(seed, 'mix'))
      const { top, bottom, left, right } = area!
      for (const edge of [top, bottom, left, right]) expect(edge >= 0 && edge <= 32).toBe(true)
      expect(share).toBeCloseTo(1 - ((bottom - top) * (right - left)) / 1024, 12)
      // Before it is cut off a rectangle has even sides, and both are as long.
      if (top > 0 && bottom < 32 && left > 0 && right < 32) expect(bottom - top).toBe(right - left)
      else cut++
      total += share
    }
    expect(cut).toBeGreaterThan(100)
    expect(total / 500).toBeGreaterThan(0.5)
  })

  it('is drawn as often as mixup where there are both', () => {
    const kinds = Array.from(
      { length: 400 },
      (_, seed) => drawMixing({ mixup: { alpha: 1 }, cutmix: { alpha: 1 } }, 8, draws(seed, 'mix')).area,
    )
    expect(kinds.filter(area => area === undefined).length / 400).toBeCloseTo(0.5, 1)
  })
})
