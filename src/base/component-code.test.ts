import { describe, expect, it } from 'vitest'
import { withOwner } from './component-code.ts'
import { fail, MoietyError } from './errors.ts'

const source = { file: '/home/me/mine.mjs' }
const owned = <Create extends () => unknown>(create: Create) =>
  withOwner({ component: 'callback', name: 'mine', create }, source)

function refusal(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}
const broken = (): never => {
  throw new TypeError('x is not a function')
}
const facts = {
  kind: 'usage',
  message: 'the callback "mine" failed: x is not a function',
  where: '/home/me/mine.mjs',
  cause: expect.any(TypeError),
}

describe('the code of a component', () => {
  it('is named when it throws: a definition’s function, what it returns, and what that promises', async () => {
    expect(refusal(owned(broken).create)).toMatchObject(facts)
    expect(refusal(owned(() => broken).create())).toMatchObject(facts)
    expect(refusal(owned(() => ({ onStep: broken })).create().onStep)).toMatchObject(facts)
    await expect(owned(() => async () => broken()).create()()).rejects.toMatchObject(facts)
    const program = withOwner({ component: 'dataset', name: 'mine', create: broken }, null)
    expect(refusal(program.create)).toMatchObject({ kind: 'data', where: undefined })
  })

  it('keeps what it is and remembers, of a class or frozen', () => {
    class Counting {
      #count = 0
      readonly name = 'counting'
      step(): void {
        this.#count++
      }
      get count(): number {
        return this.#count
      }
    }
    const counting = owned(() => Object.freeze(new Counting())).create()
    const { step } = counting
    step()
    counting.step()
    expect({ ...counting }).toMatchObject({ name: 'counting', count: 2 })
    const values = owned(() => [1, 2]).create()
    expect(values).toEqual([1, 2])
  })

  it('adds itself to where an error of Moiety’s own says that it is', () => {
    const error = refusal(
      owned(() =>
        fail({ kind: 'data', message: 'expected 3', details: ['  came 4'], where: 'fc', help: 'give 3' }),
      ).create,
    )
    expect(error).toBeInstanceOf(MoietyError)
    expect((error as MoietyError).describe()).toBe(
      'error: expected 3\n  came 4\n  at fc, in the callback "mine" of /home/me/mine.mjs\n  help: give 3',
    )
  })
})
