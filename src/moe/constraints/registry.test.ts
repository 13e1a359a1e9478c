import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { MoietyError } from '../../base/errors.ts'
import { constraints, defineConstraint, importance, kl } from './index.ts'

const kinds = {
  none: 'none',
  importance: 'soft',
  kl: 'soft',
  relative: 'hard',
  mean: 'hard',
  load: 'soft',
  switch: 'soft',
  entropy: 'soft',
  'z-loss': 'other',
  'loss-free': 'other',
  'mutual-information': 'soft',
}

const refusal = (act: () => unknown): MoietyError => {
  try {
    act()
  } catch (error) {
    if (error instanceof MoietyError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('the constraints', () => {
  it('are known by name, each with what METHOD.md calls it', () => {
    expect(Object.fromEntries(constraints.builtIn.map(({ name, kind }) => [name, kind]))).toEqual(kinds)
  })

  it('build themselves with the name and the noise of their definition', () => {
    for (const { name, noise, create } of constraints.builtIn) expect(create()).toMatchObject({ name, noise })
  })

  it('refuse an unknown name with the nearest one', () => {
    expect(refusal(() => constraints.get('importence'))).toMatchObject({
      kind: 'usage',
      message: 'there is no constraint "importence"',
      help: 'did you mean importance?',
    })
  })
})

describe('options in code', () => {
  it('must be in their range and known', () => {
    expect(refusal(() => kl({ weight: -1 }))).toMatchObject({
      message: 'expected a number from 0 to 1000000, but got -1',
      where: 'weight of the constraint "kl"',
    })
    expect(refusal(() => importance({ wait: 1 } as object)).message).toBe(
      'the constraint "importance" has no option "wait"',
    )
  })
})

describe('a definition', () => {
  const whole = {
    name: 'own',
    description: 'mine',
    kind: 'soft',
    noise: true,
    options: {},
    create: () => ({}),
  }
  it.each<[string, object, string]>([
    ['no name', { name: undefined }, 'a name of small letters, digits and hyphens, came nothing'],
    ['a name with capitals', { name: 'Own' }, 'came "Own"'],
    ['no description', { description: '' }, 'expected a description'],
    ['no options', { options: null }, 'expected options'],
    ['an option that is no schema', { options: { size: 3 } }, 'a zod 4 schema in options.size, came 3'],
    ['a key that all have', { options: { lift: z.number() } }, 'came "lift"'],
    ['nothing that creates it', { create: 'later' }, 'a function in create, came "later"'],
  ])('with %s is refused', (_, wrong, message) => {
    const error = refusal(() => defineConstraint({ ...whole, ...wrong } as never))
    expect(error.message).toContain(message)
    expect(error.kind).toBe('usage')
  })
})
