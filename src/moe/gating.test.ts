import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { concat, Graph, gradients, interpret, type NdArray, type Tensor } from '../graph/index.ts'
import { linear, Scope } from '../nn/index.ts'
import { type Constraint, importance, kl, meanImportance, none, relative } from './constraints/index.ts'
import { type Gate, gapFc } from './gates/index.ts'
import { gateInputs } from './gating.ts'

const [batch, channels, experts] = [2, 3, 4]

/** Feature maps of three levels; the last is 1×1, so that its mean over space is itself. */
const sides = [4, 2, 1]

function filled(shape: readonly number[], source = draws(1, shape.join())): NdArray {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => source.normal())
  return { shape, data }
}

/** A gate on feature maps that are vectors already, [N, C]: twin of GAP-FC on their means. */
const onVectors: Gate = (scope, x) => scope.in('fc', fc => linear(fc, x, experts))

const meanOverSpace = ({ shape, data }: NdArray): NdArray => {
  const [n, c, h, w] = shape as [number, number, number, number]
  const means = Float64Array.from({ length: n * c }, (_, i) => {
    const values = data.subarray(i * h * w, (i + 1) * h * w)
    return values.reduce((a, b) => a + b, 0) / values.length
  })
  return { shape: [n, c], data: means }
}

/** Losses, weights, counters and the gate's gradient, for all levels together or for one input with all their rows. */
function routed(constraint: Constraint, maps: readonly NdArray[], gate: Gate, noisy: boolean) {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const xs = maps.map(({ shape }, i) => graph.input(`x${i}`, 'float32', shape))
  const { weights, losses, stats } = scope.in('head', inner =>
    gateInputs(inner, xs, { experts, gate, k: 2, constraint, noise: noisy }),
  )
  const { parameters, updates, noise } = scope.declarations
  const fc = [...parameters.keys()].find(name => name.endsWith('fc.weight'))!
  const [dGate] = losses.length === 0 ? [] : gradients(losses[0]!, [graph.inputs.get(fc)!])
  const outputs: Tensor[] = [concat(weights, 0), stats[0]!.routing.importance, ...losses, ...updates.values()]
  const feeds = new Map<string, NdArray>([
    ...[...scope.declarations.initialState(7)].map(
      ([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data, Number) }] as const,
    ),
    ...maps.map((map, i) => [`x${i}`, map] as const),
    ...[...noise.keys()].map(name => [name, filled([sides.length * batch, experts])] as const),
  ])
  return interpret(dGate === undefined ? outputs : [...outputs, dGate], feeds).map(({ data }) => [...data])
}

describe('one gate for several inputs', () => {
  const maps = sides.map(side => filled([batch, channels, side, side]))
  const means = maps.map(meanOverSpace)
  const together: NdArray = {
    shape: [sides.length * batch, channels],
    data: Float64Array.from(means.flatMap(({ data }) => [...data])),
  }

  it.each([
    ['importance', importance({ weight: 0.5 })],
    ['kl', kl({ weight: 0.25 })],
    ['relative', relative({ threshold: 0.3 })],
    ['mean', meanImportance({ threshold: 0.3 })],
  ])('has weights, losses, counters and gradients of one input with all rows (%s)', (_, constraint) => {
    const levels = routed(constraint, maps, gapFc, false)
    const rows = routed(constraint, [together], onVectors, false)
    expect(levels).toHaveLength(rows.length)
    for (const [i, values] of rows.entries()) {
      expect(levels[i]).toHaveLength(values.length)
      for (const [j, value] of values.entries()) expect(levels[i]![j]).toBeCloseTo(value, 10)
    }
  })

  it('gives each row noise of its own, in one input of the graph', () => {
    const [noisy] = routed(kl({ weight: 0.25 }), maps, gapFc, true)
    const [clean] = routed(kl({ weight: 0.25 }), maps, gapFc, false)
    expect(noisy).toHaveLength(sides.length * batch * experts)
    const moved = Array.from({ length: sides.length * batch }, (_, row) =>
      noisy!
        .slice(row * experts, (row + 1) * experts)
        .some((weight, i) => weight !== clean![row * experts + i]),
    )
    expect(moved).toEqual(new Array(sides.length * batch).fill(true))
  })
})

describe('a gate of a user’s own', () => {
  const build = (gate: unknown): void => {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: true })
    const x = graph.input('x', 'float32', [4, 3, 5, 5])
    gateInputs(scope, [x], { experts: 3, k: 2, constraint: none(), gate: gate as Gate })
  }
  const graphOf = (x: Tensor) => x.graph
  it.each([
    ['nothing', () => undefined, 'returned nothing'],
    ['a Promise', async (_scope: Scope, x: Tensor) => x, 'returned a Promise'],
    ['a number', () => 3, 'returned the number 3'],
    ['its input', (_scope: Scope, x: Tensor) => x, 'returned float32[4, 3, 5, 5]'],
    [
      'too few logits',
      (_scope: Scope, x: Tensor) => graphOf(x).constant('float32', [4, 2], new Array(8).fill(0)),
      'float32[4, 3], but this one returned float32[4, 2]',
    ],
    [
      'logits of other images',
      (_scope: Scope, x: Tensor) => graphOf(x).constant('float32', [1, 3], [0, 0, 0]),
      'returned float32[1, 3]',
    ],
    [
      'integers',
      (_scope: Scope, x: Tensor) => graphOf(x).constant('int64', [4, 3], new Array(12).fill(0)),
      'returned int64[4, 3]',
    ],
    [
      'a tensor of another graph',
      () => new Graph().constant('float32', [4, 3], new Array(12).fill(0)),
      'of another graph',
    ],
  ])('that returns %s is refused with what it returned', (_name, gate, expected) => {
    expect(() => build(gate)).toThrow(expected)
  })
})
