import { describe, expect, it } from 'vitest'
import {
  goldenLogits,
  lossAtImportance,
  type RoutedStep,
  routingSteps,
  vector,
} from '../../../test/routing-steps.ts'
import { log, mean, mul, softmax, sum } from '../../graph/index.ts'
import {
  type Constraint,
  entropy,
  importance,
  kl,
  meanImportance,
  none,
  relative,
  switchLoss,
  zLoss,
} from './index.ts'

/** METHOD.md §8.3, value by value: three images, E = 4, K = 2, no noise. */
const shape = { images: 3, experts: 4, k: 2 }

function expectRows(got: readonly (readonly number[])[], wanted: readonly (readonly number[])[], digits = 6) {
  expect(got.length).toBe(wanted.length)
  for (const [i, row] of wanted.entries()) expectVector(got[i]!, row, digits)
}

/** Agreement to half a unit of the last printed digit. */
function expectVector(got: readonly number[], wanted: readonly number[], digits = 6) {
  expect(got.length).toBe(wanted.length)
  for (const [i, value] of wanted.entries()) expect(got[i]).toBeCloseTo(value, digits)
}

const firstStep = (constraint: Constraint): RoutedStep =>
  routingSteps(constraint, shape).run([goldenLogits])[0]!

describe('routing without a constraint', () => {
  it('weighs the two largest logits of each image by their softmax', () => {
    const { weights, importance: total } = firstStep(none())
    expectRows(weights, [
      [0.622459, 0.377541, 0, 0],
      [0, 0.622459, 0.377541, 0],
      [0, 0, 0.450166, 0.549834],
    ])
    expectVector(total, [0.622459, 1, 0.827707, 0.549834])
  })
})

describe('soft constraints', () => {
  it('importance has the worked value and gradient', () => {
    const { loss, gradient } = firstStep(importance({ weight: 1 }))
    expect(loss).toBeCloseTo(0.073998, 6)
    expectRows(
      gradient,
      [
        [-0.10515, 0.10515, 0, 0],
        [0, 0.04799, -0.04799, 0],
        [0, 0, 0.08151, -0.08151],
      ],
      5,
    )
  })

  it('KL has the worked value and gradient', () => {
    const { loss, gradient } = firstStep(kl({ weight: 1 }))
    expect(loss).toBeCloseTo(0.02752, 6)
    expectRows(
      gradient,
      [
        [-0.03714, 0.03714, 0, 0],
        [0, 0.01481, -0.01481, 0],
        [0, 0, 0.03375, -0.03375],
      ],
      5,
    )
  })

  it.each([
    ['importance', importance],
    ['kl', kl],
    ['switch', switchLoss],
    ['entropy', entropy],
    ['z-loss', zLoss],
  ] as const)('%s is multiplied by its weight, value and gradient', (_name, make) => {
    const [one, other] = [firstStep(make({ weight: 1 })), firstStep(make({ weight: 0.25 }))]
    expect(other.loss).toBeCloseTo(one.loss / 4, 14)
    expectRows(
      other.gradient,
      one.gradient.map(row => row.map(value => value / 4)),
      14,
    )
  })

  it.each([
    [[4, 0, 0, 0], 4, Math.log(4)],
    [[2, 0, 0, 0, 0, 0, 0, 0, 0, 0], 10, Math.LN10],
    [[3, 3, 0, 0], 1.3333, Math.LN2],
    [[0, 0, 5, 0, 0, 0, 0, 5, 0, 0], 4.4444, Math.log(5)],
  ])('at the extreme importance %j, CV² is %d and KL %d', (usage, variation, divergence) => {
    expect(lossAtImportance(importance({ weight: 1 }), usage).loss).toBeCloseTo(variation, 4)
    expect(lossAtImportance(kl({ weight: 1 }), usage).loss).toBeCloseTo(divergence, 6)
  })
})

describe('losses beyond the paper', () => {
  it('switch has the worked value', () => {
    expect(firstStep(switchLoss({ weight: 1 })).loss).toBeCloseTo(-0.0183, 4)
  })

  it('entropy has the worked value: minus the mutual information of image and expert', () => {
    expect(firstStep(entropy({ weight: 1 })).loss).toBeCloseTo(-0.186179, 6)
  })

  it('the z-loss has the worked value', () => {
    expect(firstStep(zLoss({ weight: 1 })).loss).toBeCloseTo(4.482775, 6)
  })

  it('column entropy, written as a constraint of its own, has the worked value', () => {
    const columnEntropy: Constraint = {
      name: 'column-entropy',
      noise: false,
      loss: ({ logits }) => {
        const average = mean(softmax(logits), [0])
        return sum(mul(average, log(average)))
      },
    }
    expect(firstStep(columnEntropy).loss).toBeCloseTo(-1.375371, 6)
  })
})

describe('relative importance, m = 0.5, the same logits in each step', () => {
  const steps = routingSteps(relative({ threshold: 0.5 }), shape).run([
    goldenLogits,
    goldenLogits,
    goldenLogits,
  ])
  const counters = (i: number): number[] => [...steps[i]!.counters.get('r')!.data]

  it('adds up relative importance and excludes nobody in the first two steps', () => {
    expectVector(counters(0), [-0.170054, 0.333333, 0.103609, -0.266888])
    expectVector(counters(1), [-0.340108, 0.666667, 0.207218, -0.533776])
    for (const i of [0, 1]) expect(steps[i]!.excluded).toEqual([0, 0, 0, 0])
  })

  it('excludes expert 1 in the third step, whose images go elsewhere', () => {
    expect(steps[2]!.excluded).toEqual([0, 1, 0, 0])
    expectRows(steps[2]!.weights, [
      [0.71095, 0, 0, 0.28905],
      [0.231475, 0, 0.768525, 0],
      [0, 0, 0.450166, 0.549834],
    ])
    expectVector(steps[2]!.importance, [0.942425, 0, 1.218691, 0.838884])
    expectVector(counters(2), [-0.083542, -0.333333, 0.832139, -0.415263])
  })

  it('has no loss', () => {
    expect(steps.map(step => step.loss)).toEqual([0, 0, 0])
  })

  it('with three of four excluded, gives the fourth the whole weight of every image', () => {
    const routed = routingSteps(relative({ threshold: 0.5 }), shape)
    const { weights, excluded } = routed.step(goldenLogits, new Map([['r', vector([0.6, 0.7, -1.9, 0.6])]]))
    expect(excluded).toEqual([1, 1, 0, 1])
    expect(weights).toEqual([
      [0, 0, 1, 0],
      [0, 0, 1, 0],
      [0, 0, 1, 0],
    ])
  })
})

describe('mean importance', () => {
  it.each([0.3, 0.1])('at m = %d keeps the shares of the first step and excludes nobody', threshold => {
    const [first, second] = routingSteps(meanImportance({ threshold }), shape).run([
      goldenLogits,
      goldenLogits,
    ])
    expectVector([...first!.counters.get('a')!.data], [0.207486, 0.333333, 0.275902, 0.183278])
    expect([...first!.counters.get('t')!.data]).toEqual([1])
    expect([first!.excluded, second!.excluded]).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ])
    expectVector([...second!.counters.get('a')!.data], [0.207486, 0.333333, 0.275902, 0.183278])
  })
})
