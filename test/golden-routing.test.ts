import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { floats, type HostTensor } from '../src/base/tensor.ts'
import { asFloat, Graph, gradients, lower, type Tensor, zerosLike } from '../src/graph/index.ts'
import type { Constraint } from '../src/moe/index.ts'
import { importance, kl, meanImportance, relative, route } from '../src/moe/index.ts'
import { describeRouting } from '../src/moe/routing.ts'
import { Engine } from '../src/runtime/index.ts'
import { expectClose, goldenFolder } from './golden.ts'

/** Routing of sixteen settings over eight steps against an independent float64 implementation. */
interface Step {
  readonly logits: readonly (readonly number[])[]
  readonly excluded: readonly number[]
  readonly weights: readonly (readonly number[])[]
  readonly importance: readonly number[]
  readonly aux: number
  readonly aux_grad_logits?: readonly (readonly number[])[]
  readonly state_after?: readonly number[]
}

interface Case {
  readonly experts: number
  readonly k: number
  readonly constraint: 'importance' | 'kl' | 'relative' | 'mean'
  readonly coefficient: number
  readonly steps: readonly Step[]
}

const makers: Record<Case['constraint'], (coefficient: number) => Constraint> = {
  importance: weight => importance({ weight }),
  kl: weight => kl({ weight }),
  relative: threshold => relative({ threshold }),
  mean: threshold => meanImportance({ threshold }),
}

const cases = JSON.parse(readFileSync(join(goldenFolder, 'routing.json'), 'utf8')) as Case[]

describe('routing over steps', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  it('has settings to compare with', () => {
    expect(cases.length).toBeGreaterThanOrEqual(16)
  })

  it.each(cases.map(item => [`E=${item.experts} K=${item.k} ${item.constraint}`, item] as const))(
    '%s agrees with the independent implementation',
    async (_name, { experts, k, constraint: name, coefficient, steps }) => {
      const constraint = makers[name](coefficient)
      const graph = new Graph()
      const logits = graph.input('logits', 'float32', [steps[0]!.logits.length, experts])
      const initial = constraint.init?.(experts) ?? {}
      const counters = Object.fromEntries(
        Object.entries(initial).map(([key, value]) => [key, graph.input(key, 'float32', value.shape)]),
      )
      const excluded = constraint.excluded?.(counters)
      const weights = route(logits, { k, weighting: 'softmax-after-top-k', excluded })
      const routing = describeRouting(weights, logits, logits, undefined, k)
      const aux = constraint.loss?.(routing, { labels: undefined })
      const outputs = new Map<string, Tensor>([
        ['weights', weights],
        ['importance', routing.importance],
        ['excluded', excluded === undefined ? zerosLike(routing.importance) : asFloat(excluded)],
      ])
      if (aux !== undefined) {
        outputs.set('aux', aux)
        outputs.set('gradient', gradients(aux, [logits])[0]!)
      }
      for (const [key, value] of Object.entries(constraint.update?.(counters, routing) ?? {})) {
        outputs.set(`next ${key}`, value)
      }
      const program = await engine.load(lower(outputs))

      let state = new Map<string, HostTensor>(Object.entries(initial))
      for (const [i, step] of steps.entries()) {
        const fed = floats([step.logits.length, experts], step.logits.flat())
        const results = await program.run(new Map([['logits', fed], ...state]))
        const check = (output: string, expected: readonly number[]): void =>
          expectClose(results.get(output)!, expected, 1e-5, `${output} of step ${i}`)
        check('excluded', step.excluded)
        check('weights', step.weights.flat())
        check('importance', step.importance)
        if (aux === undefined) {
          expect(step.aux).toBe(0)
        } else {
          check('aux', [step.aux])
          const expected = step.aux_grad_logits!.flat()
          const largest = Math.max(...expected.map(Math.abs))
          // Where the loss is flat the gradient is rounding noise around 0.
          if (largest > 1e-6) check('gradient', expected)
          else
            for (const value of results.get('gradient')!.data)
              expect(Math.abs(Number(value))).toBeLessThan(1e-6)
        }
        state = new Map([...state.keys()].map(key => [key, results.get(`next ${key}`)!]))
        const [counter] = state.values()
        if (counter !== undefined) expectClose(counter, step.state_after!, 1e-5, `counters after step ${i}`)
      }
      await program.release()
    },
  )
})
