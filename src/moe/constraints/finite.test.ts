import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HostTensor } from '../../base/tensor.ts'
import { Graph, gradients, lower, mul, sum } from '../../graph/index.ts'
import { Engine } from '../../runtime/index.ts'
import { describeRouting, route, type Weighting } from '../routing.ts'
import {
  type Constraint,
  entropy,
  importance,
  kl,
  load,
  lossFree,
  meanImportance,
  none,
  relative,
  switchLoss,
  zLoss,
} from './index.ts'

/**
 * Losses, weights and gradients in float32 where numbers are as far apart as a training can bring them: scales of the noise
 * that underflow, experts that no image chooses, images that all choose one, ties, logits whose probabilities underflow.
 */
const [N, E] = [6, 4]
const rows = (value: (n: number, e: number) => number): HostTensor => ({
  dtype: 'float32',
  shape: [N, E],
  data: Float32Array.from({ length: N * E }, (_, i) => value(Math.floor(i / E), i % E)),
})

const logits: Record<string, HostTensor> = {
  'all equal': rows(() => 0),
  'all images to one expert': rows((_n, e) => (e === 2 ? 300 : 0)),
  'far apart': rows((n, e) => 1e4 * Math.sin(n * 7 + e * 3)),
  'with ties at the threshold': rows((n, e) => (e === n % E ? 1 : 0)),
  'close together': rows((n, e) => 1e-30 * (n - e)),
}
const scales: Record<string, HostTensor> = {
  'of usual size': rows(() => 0.7),
  zero: rows(() => 0),
  'the smallest denormal': rows(() => 1e-45),
  'mixed with zeros': rows((n, e) => ((n + e) % 2 === 0 ? 0 : 1e-38)),
}

const constraints: readonly Constraint[] = [
  none(),
  importance(),
  kl(),
  relative(),
  meanImportance(),
  load(),
  switchLoss(),
  entropy(),
  zLoss(),
  lossFree(),
]

let engine: Engine
beforeAll(async () => {
  engine = await Engine.start({ threads: 1 })
})
afterAll(async () => {
  await engine.stop()
})

describe.each(constraints.map(constraint => [constraint.name, constraint] as const))(
  '%s',
  (_name, constraint) => {
    it.each([
      [1, 'softmax-before-top-k'],
      [2, 'softmax-after-top-k'],
      [2, 'softmax-before-top-k'],
      [3, 'softmax-before-top-k'],
    ] as const)(
      'gives finite losses, weights, counters and gradients for K = %d, %s',
      async (k: number, weighting: Weighting) => {
        const graph = new Graph()
        const [z, s, upstream] = ['z', 's', 'upstream'].map(name => graph.input(name, 'float32', [N, E]))
        const counters = Object.fromEntries(
          Object.entries(constraint.init?.(E) ?? {}).map(([name, value]) => [
            name,
            graph.input(name, 'float32', value.shape),
          ]),
        )
        const bias = constraint.bias?.(counters)
        const weights = route(z!, { k, weighting, excluded: constraint.excluded?.(counters), bias })
        const routing = describeRouting(weights, z!, z!, s, k)
        const soft = constraint.loss?.(routing, { labels: undefined }) ?? mul(sum(weights), 0)
        const objective = sum(mul(weights, upstream!))
        const updated = Object.entries(constraint.update?.(counters, routing) ?? {})
        const named = new Map([
          ['loss', soft],
          ['weights', weights],
          ...gradients(soft, [z!, s!]).map((gradient, i) => [`soft ${i}`, gradient] as const),
          ...gradients(objective, [z!]).map(gradient => ['task', gradient] as const),
          ...updated.map(([name, value]) => [`${name} after`, value] as const),
        ])
        const program = lower(named)
        const loaded = await engine.load(program)
        const needed = new Set(program.inputs.map(({ name }) => name))
        for (const [place, own] of Object.entries(logits))
          for (const [size, scale] of Object.entries(scales)) {
            const feeds: [string, HostTensor][] = [
              ['z', own],
              ['s', scale],
              ['upstream', rows((n, e) => Math.cos(n + 2 * e))],
              // A bias that prefers experts far below the best, as loss-free balancing comes to where one is starved.
              ...Object.entries(constraint.init?.(E) ?? {}).map(([name, value]): [string, HostTensor] => [
                name,
                name === 'b' ? { ...value, data: Float32Array.from([500, 500, -500, 500]) } : value,
              ]),
            ]
            const outputs = await loaded.run(new Map(feeds.filter(([name]) => needed.has(name))))
            for (const [name, { data }] of outputs)
              expect(
                Array.from(data, Number).every(Number.isFinite),
                `${name}, logits ${place}, scale ${size}`,
              ).toBe(true)
          }
        await loaded.release()
      },
    )
  },
)
