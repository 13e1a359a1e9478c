import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import { resolveConfig } from '../config/config.ts'
import { findLearningRate, foundIn, ramp, smooth } from './find-learning-rate.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

describe('the learning rates that are tried', () => {
  it('grow by a factor', () => {
    for (const [i, rate] of [1e-4, 1e-3, 1e-2, 0.1, 1].entries())
      expect(ramp(5, 1e-4, 1)[i]! / rate).toBeCloseTo(1, 12)
  })

  it('have their losses smoothed without a beginning at zero', () => {
    expect(smooth([2, 2, 2])).toEqual([2, 2, 2].map(value => expect.closeTo(value, 12)))
    // (0.9·0.1·1 + 0.1·3) / (1 − 0.81)
    expect(smooth([1, 3])[1]).toBeCloseTo(0.39 / 0.19, 12)
  })

  it('suggest where the loss falls steepest, and a tenth of where it is smallest', () => {
    const rates = ramp(61, 1e-6, 1)
    // Flat, a fall that is steepest in its middle, flat, and a rise.
    const losses = rates.map((_, i) =>
      i < 20 ? 2 : i <= 40 ? 1.5 + 0.5 * Math.cos((Math.PI * (i - 20)) / 20) : i < 50 ? 1 : 1 + (i - 49),
    )
    const { steepest, tenthOfBest, diverged, tried } = foundIn(rates, losses)
    const place = tried.findIndex(({ rate }) => rate === steepest)
    // The mean follows its values a few steps late.
    expect(place).toBeGreaterThanOrEqual(30)
    expect(place).toBeLessThan(38)
    const best = tried.reduce((a, b) => (b.smoothed < a.smoothed ? b : a))
    expect(tenthOfBest).toBe(best.rate / 10)
    expect(diverged).toBe(true)
  })

  it('suggest nothing where the loss only rises', () => {
    const found = foundIn(
      ramp(30, 1e-6, 1),
      Array.from({ length: 30 }, (_, i) => 1 + i / 100),
    )
    expect([found.steepest, found.tenthOfBest, found.diverged]).toEqual([null, null, false])
  })
})

it('a training is tried without writing anything, and gives the same again', async () => {
  const config = resolveConfig(tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 32 }), []), 'test')
  const find = () => findLearningRate({ config, steps: 40, from: 1e-5, to: 3 })
  const found = await find()
  expect(found.tried.length).toBeGreaterThan(15)
  expect(found.steepest).toBeGreaterThan(1e-5)
  expect(found.steepest).toBeLessThan(3)
  expect(await find()).toEqual(found)
})
