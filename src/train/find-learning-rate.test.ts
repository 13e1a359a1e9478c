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

  it("suggest fastai's valley, and a tenth of where the loss is smallest", () => {
    // The fall has 60 steps and ends at step 59: 59 − 60 + 20 + 10.
    const rates = ramp(80, 1e-6, 1)
    const losses = rates.map((_, i) => (i < 60 ? 60 - i : 600))
    const { valley, tenthOfBest, diverged, tried } = foundIn(rates, losses)
    expect(tried.findIndex(({ rate }) => rate === valley)).toBe(29)
    expect(tenthOfBest).toBe(rates[59]! / 10)
    expect(diverged).toBe(true)
  })

  it('suggest nothing where the loss only rises', () => {
    const found = foundIn(
      ramp(30, 1e-6, 1),
      Array.from({ length: 30 }, (_, i) => 1 + i / 100),
    )
    expect([found.valley, found.tenthOfBest, found.diverged]).toEqual([null, null, false])
  })
})

it('a training is tried without writing anything, and gives the same again', async () => {
  const config = resolveConfig(tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 32 }), []), 'test')
  const find = () => findLearningRate({ config, steps: 40, from: 1e-5, to: 3 })
  const found = await find()
  expect(found.tried.length).toBeGreaterThan(15)
  expect(found.valley).toBeGreaterThan(1e-5)
  expect(found.valley).toBeLessThan(3)
  expect(await find()).toEqual(found)
})
