import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectValues } from '../../../test/detection-golden.ts'
import { numbers } from '../../../test/golden.ts'
import { expectDifferentiable, expectEngineAgrees, type OracleInput } from '../../../test/oracle.ts'
import { draws } from '../../base/random.ts'
import { floats, type HostTensor, sizeOf } from '../../base/tensor.ts'
import { add, Graph, gradients, lower, type Tensor } from '../../graph/index.ts'
import {
  type Constraint,
  entropy,
  gapFc,
  importance,
  kl,
  load,
  lossFree,
  meanImportance,
  none,
  relative,
  switchLoss,
  zLoss,
} from '../../moe/index.ts'
import { type Declaration, type Declarations, Scope } from '../../nn/index.ts'
import { Engine } from '../../runtime/index.ts'
import { embed } from '../embed.ts'
import { resnet } from '../resnet.ts'
import type { AnchorOptions } from './anchors.ts'
import type { HeadMixture } from './heads.ts'
import { detectionLosses } from './losses.ts'
import { type RetinaNetOptions, type RetinaNetResult, retinanet } from './retinanet.ts'

const mixture: HeadMixture = {
  experts: 4,
  k: 2,
  gate: gapFc,
  constraint: kl({ weight: 0.25 }),
  heads: 'both',
  gates: 'own',
  part: 'head',
  priorBias: true,
}

const published: RetinaNetOptions = {
  backbone: { name: 'resnet18', stem: 'imagenet', width: 64 },
  classes: 80,
  channels: 256,
  headDepth: 4,
  mixture: null,
  freeze: 'nothing',
}

interface Built extends RetinaNetResult {
  readonly graph: Graph
  readonly declarations: Declarations
}

function build(options: Partial<RetinaNetOptions> = {}, training = true, shape = [1, 3, 64, 96]): Built {
  const graph = new Graph()
  const scope = Scope.root(graph, { training })
  const result = retinanet(scope, graph.input('images', 'float32', shape), { ...published, ...options })
  return { ...result, graph, declarations: scope.declarations }
}

const shapesOf = (tensors: Iterable<Declaration>): Record<string, readonly number[]> =>
  Object.fromEntries([...tensors].map(({ name, shape }) => [name, shape]))

describe('RetinaNet', () => {
  it('has the tensors of a published ResNet at the root, and torchvision’s names for the rest', () => {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: true })
    const images = graph.input('images', 'float32', [1, 3, 64, 96])
    resnet(scope, images, { ...published.backbone, classes: 10 })
    const { declarations, classes, boxes } = build()
    const got = shapesOf(declarations.all())
    for (const { name, shape } of scope.declarations.all())
      expect(got[name], name).toEqual(name.startsWith('fc.') ? undefined : shape)
    const own = Object.keys(got).filter(name => !/^(conv1|bn1|layer\d)\./.test(name))
    const convolutions = [
      ...[0, 1, 2].flatMap(i => [`fpn.inner_blocks.${i}.0`, `fpn.layer_blocks.${i}.0`]),
      ...['fpn.extra_blocks.p6', 'fpn.extra_blocks.p7'],
      ...[0, 1, 2, 3].flatMap(i => ['classification', 'regression'].map(h => `head.${h}_head.conv.${i}.0`)),
      ...['head.classification_head.cls_logits', 'head.regression_head.bbox_reg'],
    ]
    expect(own.sort()).toEqual(convolutions.flatMap(name => [`${name}.bias`, `${name}.weight`]).sort())
    expect(got['fpn.inner_blocks.2.0.weight']).toEqual([256, 512, 1, 1])
    expect(got['fpn.extra_blocks.p6.weight']).toEqual([256, 512, 3, 3])
    expect(got['head.classification_head.cls_logits.weight']).toEqual([720, 256, 3, 3])
    expect(got['head.regression_head.bbox_reg.weight']).toEqual([36, 256, 3, 3])
    // P3 to P7 of 64 × 96: 8 × 12, 4 × 6, 2 × 3, 1 × 2 and 1 × 1 positions.
    expect(classes.value.shape).toEqual([1, 9 * 129, 80])
    expect(boxes.shape).toEqual([1, 9 * 129, 4])
  })

  it('50 has the parameters that torchvision publishes for 91 categories: 34,014,999', () => {
    const { declarations } = build({
      backbone: { name: 'resnet50', stem: 'imagenet', width: 64 },
      classes: 91,
    })
    const norms = [...declarations.parameters.values()].filter(({ name }) =>
      /(bn\d|downsample\.1)\./.test(name),
    )
    // Torchvision counts no scale and shift of its frozen BatchNorm, and its P6 is made of P5, METHOD.md's of C5.
    const scales = norms.reduce((total, { shape }) => total + sizeOf(shape), 0)
    expect(declarations.parameterCount() - scales - 256 * (2048 - 256) * 9).toBe(34_014_999)
  })

  it('takes the auxiliary losses and statistics of a mixture in its backbone', () => {
    const layer = {
      position: 4,
      style: 'resblock',
      experts: 3,
      k: 2,
      expertWidth: 4,
      gate: gapFc,
      constraint: kl({ weight: 0.5 }),
      weighting: 'softmax-after-top-k',
      dispatch: 'sparse',
      noise: true,
      lift: null,
    } as const
    const backbone = { ...published.backbone, ...embed('resnet18', 64, [layer]) }
    const { losses, stats, declarations } = build({ backbone, mixture })
    expect(stats.map(({ name }) => name)).toEqual([
      'layer4',
      'head.classification_head',
      'head.regression_head',
    ])
    expect(losses.length).toBe(3)
    expect(declarations.parameters.has('layer4.experts.2.1.conv2.weight')).toBe(true)
    expect(() => build({ backbone, freeze: 'trunk' })).toThrow('would not be trained')
  })
})

describe('its backbone', () => {
  it.each([
    ['resnet18', 'layer3.1.conv2.weight', [256, 256, 3, 3]],
    ['resnet34', 'layer3.5.conv2.weight', [256, 256, 3, 3]],
    ['resnet50', 'layer3.5.conv2.weight', [256, 256, 3, 3]],
  ] as const)('may be %s', (name, last, shape) => {
    const { declarations } = build({ backbone: { name, stem: 'imagenet', width: 64 } })
    const got = shapesOf(declarations.all())
    expect(got[last]).toEqual(shape)
    expect(Object.keys(got).filter(one => /^layer3\.\d\.conv2/.test(one))).toHaveLength(
      name === 'resnet18' ? 2 : 6,
    )
    expect(got['fpn.inner_blocks.2.0.weight']).toEqual([256, name === 'resnet50' ? 2048 : 512, 1, 1])
  })
})

describe('freezing', () => {
  it('nothing moves all averages of BatchNorm', () => {
    const { declarations } = build()
    expect(declarations.updates.size).toBe(2 * 20)
  })

  it('batch-norm leaves its averages, and trains its scales and shifts', () => {
    const { declarations } = build({ freeze: 'batch-norm' })
    expect(declarations.updates.size).toBe(0)
    expect([...declarations.parameters.keys()].sort()).toEqual(
      [...build().declarations.parameters.keys()].sort(),
    )
  })

  it('trunk trains and moves nothing but the mixtures in the heads', () => {
    const inMixture = /^head\.(classification|regression)_head\.(gate|experts)\./
    const whole = build({ freeze: 'trunk', mixture })
    expect(whole.declarations.updates.size).toBe(0)
    expect([...whole.declarations.parameters.keys()].every(name => inMixture.test(name))).toBe(true)
    const one = build({ freeze: 'trunk', mixture: { ...mixture, heads: 'regression' } })
    const trained = [...one.declarations.parameters.keys()]
    expect(trained.every(name => name.startsWith('head.regression_head.'))).toBe(true)
    // Saved all the same, under the same names.
    const names = ({ declarations }: Built): string[] => declarations.all().map(({ name }) => name)
    expect(names(whole).sort()).toEqual(names(build({ mixture })).sort())
    const counted = build({ freeze: 'trunk', mixture: { ...mixture, constraint: relative() } })
    expect([...counted.declarations.updates.keys()]).toEqual([
      'head.classification_head.constraint.r',
      'head.regression_head.constraint.r',
    ])
  })

  it('early-stages trains stage 4 and all after it, and moves no average', () => {
    const { declarations } = build({ freeze: 'early-stages' })
    expect(declarations.updates.size).toBe(0)
    const isEarly = (name: string): boolean => /^(conv1|bn1|layer[123])\./.test(name)
    const plain = [...build().declarations.parameters.keys()]
    expect([...declarations.parameters.keys()].sort()).toEqual(plain.filter(name => !isEarly(name)).sort())
    expect([...declarations.frozen].sort()).toEqual(plain.filter(isEarly).sort())
  })

  it('features trains both heads, whatever of them is a mixture', () => {
    for (const part of ['head', 'last-conv'] as const) {
      const heads = { ...mixture, part }
      const { declarations } = build({ freeze: 'features', mixture: heads })
      expect(declarations.updates.size).toBe(0)
      const all = [...build({ mixture: heads }).declarations.parameters.keys()]
      expect([...declarations.parameters.keys()].sort()).toEqual(
        all.filter(name => name.startsWith('head.')).sort(),
      )
      expect([...declarations.frozen].every(name => /^(conv1|bn1|layer\d|fpn)\./.test(name))).toBe(true)
    }
  })

  it('refuses a mixture in a part that it leaves unchanged, at whatever position', () => {
    const at = (position: number, style: 'block' | 'conv') => ({
      ...published.backbone,
      ...embed('resnet18', 64, [
        {
          position,
          style,
          experts: 2,
          k: 2,
          expertWidth: null,
          gate: gapFc,
          constraint: none(),
          weighting: 'softmax-after-top-k',
          dispatch: 'sparse',
          noise: false,
          lift: null,
        },
      ]),
    })
    for (const style of ['block', 'conv'] as const) {
      for (const position of [0, 1, 3])
        expect(() => build({ freeze: 'early-stages', backbone: at(position, style) })).toThrow(
          `freezes position ${position} of the backbone`,
        )
      const { declarations } = build({ freeze: 'early-stages', backbone: at(4, style) })
      expect([...declarations.parameters.keys()].some(name => /^layer4.*experts\.1/.test(name))).toBe(true)
      expect(() => build({ freeze: 'features', backbone: at(4, style) })).toThrow('would not be trained')
    }
  })

  it('does not change what an evaluation declares', () => {
    for (const freeze of ['nothing', 'batch-norm', 'early-stages', 'features', 'trunk'] as const) {
      const { declarations } = build({ freeze, mixture }, false)
      expect(declarations.updates.size).toBe(0)
      expect(declarations.all().length).toBe(build({ mixture }, false).declarations.all().length)
    }
  })
})

const fewAnchors: AnchorOptions = { size: 4, scales: [1], ratios: [0.5, 2] }
const tiny: RetinaNetOptions = {
  backbone: { name: 'resnet18', stem: 'strided', width: 2 },
  classes: 2,
  channels: 4,
  headDepth: 2,
  anchors: fewAnchors,
  mixture: { ...mixture, experts: 3 },
  freeze: 'nothing',
}
const images = [2, 3, 32, 32]
/** 8², 4², 2², 1 and 1 positions. */
const total = 2 * 86
const targets = Array.from({ length: 2 * total }, (_, i) => [2, 0, 2, -1, 1, 2, 2][(3 * i) % 7]!)

/** Values that let something through every layer; the last expert of every gate gets no row. */
function plausible({ name, shape }: Declaration): OracleInput {
  if (name.endsWith('running_var')) return { shape, range: [0.5, 1.5] }
  if (/bn\d\.weight|downsample\.1\.weight/.test(name)) return { shape, range: [0.8, 1.2] }
  if (name.endsWith('gate.fc.bias')) return { shape, values: [0, 0.1, -40] }
  const bound = shape.length > 1 ? Math.sqrt(3 / sizeOf(shape.slice(1))) : 0.1
  return { shape, range: [-bound, bound] }
}

/** Results and task loss of the tiny detector, with the auxiliary losses. */
function tinyLoss(
  given: Tensor,
  options: RetinaNetOptions,
  training = true,
): Built & { readonly loss: Tensor } {
  const { graph } = given
  const scope = Scope.root(graph, { training })
  const result = retinanet(scope, given, options)
  const both = detectionLosses(result.classes, result.boxes, {
    classes: graph.input('targets', 'int64', [2, total]),
    boxes: graph.input('box targets', 'float32', [2, total, 4]),
  })
  const loss = result.losses.reduce(add, add(both.classification, both.regression))
  return { ...result, loss, graph, declarations: scope.declarations }
}

function inputsOf(declarations: Declarations): Record<string, OracleInput> {
  return {
    images: { shape: images },
    targets: { shape: [2, total], dtype: 'int64', values: targets },
    'box targets': { shape: [2, total, 4] },
    ...Object.fromEntries(declarations.all().map(declaration => [declaration.name, plausible(declaration)])),
    ...Object.fromEntries(
      [...declarations.noise].map(([name, { tensor }]) => [name, { shape: tensor.shape.map(Number) }]),
    ),
  }
}

const variants: Record<string, RetinaNetOptions['mixture']> = {
  'plain heads': null,
  'both heads, a gate each': { ...mixture, experts: 3 },
  'both heads, one gate': { ...mixture, experts: 3, gates: 'shared' },
  'the last convolutions': { ...mixture, experts: 3, part: 'last-conv' },
  'the regression head': { ...mixture, experts: 3, heads: 'regression' },
  'the classification head': { ...mixture, experts: 3, heads: 'classification' },
}
/** Its gate's gradient is straight-through: none that finite differences would find. */
const straightThrough: RetinaNetOptions['mixture'] = {
  ...mixture,
  experts: 3,
  k: 1,
  weighting: 'softmax-before-top-k',
}

describe('a whole tiny detector', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  it.each(Object.entries(variants))(
    'with %s: gradients agree with finite differences, and the engine with the interpreter',
    async (_name, heads) => {
      const options = { ...tiny, mixture: heads }
      const { declarations } = tinyLoss(new Graph().input('images', 'float32', images), options)
      const item = {
        inputs: inputsOf(declarations),
        build: (given: Readonly<Record<string, Tensor>>) => tinyLoss(given.images!, options).loss,
        wrt: [...declarations.parameters.keys()],
        tolerance: 2e-3,
      }
      expectDifferentiable(item)
      await expectEngineAgrees(engine, item)
    },
  )

  it('with experts in a stage of its backbone: gradients agree, and the engine with the interpreter', async () => {
    const layer = {
      position: 4,
      style: 'resblock',
      experts: 3,
      k: 2,
      expertWidth: 2,
      gate: gapFc,
      constraint: kl(),
      weighting: 'softmax-after-top-k',
      dispatch: 'sparse',
      noise: true,
      lift: null,
    } as const
    const backbone = { ...tiny.backbone, ...embed('resnet18', 2, [layer]) }
    const options = { ...tiny, backbone, mixture: null }
    const { declarations } = tinyLoss(new Graph().input('images', 'float32', images), options)
    const wrt = [...declarations.parameters.keys()].filter(name => /^layer4|^fpn.inner/.test(name))
    expect(wrt).toContain('layer4.experts.0.0.conv1.weight')
    const item = {
      inputs: inputsOf(declarations),
      build: (given: Readonly<Record<string, Tensor>>) => tinyLoss(given.images!, options).loss,
      wrt,
      tolerance: 2e-3,
    }
    expectDifferentiable(item)
    await expectEngineAgrees(engine, item)
  })

  const constraints: Record<string, Constraint> = {
    ...{ none: none(), importance: importance(), kl: kl(), load: load(), entropy: entropy() },
    ...{ 'switch loss': switchLoss(), 'z-loss': zLoss(), 'loss-free': lossFree() },
    ...{ relative: relative(), mean: meanImportance() },
  }
  it.each(Object.entries(constraints))(
    'may be balanced by %s, over all levels of all images',
    async (name, constraint) => {
      const options = { ...tiny, mixture: { ...mixture, experts: 3, constraint } }
      const { declarations, losses, stats } = tinyLoss(
        new Graph().input('images', 'float32', images),
        options,
      )
      expect(stats.map(({ routing }) => routing.weights.shape)).toEqual([
        [10, 3],
        [10, 3],
      ])
      expect(losses.length).toBe(new Set(['none', 'loss-free', 'relative', 'mean']).has(name) ? 0 : 2)
      await expectEngineAgrees(engine, {
        inputs: inputsOf(declarations),
        build: given => tinyLoss(given.images!, options).loss,
        wrt: [],
        tolerance: 2e-3,
      })
    },
  )

  const state = (declarations: Declarations): Map<string, HostTensor> =>
    new Map(
      Object.entries(inputsOf(declarations)).map(([name, { shape, values, range = [-1, 1], dtype }]) => {
        const source = draws(3, name)
        const data = values ?? Array.from({ length: sizeOf(shape) }, () => source.between(range[0], range[1]))
        return dtype === 'int64'
          ? [name, { dtype, shape, data: BigInt64Array.from(data, BigInt) }]
          : [name, floats(shape, data)]
      }),
    )

  async function results(
    options: RetinaNetOptions,
    training: boolean,
  ): Promise<{ readonly values: Map<string, HostTensor>; readonly names: string[] }> {
    const { classes, boxes, loss, graph, declarations } = tinyLoss(
      new Graph().input('images', 'float32', images),
      options,
      training,
    )
    const names = training ? [...declarations.parameters.keys()] : []
    const slopes = gradients(
      loss,
      names.map(name => graph.inputs.get(name)!),
    )
    const program = lower(
      new Map([
        ['classes', classes.value],
        ['boxes', boxes],
        ...(training ? [['loss', loss] as const] : []),
        ...names.map((name, i) => [`gradient of ${name}`, slopes[i]!] as const),
      ]),
    )
    const fed = [...state(declarations)].filter(([name]) => program.inputs.some(input => input.name === name))
    const loaded = await engine.load(program)
    const values = await loaded.run(new Map(fed))
    await loaded.release()
    return { values, names }
  }

  function expectSame(got: ReadonlyMap<string, HostTensor>, wanted: ReadonlyMap<string, HostTensor>): void {
    expect([...got.keys()]).toEqual([...wanted.keys()])
    for (const [name, tensor] of wanted) expectValues(numbers(got.get(name)!), numbers(tensor), 1e-5, name)
  }

  it.each([...Object.entries(variants).slice(1), ['both heads, K = 1', straightThrough] as const])(
    'with %s gives the same by sparse, dense and capacity dispatch: results, loss, all gradients',
    async (_name, heads) => {
      const [sparse, dense, capacity] = await Promise.all(
        (['sparse', 'dense', 'capacity'] as const).map(dispatch =>
          results({ ...tiny, mixture: { ...heads!, dispatch, capacityFactor: 3 } }, true),
        ),
      )
      expectSame(sparse!.values, dense!.values)
      // The expert that no image chooses is given both, with weight 0.
      expectSame(sparse!.values, capacity!.values)
      const idle = sparse!.names.filter(name => name.includes('experts.2.'))
      expect(idle.length).toBeGreaterThan(0)
      for (const name of idle)
        expect(numbers(sparse!.values.get(`gradient of ${name}`)!).every(x => x === 0)).toBe(true)
      for (const name of sparse!.names.filter(one => one.includes('experts.0.')))
        expect(numbers(sparse!.values.get(`gradient of ${name}`)!).some(x => x !== 0)).toBe(true)
    },
  )

  it('gives the same by all dispatches when analysed with other routings', async () => {
    for (const override of [
      { kind: 'single', expert: 2 },
      { kind: 'equal' },
      { kind: 'gate', k: 3 },
    ] as const) {
      const [sparse, dense, stacked] = await Promise.all(
        (['sparse', 'dense', 'stacked'] as const).map(dispatch =>
          results(
            { ...tiny, mixture: { ...mixture, experts: 3, constraint: none(), override, dispatch } },
            false,
          ),
        ),
      )
      expectSame(dense!.values, sparse!.values)
      expectSame(stacked!.values, sparse!.values)
    }
  })
})
