import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import type { ConstraintConfig, ModelConfig, MoeLayerConfig } from '../config/config.ts'
import { Graph } from '../graph/index.ts'
import { type Declarations, Scope } from '../nn/index.ts'
import { Engine } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { trainingStep } from '../train/classification-step.ts'
import type { TrainingStep } from '../train/step.ts'

const mixture = (fields: Partial<MoeLayerConfig>): MoeLayerConfig => ({
  position: 4,
  style: 'resblock',
  experts: 4,
  k: 2,
  expertWidth: null,
  gate: 'gap-fc',
  gateWidth: 256,
  noise: true,
  weighting: 'softmax-after-top-k',
  dispatch: 'sparse',
  constraint: { name: 'importance', weight: 0.5, lift: null },
  ...fields,
})

const model = (moe: readonly MoeLayerConfig[], fields: Partial<ModelConfig> = {}): ModelConfig => ({
  name: 'resnet18',
  stem: 'cifar',
  width: 64,
  weights: null,
  initialisation: 'published',
  weightsEntry: null,
  copyNoise: 0,
  freeze: null,
  weightsPart: 'whole',
  moe,
  detector: null,
  ...fields,
})

function declared(config: ModelConfig, classes = 100): Declarations {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  classifierOf(config, { classes })(scope, graph.input('images', 'float32', [2, 3, 32, 32]))
  return scope.declarations
}

const count = ({ parameters }: Declarations, prefix: string): number =>
  [...parameters.values()]
    .filter(({ name }) => name.startsWith(prefix))
    .reduce((total, { shape }) => total + sizeOf(shape), 0)

function step(config: ModelConfig, size: number, classes: number, batch = 4): TrainingStep {
  return trainingStep({
    classifier: classifierOf(config, { classes }),
    classes,
    batch,
    size,
    optimizer: { name: 'sgd', learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0 },
    labelSmoothing: 0,
    clipNorm: null,
  })
}

describe('parameters of a ResBlock-MoE, by METHOD.md §1.4', () => {
  it.each([
    [1, 75_023, 11.37, 11.82, 11.22],
    [2, 267_024, 11.77, 13.37, 11.24],
    [3, 1_010_400, 13.2, 19.26, 11.18],
    [4, 4_037_448, 19.11, 43.34, 11.03],
  ])(
    'position %i: %i an expert; in all %d M for E = 4, %d M for E = 10, %d M active',
    (position, ...wanted) => {
      const [expert, four, ten, active] = wanted
      const declarations = declared(model([mixture({ position })]))
      for (const i of [0, 1, 2, 3]) expect(count(declarations, `layer${position}.experts.${i}.`)).toBe(expert)
      const millions = (config: ModelConfig): number => declared(config).parameterCount() / 1e6
      expect(millions(model([mixture({ position })]))).toBeCloseTo(four, 2)
      expect(millions(model([mixture({ position, experts: 10 })]))).toBeCloseTo(ten, 2)
      const { activeParameterCount } = step(model([mixture({ position })]), 32, 100, 2)
      // The noise matrix is at work in training only.
      const noise = count(declarations, `layer${position}.gate.noise.`)
      expect((activeParameterCount - noise) / 1e6).toBeCloseTo(active, 2)
    },
  )

  it('count gate, noise matrix and shortcut', () => {
    const declarations = declared(model([mixture({ position: 3 })]))
    expect(count(declarations, 'layer3.gate.fc.')).toBe(128 * 4 + 4)
    expect(count(declarations, 'layer3.gate.noise.')).toBe(128 * 4)
    expect(count(declarations, 'layer3.shortcut.')).toBe(128 * 256 + 2 * 256)
    const rest = ['gate.', 'shortcut.', 'experts.'].map(part => count(declarations, `layer3.${part}`))
    expect(rest.reduce((a, b) => a + b)).toBe(count(declarations, 'layer3.'))
  })
})

describe('what a mixture replaces', () => {
  const shapes = (declarations: Declarations, prefix: string): Record<string, readonly number[]> =>
    Object.fromEntries(
      declarations
        .all()
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, shape }) => [name.slice(prefix.length), shape]),
    )

  it('in a stage is two thin blocks with projections, and nothing of the stage stays', () => {
    const declarations = declared(model([mixture({ position: 2, style: 'block', noise: false })]))
    const expert = shapes(declarations, 'layer2.experts.3.')
    const weights = Object.entries(expert).filter(([, shape]) => shape.length === 4)
    expect(Object.fromEntries(weights)).toEqual({
      '0.conv1.weight': [50, 64, 3, 3],
      '0.conv2.weight': [50, 50, 3, 3],
      '0.downsample.0.weight': [50, 64, 1, 1],
      '1.conv1.weight': [128, 50, 3, 3],
      '1.conv2.weight': [128, 128, 3, 3],
      '1.downsample.0.weight': [128, 50, 1, 1],
    })
    expect(count(declarations, 'layer2.')).toBe(4 * 267_024 + count(declarations, 'layer2.gate.'))
    expect(count(declarations, 'layer2.shortcut.')).toBe(0)
  })

  it('at position 1 has the identity as shortcut', () => {
    expect(count(declared(model([mixture({ position: 1 })])), 'layer1.shortcut.')).toBe(0)
  })

  it('in the stem is convolution and BatchNorm', () => {
    const declarations = declared(model([mixture({ position: 0, style: 'block' })]))
    expect(shapes(declarations, 'stem.experts.1.')).toEqual({
      '0.weight': [64, 3, 3, 3],
      '1.weight': [64],
      '1.bias': [64],
      '1.running_mean': [64],
      '1.running_var': [64],
    })
    expect(count(declarations, 'conv1.') + count(declarations, 'bn1.')).toBe(0)
  })

  it.each([
    [0, 'conv1', [64, 3, 3, 3], 'bn1'],
    [1, 'layer1.1.conv2', [64, 64, 3, 3], 'layer1.1.bn2'],
    [4, 'layer4.1.conv2', [512, 512, 3, 3], 'layer4.1.bn2'],
  ] as const)(
    'at position %i, style conv, is %s alone: full-size, without bias',
    (position, home, shape, norm) => {
      const declarations = declared(model([mixture({ position, style: 'conv' })]))
      for (const i of [0, 1, 2, 3])
        expect(shapes(declarations, `${home}.experts.${i}.`)).toEqual({ weight: shape })
      expect(declarations.parameters.has(`${home}.weight`)).toBe(false)
      expect(declarations.parameters.has(`${norm}.weight`)).toBe(true)
      const plain = declared(model([]))
      const extra = [...declarations.parameters.keys()].filter(name => !plain.parameters.has(name))
      expect(extra.every(name => name.startsWith(`${home}.`))).toBe(true)
    },
  )

  it('has experts that start differently', () => {
    const state = declared(model([mixture({})], { width: 4 })).initialState(1)
    const first = [0, 1, 2, 3].map(i => state.get(`layer4.experts.${i}.0.conv1.weight`)!.data[0])
    expect(new Set(first).size).toBe(4)
  })

  it('in a ResNet-50 is bottlenecks that are thin inside', () => {
    const declarations = declared(model([mixture({ position: 3 })], { name: 'resnet50' }))
    const names = shapes(declarations, 'layer3.experts.0.')
    expect(names['0.conv1.weight']).toEqual([140, 512, 1, 1])
    expect(names['0.conv2.weight']).toEqual([140, 140, 3, 3])
    expect(names['5.conv3.weight']).toEqual([1024, 140, 1, 1])
    expect(names['6.conv1.weight']).toBeUndefined()
  })

  it('takes the width of experts that it is told', () => {
    const declarations = declared(model([mixture({ position: 4, expertWidth: 33 })]))
    expect(shapes(declarations, 'layer4.experts.0.')['0.conv2.weight']).toEqual([33, 33, 3, 3])
  })
})

describe('a step of a small network on the engine', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  const random = (shape: readonly number[], purpose: string): HostTensor => {
    const source = draws(1, purpose)
    return floats(
      shape,
      Array.from({ length: sizeOf(shape) }, () => source.normal()),
    )
  }

  /** One step; every tensor of the state must stay finite and every trained tensor move. */
  async function takeStep(config: ModelConfig, names: readonly string[], size = 8): Promise<void> {
    const classes = 5
    const training = step(config, size, classes)
    expect(training.layers.map(layer => layer.name)).toEqual(names)
    const before = training.initialState(3)
    await engine.setState(before)
    const program = await engine.load(training.program)
    const feeds = new Map([
      ['images', random([4, 3, size, size], 'images')],
      ['labels', { dtype: 'int64', shape: [4], data: BigInt64Array.of(0n, 1n, 2n, 4n) } as const],
      ['learningRate', scalar(0.1)],
      ...training.noise.map(({ name, shape }) => [name, random(shape, name)] as const),
    ])
    const { outputs, committed } = await program.step(feeds, training)
    expect(committed).toBe(true)
    for (const name of names) {
      const shares = Array.from(outputs.get(`${name}.importance`)!.data, Number)
      expect(shares.reduce((a, b) => a + b)).toBeCloseTo(4, 4)
    }
    const after = await engine.readState()
    for (const [name, tensor] of after) {
      expect(
        tensor.data.every((value: number | bigint) => Number.isFinite(Number(value))),
        name,
      ).toBe(true)
      if (names.some(layer => name.startsWith(`${layer}.experts.`))) continue
      if (name.endsWith('conv1.weight') || name.startsWith('fc.') || name.endsWith('running_mean'))
        expect(tensor.data, `${name} after the step`).not.toEqual(before.get(name)!.data)
    }
    for (const layer of names) {
      const changed = (part: string): string[] =>
        [...after]
          .filter(
            ([name, { data }]) =>
              name.startsWith(`${layer}.${part}.`) && String(data) !== String(before.get(name)!.data),
          )
          .map(([name]) => name)
      expect(changed('experts').length).toBeGreaterThan(0)
      expect(changed('gate').length).toBeGreaterThan(0)
    }
    await program.release()
  }

  const small = (moe: readonly MoeLayerConfig[], fields: Partial<ModelConfig> = {}): ModelConfig =>
    model(
      moe.map(layer => ({ ...layer, gateWidth: 6 })),
      { width: 4, ...fields },
    )

  it.each([
    ['block', 0, 'stem'],
    ['block', 1, 'layer1'],
    ['block', 3, 'layer3'],
    ['resblock', 1, 'layer1'],
    ['resblock', 2, 'layer2'],
    ['resblock', 4, 'layer4'],
    ['conv', 0, 'conv1'],
    ['conv', 1, 'layer1.1.conv2'],
    ['conv', 4, 'layer4.1.conv2'],
  ] as const)('trains with a %s mixture at position %i', async (style, position, name) => {
    await takeStep(small([mixture({ style, position })]), [name])
  })

  it('trains with mixtures at every position, of every style, gate, constraint and weighting', async () => {
    const constraints: ConstraintConfig[] = [
      { name: 'load', weight: 0.1, lift: null },
      { name: 'switch', weight: 0.1, lift: null },
      { name: 'mean', threshold: 0.3, lift: null },
      { name: 'loss-free', rate: 0.01, lift: null },
      { name: 'entropy', weight: 0.1, lift: null },
    ]
    const layers = constraints.map((constraint, position) =>
      mixture({
        position,
        constraint,
        style: position === 0 ? 'block' : position === 2 ? 'conv' : 'resblock',
        gate: position % 2 === 0 ? 'gap-fc' : 'conv-gap-fc',
        noise: constraint.name === 'load',
        k: position === 3 ? 1 : 2,
        weighting: position === 3 ? 'softmax-before-top-k' : 'softmax-after-top-k',
      }),
    )
    await takeStep(small(layers), ['stem', 'layer1', 'layer2.1.conv2', 'layer3', 'layer4'], 32)
  })

  it('trains bottlenecks with the ImageNet stem, a mixture in a stage and one in a convolution', async () => {
    const layers = [
      mixture({ position: 2 }),
      mixture({ position: 4, style: 'conv', constraint: { name: 'z-loss', weight: 0.1, lift: null } }),
    ]
    await takeStep(small(layers, { name: 'resnet50', stem: 'imagenet' }), ['layer2', 'layer4.2.conv3'], 32)
  })
})
