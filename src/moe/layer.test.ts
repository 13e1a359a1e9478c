import { describe, expect, it } from 'vitest'
import { randomLogits, rowsOf } from '../../test/routing-steps.ts'
import { draws } from '../base/random.ts'
import { Graph, gradients, interpret, mul, type NdArray, sum, type Tensor } from '../graph/index.ts'
import { constant, type Layer, Scope } from '../nn/index.ts'
import { importance, kl, lossFree, meanImportance, none, relative } from './constraints/index.ts'
import { type Gate, gapFc } from './gates/index.ts'
import { type MoeOptions, type MoeResult, mixtureOfExperts } from './layer.ts'

/** Expert I multiplies by 1, 10, 100, …: an output tells who made it. */
const scales = (count: number): Layer[] =>
  Array.from(
    { length: count },
    (_, i): Layer =>
      (scope, x) =>
        mul(x, scope.parameter('scale', [1], constant(10 ** i))),
  )

/** Logits as they are fed. */
const fed: Gate = (scope, x, experts) => scope.graph.input('z', 'float32', [x.dim(0), experts])

interface Built extends MoeResult {
  readonly graph: Graph
  readonly scope: Scope
  readonly x: Tensor
  values(outputs: readonly Tensor[], feeds: Readonly<Record<string, NdArray>>): number[][]
}

/** A layer on x [N, 2, 1, 1], run in float64 with its first values. */
function layer(
  options: Partial<MoeOptions> & {
    readonly training?: boolean
    readonly batch?: number
    readonly count?: number
  },
): Built {
  const { training = true, batch = 2, count = 3, ...rest } = options
  const graph = new Graph()
  const scope = Scope.root(graph, { training })
  const x = graph.input('x', 'float32', [batch, 2, 1, 1])
  const result = scope.in('layer4', inner =>
    mixtureOfExperts(inner, x, {
      experts: scales(count),
      gate: fed,
      k: 2,
      constraint: none(),
      noise: false,
      ...rest,
    }),
  )
  const state = new Map(
    [...scope.declarations.initialState(3)].map(([name, { shape, data }]) => [
      name,
      { shape, data: Float64Array.from(data, Number) },
    ]),
  )
  return {
    ...result,
    graph,
    scope,
    x,
    values: (outputs, feeds) =>
      interpret(outputs, new Map([...state, ...Object.entries(feeds)])).map(({ data }) => [...data]),
  }
}

const nd = (shape: readonly number[], data: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(data),
})
const x = nd([2, 2, 1, 1], [1, -2, 3, 0.5])
const z = nd([2, 3], [2, 1, 0, 0, 1, 3])
const half = (difference: number): number => 1 / (1 + Math.exp(-difference))

describe('a mixture of experts', () => {
  it('adds the results of the K chosen experts with their weights', () => {
    const { output, values } = layer({})
    const [y] = values([output], { x, z })
    const first = half(1) * 1 + half(-1) * 10
    const second = half(-2) * 10 + half(2) * 100
    for (const [i, wanted] of [first, -2 * first, 3 * second, 0.5 * second].entries())
      expect(y![i]).toBeCloseTo(wanted, 10)
  })

  it('with K = E is the softmax mixture of all experts, sparse or dense', () => {
    for (const dispatch of ['sparse', 'dense'] as const) {
      const { output, values } = layer({ k: 3, dispatch })
      const [y] = values([output], { x, z })
      for (const n of [0, 1]) {
        const powers = [0, 1, 2].map(i => Math.exp(z.data[3 * n + i]!))
        const mixture =
          powers.reduce((total, p, i) => total + p * 10 ** i, 0) / powers.reduce((a, b) => a + b)
        for (const c of [0, 1]) expect(y![2 * n + c]).toBeCloseTo(x.data[2 * n + c]! * mixture, 10)
      }
    }
  })

  it('gives gate and experts their gradients: dy/dw is what the expert said, weighed by the softmax Jacobian', () => {
    const { output, graph, values } = layer({})
    const names = ['z', 'layer4.experts.0.scale', 'layer4.experts.1.scale', 'layer4.experts.2.scale']
    const targets = names.map(name => graph.inputs.get(name)!)
    const [dz, ...dScales] = values(gradients(sum(output), targets), { x, z })
    const sums = [-1, 3.5]
    const [w0, w1] = [half(1), half(-2)]
    const slope = w0 * (1 - w0) * sums[0]! * (1 - 10)
    expect(dz![0]).toBeCloseTo(slope, 10)
    expect(dz![1]).toBeCloseTo(-slope, 10)
    expect(dz![2]).toBeCloseTo(0, 15)
    expect(dScales[0]![0]).toBeCloseTo(w0 * sums[0]!, 10)
    expect(dScales[1]![0]).toBeCloseTo((1 - w0) * sums[0]! + w1 * sums[1]!, 10)
    expect(dScales[2]![0]).toBeCloseTo((1 - w1) * sums[1]!, 10)
  })

  it('reports importance, the selected and the excluded of each expert', () => {
    const { stats, values } = layer({ constraint: relative() })
    const [{ routing, excluded, name, experts, k }] = [stats[0]!]
    expect([name, experts, k]).toEqual(['layer4', 3, 2])
    const r = nd([3], [0, 0, 0.7])
    const [importances, selected, barred] = values([routing.importance, routing.selected, excluded], {
      x,
      z,
      'layer4.constraint.r': { ...r, data: Float64Array.of(-0.7, 0, 0.7) },
    })
    expect(barred).toEqual([0, 0, 1])
    expect(selected).toEqual([1, 1, 0, 1, 1, 0])
    expect(importances![0]).toBeCloseTo(half(1) + half(-1), 10)
    expect(importances![2]).toBe(0)
  })

  it('with one expert is that expert: no gate, no noise, no loss, no counters', () => {
    for (const constraint of [none(), importance(), relative()]) {
      const { output, losses, stats, scope, values } = layer({ count: 1, k: 1, constraint, noise: true })
      expect(values([output], { x })[0]).toEqual([1, -2, 3, 0.5])
      expect([...scope.declarations.parameters.keys()]).toEqual(['layer4.experts.0.scale'])
      expect([...scope.declarations.statistics.keys()]).toEqual([])
      expect(scope.declarations.noise.size).toBe(0)
      expect(losses).toEqual([])
      const { importance: total } = stats[0]!.routing
      expect(values([total, stats[0]!.excluded], { x })).toEqual([[2], [0]])
    }
  })
})

describe('what a mixture of experts refuses', () => {
  it('K above E, below 1, or not whole', () => {
    for (const k of [4, 0, -1, 1.5]) expect(() => layer({ k })).toThrow(`got K = ${k} and E = 3`)
    expect(() => layer({ count: 1, k: 2 })).toThrow('got K = 2 and E = 1')
  })

  it('K = 1 with softmax after top-k, whose gate would never learn, and says why', () => {
    expect(() => layer({ k: 1 })).toThrow(
      /gives the gate no gradient: the softmax of a single logit is constantly 1/,
    )
    expect(() => layer({ k: 1, weighting: 'softmax-before-top-k' })).not.toThrow()
  })

  it('analysis of an expert or a K that is not there', () => {
    const analysed =
      (override: MoeOptions['override'], count = 3): (() => unknown) =>
      () =>
        layer({
          training: false,
          count,
          k: 1,
          weighting: 'softmax-before-top-k',
          ...(override && { override }),
        })
    expect(analysed({ kind: 'single', expert: 3 })).toThrow('an expert from 0 to 2, but got 3')
    expect(analysed({ kind: 'gate', without: -1 })).toThrow('an expert from 0 to 2, but got -1')
    expect(analysed({ kind: 'gate', k: 4 })).toThrow('got K = 4 and E = 3')
    expect(analysed({ kind: 'gate', without: 0 }, 1)).toThrow('without its only expert')
    expect(analysed({ kind: 'single', expert: 1 }, 1)).toThrow('an expert from 0 to 0, but got 1')
  })
})

describe('noise on the logits', () => {
  const weights = [0.3, -0.2, 1, 0.5, -1, 0.25]
  const epsilon = nd([2, 3], [1, -1, 0.5, 2, 0, -0.25])
  const feeds = { x, z, 'layer4.gate.noise': epsilon, 'layer4.gate.noise.weight': nd([3, 2], weights) }

  it('is the fed noise times softplus(GAP(x)·Wn + 0.01)', () => {
    const { stats, values } = layer({ noise: true, constraint: importance() })
    const { logits, cleanLogits, noiseScale } = stats[0]!.routing
    const [noisy, clean, scale] = values([logits, cleanLogits, noiseScale!], feeds)
    expect(clean).toEqual([...z.data])
    for (const n of [0, 1])
      for (const i of [0, 1, 2]) {
        const inner = x.data[2 * n]! * weights[2 * i]! + x.data[2 * n + 1]! * weights[2 * i + 1]! + 0.01
        expect(scale![3 * n + i]).toBeCloseTo(Math.log(1 + Math.exp(inner)), 12)
        const wanted = z.data[3 * n + i]! + epsilon.data[3 * n + i]! * Math.log(1 + Math.exp(inner))
        expect(noisy![3 * n + i]).toBeCloseTo(wanted, 12)
      }
  })

  it('is averaged over the image: GAP of a larger map', () => {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: true })
    const image = graph.input('image', 'float32', [1, 1, 2, 2])
    const { stats } = mixtureOfExperts(scope, image, {
      experts: scales(2),
      gate: fed,
      k: 2,
      constraint: none(),
    })
    const [scale] = interpret(
      [stats[0]!.routing.noiseScale!],
      new Map([
        ['image', nd([1, 1, 2, 2], [1, 2, 3, 6])],
        ['gate.noise.weight', nd([2, 1], [1, -1])],
      ]),
    )
    expect(scale!.data[0]).toBeCloseTo(Math.log(1 + Math.exp(3.01)), 12)
    expect(scale!.data[1]).toBeCloseTo(Math.log(1 + Math.exp(-2.99)), 12)
  })

  it('teaches its own weights', () => {
    const { losses, graph, values } = layer({ noise: true, constraint: importance() })
    const [gradient] = values(gradients(losses[0]!, [graph.inputs.get('layer4.gate.noise.weight')!]), feeds)
    expect(Math.max(...gradient!.map(Math.abs))).toBeGreaterThan(1e-4)
  })

  it('is absent in evaluation, where the same parameters are declared', () => {
    const trained = layer({ noise: true, constraint: importance() })
    const evaluated = layer({ noise: true, constraint: importance(), training: false })
    const { logits, cleanLogits } = evaluated.stats[0]!.routing
    expect(logits).toBe(cleanLogits)
    expect(evaluated.scope.declarations.noise.size).toBe(0)
    expect([...evaluated.scope.declarations.parameters.keys()]).toEqual([
      ...trained.scope.declarations.parameters.keys(),
    ])
  })

  it('comes by default with no and soft constraints, and not with hard ones or loss-free balancing', () => {
    const isNoisy = (constraint: MoeOptions['constraint']): boolean => {
      const graph = new Graph()
      const scope = Scope.root(graph, { training: true })
      const input = graph.input('x', 'float32', [2, 2, 1, 1])
      mixtureOfExperts(scope, input, { experts: scales(3), gate: fed, k: 2, constraint })
      return scope.declarations.noise.size > 0
    }
    expect([none(), importance(), kl()].map(isNoisy)).toEqual([true, true, true])
    expect([relative(), meanImportance(), lossFree()].map(isNoisy)).toEqual([false, false, false])
  })
})

describe('constraints in evaluation', () => {
  it('exclude nobody, add no loss and count nothing', () => {
    for (const [constraint, name, counter] of [
      [relative(), 'r', [9, -4, -5]],
      [lossFree(), 'b', [0, 0, 0]],
      [importance(), '', []],
    ] as const) {
      const { stats, losses, scope, values } = layer({ training: false, constraint })
      const feeds = name === '' ? { x, z } : { x, z, [`layer4.constraint.${name}`]: nd([3], counter) }
      const [weights, excluded] = values([stats[0]!.routing.weights, stats[0]!.excluded], feeds)
      expect(weights!.map(w => w > 0)).toEqual([true, true, false, false, true, true])
      expect(excluded).toEqual([0, 0, 0])
      expect(losses).toEqual([])
      expect(scope.declarations.updates.size).toBe(0)
    }
  })
})

describe('the bias of the choice', () => {
  const feeds = { x, z, 'layer4.constraint.b': nd([3], [-9, 0.5, 0.25]) }
  const chosen = (weights: ArrayLike<number>) => Array.from(weights, w => w > 0)

  it('chooses in evaluation as in training', () => {
    const [trained, tested] = [true, false].map(training => {
      const { stats, values } = layer({ training, constraint: lossFree() })
      return values([stats[0]!.routing.weights], feeds)[0]!
    })
    expect(chosen(tested!)).toEqual(chosen(trained!))
    expect(chosen(tested!)).toEqual([false, true, true, false, true, true])
  })

  it('is gone in evaluation once it has been lifted in training', () => {
    const trained = layer({ constraint: lossFree(), lift: 5 })
    const active = trained.scope.declarations.updates.get('layer4.constraint.active')!
    const at = (epoch: number) =>
      trained.values([active], {
        ...feeds,
        'layer4.constraint.active': nd([1], [1]),
        epoch: nd([], [epoch]),
      })[0]
    expect([at(4), at(5)].map(values => Array.from(values!))).toEqual([[1], [0]])
    const tested = layer({ training: false, constraint: lossFree(), lift: 5 })
    const shifted = [1, 0].map(value => {
      const all = { ...feeds, 'layer4.constraint.active': nd([1], [value]) }
      return chosen(tested.values([tested.stats[0]!.routing.weights], all)[0]!)
    })
    expect(shifted).toEqual([
      [false, true, true, false, true, true],
      [true, true, false, false, true, true],
    ])
  })
})

describe('lifting a constraint from epoch 5 on', () => {
  const at = (epoch: number) => ({ x, z, epoch: nd([], [epoch]) })

  it('makes a soft loss exactly 0, and its gradients', () => {
    const { losses, graph, values } = layer({ constraint: importance(), lift: 5 })
    const [gradient] = gradients(losses[0]!, [graph.inputs.get('z')!])
    const [before, slope] = values([losses[0]!, gradient!], at(4))
    expect(before![0]).toBeGreaterThan(0.01)
    expect(Math.max(...slope!)).toBeGreaterThan(0.001)
    for (const epoch of [5, 6, 100]) {
      const [after, flat] = values([losses[0]!, gradient!], at(epoch))
      expect([...after!, ...flat!].every(value => value === 0)).toBe(true)
    }
  })

  it('lets excluded experts in again, and counts on', () => {
    const { stats, scope, values } = layer({ constraint: relative(), lift: 5 })
    const next = scope.declarations.updates.get('layer4.constraint.r')!
    const counters = { 'layer4.constraint.r': nd([3], [-1, 2, -1]) }
    const outputs = [stats[0]!.excluded, stats[0]!.routing.weights, next]
    const [barred, , onward] = values(outputs, { ...at(4), ...counters })
    expect(barred).toEqual([0, 1, 0])
    expect(onward![1]).toBe(1)
    const [free, weights, counted] = values(outputs, { ...at(5), ...counters })
    expect(free).toEqual([0, 0, 0])
    expect(weights![1]).toBeCloseTo(half(-1), 10)
    expect(counted![1]).toBeGreaterThan(1)
  })

  it('takes the bias of loss-free balancing away from the choice', () => {
    const { stats, values } = layer({ constraint: lossFree(), lift: 5 })
    const bias = { 'layer4.constraint.b': nd([3], [-50, 0, 0]) }
    const chosen = (epoch: number) =>
      values([stats[0]!.routing.selected], { ...at(epoch), ...bias })[0]!.slice(0, 3)
    expect(chosen(4)).toEqual([0, 1, 1])
    expect(chosen(5)).toEqual([1, 1, 0])
  })

  it('asks for the epoch only where there is something to lift', () => {
    expect(layer({ constraint: importance() }).graph.inputs.has('epoch')).toBe(false)
    expect(layer({ constraint: importance(), lift: 1 }).graph.inputs.has('epoch')).toBe(true)
  })
})

describe('routing for analysis', () => {
  const evaluated = (
    override: NonNullable<MoeOptions['override']>,
    dispatch: 'sparse' | 'dense' = 'sparse',
  ) => {
    const { output, stats, values } = layer({ training: false, override, dispatch })
    const [y, weights] = values([output, stats[0]!.routing.weights], { x, z })
    return { y: y!, weights: rowsOf(nd([2, 3], weights!)) }
  }

  it('equal: every expert with weight 1 / E', () => {
    const { y, weights } = evaluated({ kind: 'equal' })
    expect(weights.flat()).toEqual(new Array<number>(6).fill(1 / 3))
    for (const [i, value] of y.entries()) expect(value).toBeCloseTo(x.data[i]! * 37, 10)
  })

  it.each([0, 1, 2])('single: expert %i alone, whatever the gate says', expert => {
    const { y, weights } = evaluated({ kind: 'single', expert })
    expect(weights).toEqual([0, 1].map(() => [0, 1, 2].map(i => Number(i === expert))))
    expect(y).toEqual([...x.data].map(value => value * 10 ** expert))
  })

  it('without an expert: the gate chooses among the others', () => {
    const { weights } = evaluated({ kind: 'gate', without: 1 })
    expect(weights.map(row => row[1])).toEqual([0, 0])
    expect(weights[0]![0]).toBeCloseTo(half(2), 10)
    expect(weights[1]![2]).toBeCloseTo(half(3), 10)
  })

  it('without an expert and K = E: the others share', () => {
    const { weights } = evaluated({ kind: 'gate', without: 1, k: 3 })
    expect(weights.map(row => row.filter(w => w > 0).length)).toEqual([2, 2])
    expect(weights.map(row => row[1])).toEqual([0, 0])
  })

  it('another K: 1 takes the best, 3 mixes all', () => {
    expect(evaluated({ kind: 'gate', k: 1 }).weights).toEqual([
      [1, 0, 0],
      [0, 0, 1],
    ])
    const { weights } = evaluated({ kind: 'gate', k: 3 })
    expect(weights[0]!.every(w => w > 0)).toBe(true)
  })

  it('is the same with dense dispatch', () => {
    for (const override of [
      { kind: 'equal' },
      { kind: 'single', expert: 2 },
      { kind: 'gate', without: 0, k: 2 },
    ] as const) {
      const [sparse, dense] = [evaluated(override), evaluated(override, 'dense')]
      for (const [i, value] of sparse.y.entries()) expect(dense.y[i]).toBeCloseTo(value, 10)
    }
  })
})

describe('counters over training steps', () => {
  it('of two layers with the same constraint are apart', () => {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: true })
    const input = graph.input('x', 'float32', [2, 2, 1, 1])
    for (const name of ['layer1', 'layer2'])
      scope.in(name, inner =>
        mixtureOfExperts(inner, input, {
          experts: scales(3),
          gate: gapFc,
          k: 2,
          constraint: meanImportance(),
        }),
      )
    expect([...scope.declarations.updates.keys()]).toEqual(
      ['layer1', 'layer2'].flatMap(name => [`${name}.constraint.a`, `${name}.constraint.t`]),
    )
  })

  it('carry no gradient', () => {
    const { scope, graph } = layer({ constraint: relative() })
    const next = scope.declarations.updates.get('layer4.constraint.r')!
    const [gradient] = gradients(sum(next), [graph.inputs.get('z')!])
    const rows = randomLogits(draws(1, 'z'), 2, [0, 0, 0])
    const [value] = interpret([gradient!], new Map([['z', nd([2, 3], rows.flat())]]))
    expect([...value!.data].every(v => v === 0)).toBe(true)
  })
})
