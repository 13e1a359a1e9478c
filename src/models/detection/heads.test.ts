import { describe, expect, it } from 'vitest'
import { detectionGolden, expectValues, wave } from '../../../test/detection-golden.ts'
import { sizeOf } from '../../base/tensor.ts'
import { add, Graph, gradients, interpret, mul, type NdArray, sum } from '../../graph/index.ts'
import { gapFc, kl } from '../../moe/index.ts'
import { type Declarations, Scope } from '../../nn/index.ts'
import { activeParameterCount } from '../active-parameters.ts'
import { detectionHeads, type HeadMixture, type HeadsOptions, type HeadsResult } from './heads.ts'

const levels = { p3: [2, 4, 3, 2], p4: [2, 4, 1, 1] }

const mixture: HeadMixture = {
  experts: 3,
  k: 2,
  gate: gapFc,
  constraint: kl({ weight: 0.25 }),
  heads: 'both',
  gates: 'own',
  part: 'head',
  priorBias: true,
}

interface Built extends HeadsResult {
  readonly graph: Graph
  readonly declarations: Declarations
}

function build(options: Partial<HeadsOptions> = {}): Built {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const inputs = Object.entries(levels).map(([name, shape]) => graph.input(name, 'float32', shape))
  const result = detectionHeads(scope, inputs, {
    classes: 3,
    channels: 4,
    depth: 2,
    anchorsAPosition: 2,
    mixture: null,
    frozen: false,
    ...options,
  })
  return { ...result, graph, declarations: scope.declarations }
}

const shapesOf = ({ declarations }: Built): Record<string, readonly number[]> =>
  Object.fromEntries([...declarations.parameters.values()].map(({ name, shape }) => [name, shape]))

describe('plain heads', () => {
  it('have the names of torchvision', () => {
    expect(shapesOf(build())).toEqual({
      'classification_head.conv.0.0.weight': [4, 4, 3, 3],
      'classification_head.conv.0.0.bias': [4],
      'classification_head.conv.1.0.weight': [4, 4, 3, 3],
      'classification_head.conv.1.0.bias': [4],
      'classification_head.cls_logits.weight': [6, 4, 3, 3],
      'classification_head.cls_logits.bias': [6],
      'regression_head.conv.0.0.weight': [4, 4, 3, 3],
      'regression_head.conv.0.0.bias': [4],
      'regression_head.conv.1.0.weight': [4, 4, 3, 3],
      'regression_head.conv.1.0.bias': [4],
      'regression_head.bbox_reg.weight': [8, 4, 3, 3],
      'regression_head.bbox_reg.bias': [8],
    })
  })

  it('are those that torch computes, with all gradients, in the order of anchors', () => {
    const { classes, boxes, graph, declarations } = build()
    expect([classes.kind, classes.value.shape, boxes.shape]).toEqual(['logits', [2, 14, 3], [2, 14, 4]])
    const feeds = new Map<string, NdArray>()
    for (const [i, [name, shape]] of Object.entries(levels).entries())
      feeds.set(name, { shape, data: wave(1 + i, sizeOf(shape)) })
    for (const [i, { name, shape }] of [...declarations.parameters.values()].entries()) {
      // Two tensors a convolution, three convolutions a head.
      const [head, convolution] = [Math.floor(i / 6), Math.floor(i / 2) % 3]
      const seed = (name.endsWith('bias') ? 50 : 20) + 10 * head + convolution
      feeds.set(name, { shape, data: wave(seed, sizeOf(shape)) })
    }
    const objective = [classes.value, boxes].map((value, i) => {
      const shape = value.shape.map(Number)
      feeds.set(`r${i}`, { shape, data: wave(9 + i, sizeOf(shape)) })
      return sum(mul(value, graph.input(`r${i}`, 'float32', shape)))
    })
    const golden = detectionGolden.heads
    const names = Object.keys(golden.gradients)
    expect(names.sort()).toEqual([...declarations.parameters.keys()].sort())
    const targets = names.map(name => graph.inputs.get(name)!)
    const results = interpret([classes.value, boxes, ...gradients(objective.reduce(add), targets)], feeds)
    for (const [i, output] of golden.outputs.entries())
      expectValues(results[i]!.data, output, 1e-9, `output ${i}`)
    for (const [i, name] of names.entries())
      expectValues(results[2 + i]!.data, golden.gradients[name]!, 1e-9, `gradient of ${name}`)
  })

  it('begin by taking everything for background, with a probability of 0.01, and boxes for anchors', () => {
    const state = build().declarations.initialState(1)
    const prior = -Math.log(0.99 / 0.01)
    expectValues(
      Array.from(state.get('classification_head.cls_logits.bias')!.data, Number),
      new Array(6).fill(prior),
      1e-6,
      'bias',
    )
    expect(Array.from(state.get('regression_head.bbox_reg.bias')!.data, Number)).toEqual(new Array(8).fill(0))
    const weights = Array.from(state.get('regression_head.conv.0.0.weight')!.data, Number)
    const variance = weights.reduce((total, w) => total + w * w, 0) / weights.length
    expect(Math.sqrt(variance)).toBeGreaterThan(0.007)
    expect(Math.sqrt(variance)).toBeLessThan(0.013)
  })
})

describe('heads with mixtures of experts', () => {
  const homes = (built: Built): string[] => [
    ...new Set(
      Object.keys(shapesOf(built))
        .filter(name => /\.?(gate|experts)\./.test(name))
        .map(name => name.replace(/\.?(gate|experts)\..*/, '')),
    ),
  ]

  it('are full heads, each with a gate of its own', () => {
    const built = build({ mixture })
    expect(homes(built)).toEqual(['classification_head', 'regression_head'])
    const shapes = shapesOf(built)
    const plain = Object.entries(shapesOf(build()))
    for (const [name, shape] of plain)
      for (const i of [0, 1, 2])
        expect(shapes[name.replace('_head.', `_head.experts.${i}.`)], name).toEqual(shape)
    expect(Object.keys(shapes).length).toBe(3 * plain.length + 2 * 3)
    expect(built.classes.kind).toBe('probabilities')
    expect(built.stats.map(({ name }) => name)).toEqual(['classification_head', 'regression_head'])
    expect(built.losses.length).toBe(2)
  })

  it('route (image, level): all levels of the images are rows of one routing', () => {
    const { stats, declarations } = build({ mixture })
    expect(stats.map(({ routing }) => routing.weights.shape)).toEqual([
      [4, 3],
      [4, 3],
    ])
    expect([...declarations.noise.values()].map(({ tensor }) => tensor.shape)).toEqual([
      [4, 3],
      [4, 3],
    ])
  })

  it('may be one of the two', () => {
    const regression = build({ mixture: { ...mixture, heads: 'regression' } })
    expect([homes(regression), regression.classes.kind]).toEqual([['regression_head'], 'logits'])
    const classification = build({ mixture: { ...mixture, heads: 'classification' } })
    expect([homes(classification), classification.classes.kind]).toEqual([
      ['classification_head'],
      'probabilities',
    ])
  })

  it('may share a gate', () => {
    const { stats, losses, declarations } = build({ mixture: { ...mixture, gates: 'shared' } })
    expect([...declarations.parameters.keys()].filter(name => name.includes('gate.'))).toEqual([
      'gate.fc.weight',
      'gate.fc.bias',
      'gate.noise.weight',
    ])
    expect([stats.length, losses.length]).toEqual([1, 1])
    expect(declarations.parameters.has('regression_head.experts.2.bbox_reg.weight')).toBe(true)
  })

  it('may be a mixture in the last hidden convolution alone', () => {
    for (const gates of ['own', 'shared'] as const) {
      const built = build({ mixture: { ...mixture, part: 'last-conv', gates } })
      const shapes = shapesOf(built)
      const home = 'classification_head.conv.1.0'
      expect(shapes[`${home}.experts.2.weight`]).toEqual([4, 4, 3, 3])
      expect(shapes[`${home}.weight`]).toBeUndefined()
      expect(shapes[gates === 'own' ? `${home}.gate.fc.weight` : 'gate.fc.weight']).toEqual([3, 4])
      expect(shapes['classification_head.conv.0.0.weight']).toEqual([4, 4, 3, 3])
      expect(shapes['classification_head.cls_logits.weight']).toEqual([6, 4, 3, 3])
      expect(built.classes.kind).toBe('logits')
    }
  })

  it('with one expert are that expert, without a gate', () => {
    const built = build({ mixture: { ...mixture, experts: 1, k: 1 } })
    expect(homes(built)).toEqual(['classification_head', 'regression_head'])
    expect([...built.declarations.parameters.keys()].some(name => name.includes('gate'))).toBe(false)
    expect(built.losses).toEqual([])
  })

  it('frozen leave only the mixtures to be trained', () => {
    const trained = (fields: Partial<HeadMixture> | null): string[] =>
      Object.keys(shapesOf(build({ mixture: fields && { ...mixture, ...fields }, frozen: true })))
    const inMixture = (name: string): boolean => /(gate|experts)\./.test(name)
    expect(trained(null)).toEqual([])
    expect(trained({}).every(inMixture)).toBe(true)
    expect(trained({ heads: 'regression' }).every(name => name.startsWith('regression_head.'))).toBe(true)
    expect(trained({ part: 'last-conv' }).length).toBe(2 * (3 * 2 + 3))
    expect(trained({ part: 'last-conv' }).every(inMixture)).toBe(true)
  })

  it('begin without the prior if they are told to', () => {
    const bias = (priorBias: boolean): number => {
      const state = build({ mixture: { ...mixture, priorBias } }).declarations.initialState(1)
      return Number(state.get('classification_head.experts.1.cls_logits.bias')!.data[0])
    }
    expect(bias(false)).toBe(0)
    expect(bias(true)).toBeCloseTo(-Math.log(99), 5)
  })
})

describe('first values as in the original', () => {
  const stateOf = (fields: Partial<HeadMixture> | null) => {
    const options = { mixture: fields && { ...mixture, ...fields }, classes: 40, channels: 16 }
    const graph = new Graph()
    const scope = Scope.root(graph, { training: true })
    const inputs = [graph.input('p3', 'float32', [1, 16, 2, 2])]
    detectionHeads(scope, inputs, {
      depth: 2,
      anchorsAPosition: 2,
      frozen: false,
      initialisation: 'original',
      ...options,
    })
    const state = scope.declarations.initialState(3)
    return (name: string): number[] => Array.from(state.get(name)!.data, Number)
  }
  const variance = (values: readonly number[]): number =>
    values.reduce((total, value) => total + value * value, 0) / values.length
  const bound = 1 / Math.sqrt(16 * 9)
  /** Uniform in ±bound: no value beyond it, and a variance of a third of its square. */
  const expectUniform = (values: readonly number[], tolerance: number): void => {
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound)
    expect(Math.abs(variance(values) / (bound ** 2 / 3) - 1)).toBeLessThan(tolerance)
  }

  it('of plain heads: variance 2/fanOut inside, output weights 0, the prior', () => {
    const values = stateOf(null)
    for (const head of ['classification_head', 'regression_head']) {
      const hidden = values(`${head}.conv.1.0.weight`)
      expect(Math.abs(variance(hidden) / (2 / (16 * 9)) - 1)).toBeLessThan(0.15)
      // Normal, not uniform.
      expect(Math.max(...hidden.map(Math.abs))).toBeGreaterThan(2.5 * Math.sqrt(2 / (16 * 9)))
      expectUniform(values(`${head}.conv.1.0.bias`), 0.9)
    }
    for (const output of ['classification_head.cls_logits.weight', 'regression_head.bbox_reg.weight'])
      expect(values(output).every(value => value === 0)).toBe(true)
    for (const value of values('classification_head.cls_logits.bias'))
      expect(value).toBeCloseTo(-Math.log(99), 5)
    expect(values('regression_head.bbox_reg.bias').every(value => value === 0)).toBe(true)
  })

  it.each(['head', 'last-conv'] as const)("of mixtures, part %s: torch's default everywhere", part => {
    const values = stateOf({ part, priorBias: false })
    const experts = part === 'head' ? '.experts.1' : ''
    expectUniform(values(`classification_head${experts}.conv.0.0.weight`), 0.1)
    expectUniform(values(`classification_head${experts}.cls_logits.weight`), 0.1)
    expectUniform(values(`classification_head${experts}.cls_logits.bias`), 0.4)
    expectUniform(values(`regression_head${experts}.bbox_reg.weight`), 0.1)
    expectUniform(values(`regression_head${experts}.bbox_reg.bias`), 0.9)
    expect(values(`regression_head${experts}.bbox_reg.bias`).every(value => value !== 0)).toBe(true)
    const last = part === 'head' ? '.experts.2.conv.1.0' : '.conv.1.0.experts.2'
    expectUniform(values(`regression_head${last}.weight`), 0.1)
    const prior = stateOf({ part, priorBias: true })
    expect(prior(`classification_head${experts}.cls_logits.bias`)[0]).toBeCloseTo(-Math.log(99), 5)
  })

  it('of a single head: the other one is plain', () => {
    const values = stateOf({ heads: 'regression', priorBias: false })
    expect(values('classification_head.cls_logits.weight').every(value => value === 0)).toBe(true)
    expect(values('classification_head.cls_logits.bias')[0]).toBeCloseTo(-Math.log(99), 5)
    expectUniform(values('regression_head.experts.0.bbox_reg.weight'), 0.1)
  })
})

describe('the parameters that an input of the heads passes through', () => {
  it('are K of E experts, also where both heads share a gate', () => {
    const active = (gates: 'own' | 'shared') => {
      const { declarations, stats } = build({ mixture: { ...mixture, gates } })
      let rest = 0
      let experts = 0
      for (const { name, shape } of declarations.parameters.values()) {
        if (name.includes('.experts.')) experts += sizeOf(shape)
        else rest += sizeOf(shape)
      }
      expect(activeParameterCount(declarations, stats)).toBe(Math.round(rest + (experts * 2) / 3))
    }
    active('own')
    active('shared')
  })
})
