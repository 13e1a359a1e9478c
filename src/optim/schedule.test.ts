import { describe, expect, it } from 'vitest'
import { type Config, resolveConfig } from '../config/config.ts'
import { scheduleAt } from './schedule.ts'

/** The rates of every step of a training, from a configuration as a person writes it. */
function rates(schedule: object, learningRate: number, stepsPerEpoch: number, epochs: number): number[] {
  const config: Config = resolveConfig(
    { schedule, optimizer: { name: 'adam', learningRate }, training: { epochs } },
    'test',
  )
  return Array.from({ length: stepsPerEpoch * epochs }, (_, step) =>
    scheduleAt(config.schedule, config.optimizer, { step, stepsPerEpoch, epochs }),
  )
}

const near = (values: readonly number[], expected: readonly number[]) => {
  expect(values).toHaveLength(expected.length)
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 12)
}

describe('scheduleAt', () => {
  it('keeps a constant rate constant', () => {
    near(rates({ name: 'constant' }, 0.1, 2, 2), [0.1, 0.1, 0.1, 0.1])
  })

  it('lowers the rate in the first step of each milestone', () => {
    near(
      rates({ name: 'step', milestones: [1, 3], factor: 0.1 }, 1e-3, 2, 4),
      [1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5],
    )
  })

  it("has the paper's rates: 1e-3 up to epoch 80, 1e-4 below 120, then 1e-5", () => {
    const byEpoch = rates({ name: 'step', milestones: [81, 120] }, 1e-3, 1, 150)
    near([byEpoch[0]!, byEpoch[80]!, byEpoch[81]!, byEpoch[119]!], [1e-3, 1e-3, 1e-4, 1e-4])
    near([byEpoch[120]!, byEpoch[149]!], [1e-5, 1e-5])
  })

  it("has the paper's warm-ups of convolutional gates, constant within an epoch", () => {
    const soft = rates(
      { name: 'step', milestones: [81, 120], warmup: { epochs: 20, from: 1e-5, by: 'epoch' } },
      1e-3,
      3,
      150,
    )
    const hard = rates(
      { name: 'step', milestones: [81, 120], warmup: { epochs: 20, from: 4.5e-5, to: 9.45e-4, by: 'epoch' } },
      1e-3,
      3,
      150,
    )
    for (let epoch = 0; epoch < 20; epoch++) {
      for (const step of [3 * epoch, 3 * epoch + 2]) {
        expect(soft[step]).toBeCloseTo(1e-5 + 4.95e-5 * epoch, 15)
        expect(hard[step]).toBeCloseTo(4.5e-5 * (epoch + 1), 15)
      }
    }
    expect([soft[60], hard[60]]).toEqual([1e-3, 1e-3])
  })

  it('falls along half a cosine', () => {
    // (1 + cos(πp))/2 at p = 0, 1/4, 1/2, 3/4 is 1, (2+√2)/4, 1/2, (2−√2)/4.
    const root = Math.SQRT2
    near(rates({ name: 'cosine', final: 0.2 }, 1, 2, 2), [
      1,
      0.2 + 0.8 * ((2 + root) / 4),
      0.6,
      0.2 + 0.8 * ((2 - root) / 4),
    ])
  })

  it('starts the cosine after the warm-up and ends it with the training', () => {
    near(rates({ name: 'cosine', warmup: { epochs: 1, from: 0.1 } }, 0.5, 4, 2), [
      0.1,
      0.2,
      0.3,
      0.4,
      0.5,
      0.5 * ((2 + Math.SQRT2) / 4),
      0.25,
      0.5 * ((2 - Math.SQRT2) / 4),
    ])
  })

  it('rises to the peak and falls to the last rate as one cycle', () => {
    // 20 steps: the rise ends at 0.3·20 − 1 = 5, the fall at 19; its middle is step 12.
    const cycle = rates({ name: 'one-cycle', warmFraction: 0.3, div: 25, finalDiv: 1e4 }, 0.4, 4, 5)
    expect(cycle[0]).toBeCloseTo(0.016, 12)
    expect(cycle[5]).toBeCloseTo(0.4, 12)
    expect(cycle[12]).toBeCloseTo((0.4 + 1.6e-6) / 2, 12)
    expect(cycle[19]).toBeCloseTo(1.6e-6, 12)
    expect(Math.max(...cycle)).toBe(cycle[5])
  })

  it('is finite and positive in one-cycle trainings of every short length', () => {
    for (const warmFraction of [0.25, 0.3, 0.5, 0.9])
      for (let steps = 1; steps <= 12; steps++)
        for (const rate of rates({ name: 'one-cycle', warmFraction }, 0.4, steps, 1)) {
          expect(rate).toBeGreaterThan(0)
          expect(rate).toBeLessThanOrEqual(0.4)
        }
  })
})
