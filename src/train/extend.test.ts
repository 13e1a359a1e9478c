import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../config/config.ts'
import { configurationIdentity } from '../tasks/open-run.ts'
import { extendedPlan } from './extend.ts'

const config = (schedule: object, epochs: number) =>
  resolveConfig({ schedule, training: { epochs }, optimizer: { name: 'sgd', learningRate: 0.1 } }, 'test')
const begun = { epochs: 2, extensions: [] }
const at = { step: 10, stepsPerEpoch: 10 }

describe('the plan of a training that is resumed', () => {
  it.each(['one-cycle', 'cosine'])('of more epochs with %s, remembers the shorter one', name => {
    expect(extendedPlan(begun, config({ name }, 4), at)).toEqual({
      epochs: 4,
      extensions: [{ epochs: 2, until: 10 }],
    })
  })

  it.each([
    ['as many epochs', { name: 'one-cycle' }, 2],
    ['rates that do not follow the end', { name: 'constant' }, 4],
  ])('is one plan with %s', (_what, schedule, epochs) => {
    expect(extendedPlan(begun, config(schedule, epochs), at)).toEqual({ epochs, extensions: [] })
  })

  it('is one plan before the first step', () => {
    const plan = extendedPlan(begun, config({ name: 'one-cycle' }, 4), { ...at, step: 0 })
    expect(plan.extensions).toEqual([])
  })

  it('remembers every plan, but one that no step followed', () => {
    const once = extendedPlan(begun, config({ name: 'cosine' }, 4), at)
    expect(extendedPlan(once, config({ name: 'cosine' }, 6), at).extensions).toEqual(once.extensions)
    expect(extendedPlan(once, config({ name: 'cosine' }, 6), { ...at, step: 15 }).extensions).toEqual([
      { epochs: 2, until: 10 },
      { epochs: 4, until: 15 },
    ])
  })

  it('makes another configuration for comparisons than one that had its length from the beginning', () => {
    const four = config({ name: 'one-cycle' }, 4)
    expect(configurationIdentity(four, [{ epochs: 2, until: 10 }])).not.toBe(configurationIdentity(four))
    expect(configurationIdentity(four, [])).toBe(configurationIdentity(four))
  })
})
