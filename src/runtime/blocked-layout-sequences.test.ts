import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectEngineAgrees, type OracleCase, type OracleInput } from '../../test/oracle.ts'
import {
  add,
  batchNormInference,
  batchNormTraining,
  conv2d,
  exp,
  Graph,
  gradients,
  lower,
  maxPool,
  mul,
  relu,
  sigmoid,
  sub,
  sum,
  type Tensor,
  updatedStatistics,
} from '../graph/index.ts'
import type { OnnxModel, OnnxNode } from '../graph/onnx.ts'
import { heaviside } from '../graph/ops/elementwise.ts'
import { blockSize } from './block-size.ts'
import { withBlockedLayout } from './blocked-layout.ts'
import { Engine } from './engine.ts'

/** The ops between the convolutions of a network, in the blocked layout. */

interface Shape {
  /** Symbolic on request. */
  readonly images: number | { readonly fed: number }
  readonly channels: number
  readonly outputs?: number
  readonly extent?: number
  readonly stride?: 1 | 2
}

type Tensors = Readonly<Record<string, Tensor>>

/** A residual block with a shortcut of its own where it changes the shape, and the running averages of its first BatchNorm. */
function residualBlock({ channels, outputs = channels, stride = 1 }: Shape): (inputs: Tensors) => Tensor[] {
  return ({ x, v, w, s, scale, shift, running }) => {
    const first = conv2d(x!, v!, { padding: 1, stride })
    const normal = batchNormTraining(first, scale!, shift!, 1e-5)
    const statistics = updatedStatistics(first, { mean: running!, variance: running! }, normal, 0.1)
    const inner = relu(normal.output)
    const second = batchNormTraining(conv2d(inner, w!, { padding: 1 }), scale!, shift!, 1e-5)
    const isSame = outputs === channels && stride === 1
    const kept = isSame ? x! : batchNormTraining(conv2d(x!, s!, { stride }), scale!, shift!, 1e-5).output
    return [relu(add(second.output, kept)), second.mean, statistics.mean, statistics.variance]
  }
}

function inputsOf({ images, channels, outputs = channels, extent = 6 }: Shape): Record<string, OracleInput> {
  const [count, symbolic] = typeof images === 'number' ? [images] : [images.fed, { 0: 'n' }]
  const vector = { shape: [outputs], range: [0.5, 1.5] } as const
  return {
    x: { shape: [count, channels, extent, extent], ...(symbolic === undefined ? {} : { symbolic }) },
    v: { shape: [outputs, channels, 3, 3] },
    w: { shape: [outputs, outputs, 3, 3] },
    s: { shape: [outputs, channels, 1, 1] },
    scale: vector,
    shift: vector,
    running: vector,
  }
}

/** The nodes of a graph of x [images, 16, 6, 6] and its gradient, on blocks of 16. */
function nodesOf(build: (x: Tensor, kernel: () => Tensor) => readonly Tensor[]): readonly OnnxNode[] {
  const graph = new Graph()
  let count = 0
  const x = graph.input('x', 'float32', [16, 16, 6, 6])
  const outputs = build(x, () => graph.input(`w${count++}`, 'float32', [16, 16, 3, 3]))
  const named = outputs.map((tensor, i) => [`output ${i}`, tensor] as const)
  return withBlockedLayout(lower(new Map(named)).graph!, 16).nodes
}

const count = (nodes: readonly OnnxNode[], op: string): number => nodes.filter(node => node.op === op).length

describe('ops between convolutions', () => {
  const same = { padding: 1 }

  // Blocks of 8 need another processor, but the emitted nodes can be compared.
  it.each([16, 8])('stays on blocks, of %i, forwards and backwards', block => {
    const shape = { images: 16, channels: 16, outputs: 32, stride: 2 } as const
    const graph = new Graph()
    const tensors = Object.fromEntries(
      Object.entries(inputsOf(shape)).map(([name, input]) => [
        name,
        graph.input(name, 'float32', input.shape),
      ]),
    )
    const [y] = residualBlock(shape)(tensors)
    const [dv] = gradients(sum(mul(y!, y!)), [tensors.v!])
    const { nodes } = withBlockedLayout(lower(new Map([['dv', dv!]])).graph!, block)
    expect(count(nodes, 'BatchNormalization') + count(nodes, 'Relu')).toBe(0)
    // Only the gradient of the kernel is plain.
    expect(count(nodes, 'ReorderOutput')).toBe(1)
  })

  it('is put on blocks for a BatchNorm by itself, where its channels fill them well enough for convolutions', () => {
    const isBlocked = (channels: number): boolean => {
      const graph = new Graph()
      const x = graph.input('x', 'float32', [4, channels, 6, 6])
      const [scale, shift] = ['scale', 'shift'].map(name => graph.input(name, 'float32', [channels]))
      const { output } = batchNormTraining(x, scale!, shift!, 1e-5)
      return (
        count(withBlockedLayout(lower(new Map([['y', output]])).graph!, 16).nodes, 'BatchNormalization') === 0
      )
    }
    expect([64, 24, 8, 20, 3].map(isBlocked)).toEqual([true, true, false, false, false])
  })

  it('is done by the convolution that made it, where nothing else reads that', () => {
    const nodes = nodesOf((x, w) => [relu(add(conv2d(x, w(), same), x))])
    const [conv] = nodes.filter(({ op }) => op === 'Conv')
    expect(conv!.attributes.activation).toBe('Relu')
    expect(conv!.inputs).toHaveLength(4)
    expect(count(nodes, 'Relu') + count(nodes, 'Add')).toBe(0)
  })

  it('is done by itself where something else reads it too', () => {
    const both = nodesOf((x, w) => {
      const y = conv2d(x, w(), same)
      return [relu(y), y]
    })
    expect(count(both, 'Relu')).toBe(1)
    const twice = nodesOf((x, w) => {
      const y = conv2d(x, w(), same)
      return [conv2d(relu(y), w(), same), add(y, conv2d(y, w(), same))]
    })
    expect(count(twice, 'Relu')).toBe(1)
  })

  it('is plain where shapes differ, where nothing is in blocks, and where zeros do not stay zeros', () => {
    const scaled = nodesOf((x, w) => [
      mul(conv2d(x, w(), same), x.graph.input('weights', 'float32', [16, 1, 1, 1])),
    ])
    expect(scaled.at(-1)).toMatchObject({ op: 'Mul', inputs: [expect.not.stringContaining('#'), 'weights'] })
    expect(nodesOf(x => [relu(add(x, x))]).map(({ op }) => op)).toEqual(['Add', 'Relu'])
    const shifted = nodesOf((x, w) => [add(conv2d(x, w(), same), x.graph.scalar(1))])
    expect(shifted.slice(-2).map(({ op }) => op)).toEqual(['ReorderOutput', 'Add'])
  })

  it.each<[string, (y: Tensor) => Tensor]>([
    ['Exp', exp],
    ['Sigmoid', sigmoid],
    ['ReduceSum', y => sum(y, [0, 2, 3], { keepDims: true })],
    ['ReduceSum', y => sum(y, [0, 2])],
    ['Mul', y => mul(y.graph.input('vector', 'float32', [16, 1, 1]), y)],
  ])('is plain for an op that cannot be written so: %s', (op, build) => {
    const nodes = nodesOf((x, w) => [build(conv2d(x, w(), same))])
    expect(nodes.slice(-2).map(node => node.op)).toEqual(['ReorderOutput', op])
  })

  it('is plain for a hard sigmoid that maps 0 to another value, and in a model without declared shapes', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [16, 16, 6, 6])
    const y = heaviside(conv2d(x, graph.input('w', 'float32', [16, 16, 3, 3]), same))
    const model = lower(new Map([['y', y]])).graph!
    const last = (changed: Partial<OnnxModel>): string =>
      withBlockedLayout({ ...model, ...changed }, 16).nodes.at(-1)!.op
    expect(last({})).toBe('ReorderOutput')
    expect(last({ shapes: new Map() })).toBe('HardSigmoid')
    const [convolution, step] = model.nodes as readonly [OnnxNode, OnnxNode]
    const shifted = { ...step, attributes: { ...step.attributes, beta: { float: 0.5 } } }
    expect(last({ nodes: [convolution, shifted] })).toBe('HardSigmoid')
  })
})

describe('A residual block on blocks', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start()
    // Otherwise all of this would be plain, and agree.
    if (process.arch === 'x64') expect(await blockSize()).toBeDefined()
  })
  afterAll(() => engine.stop())

  const shapes: readonly Shape[] = [
    { images: 5, channels: 16 },
    { images: 16, channels: 32, extent: 4 },
    // Blocks that are not full.
    { images: 3, channels: 24 },
    { images: 9, channels: 16, outputs: 20, stride: 2 },
    { images: 2, channels: 12, outputs: 28 },
    // Channels that do not come in fours.
    { images: 16, channels: 25 },
    { images: { fed: 7 }, channels: 30, outputs: 13, stride: 2 },
    // As in experts.
    ...[0, 1, 7, 17].map(fed => ({ images: { fed }, channels: 16, extent: 4 })),
    ...[0, 3].map(fed => ({ images: { fed }, channels: 24, outputs: 28, stride: 2 as const })),
  ]
  it.each(shapes)('%j agrees with the interpreter, and so do its gradients', async shape => {
    const wrt = ['x', 'v', 'w', 's', 'scale', 'shift']
    const isSame = (shape.outputs ?? shape.channels) === shape.channels && shape.stride !== 2
    const item: OracleCase = {
      inputs: inputsOf(shape),
      build: residualBlock(shape),
      wrt: isSame ? wrt.filter(name => name !== 's') : wrt,
      tolerance: 4e-5,
    }
    await expectEngineAgrees(engine, item)
  })

  it('normalises channels whose mean is thousands of times their deviation', async () => {
    await expectEngineAgrees(engine, {
      inputs: {
        x: { shape: [4, 16, 8, 8], range: [1000, 1001] },
        scale: { shape: [16] },
        shift: { shape: [16] },
      },
      build: ({ x, scale, shift }) => {
        const { output, variance } = batchNormTraining(x!, scale!, shift!, 1e-5)
        return [output, variance]
      },
      wrt: [],
      tolerance: 3e-4,
    })
  })

  it('adds more than two, and cuts off before it adds', async () => {
    await expectEngineAgrees(engine, {
      inputs: { x: { shape: [3, 16, 6, 6] }, v: { shape: [16, 16, 3, 3] }, w: { shape: [16, 16, 3, 3] } },
      build: ({ x, v, w }) => {
        const [one, two] = [conv2d(x!, v!, { padding: 1 }), conv2d(x!, w!, { padding: 1 })]
        const three = add(add(one, two), conv2d(two, v!, { padding: 1 }))
        return [add(add(three, relu(conv2d(three, w!, { padding: 1 }))), x!), relu(relu(conv2d(x!, w!)))]
      },
    })
  })

  it('adds what the convolution itself reads, which stays what it was', async () => {
    await expectEngineAgrees(engine, {
      inputs: { x: { shape: [3, 16, 6, 6] }, v: { shape: [16, 16, 3, 3] }, w: { shape: [16, 16, 1, 1] } },
      build: ({ x, v, w }) => {
        const one = relu(add(conv2d(x!, v!, { padding: 1 }), x!))
        return relu(add(conv2d(one, w!), one))
      },
    })
  })

  it('divides by nothing in blocks that are not full when ε is 0', async () => {
    await expectEngineAgrees(engine, {
      inputs: inputsOf({ images: 3, channels: 20 }),
      build: ({ x, v, w, scale, shift }) => {
        const { output } = batchNormTraining(conv2d(x!, v!, { padding: 1 }), scale!, shift!, 0)
        return conv2d(relu(output), w!, { padding: 1 })
      },
      wrt: ['x', 'v', 'w', 'scale', 'shift'],
      tolerance: 4e-5,
    })
  })

  it('counts its numbers for what reads it plain', async () => {
    const inputs = inputsOf({ images: { fed: 3 }, channels: 20 })
    await expectEngineAgrees(engine, {
      inputs: { x: inputs.x!, v: inputs.v! },
      build: ({ x, v }) => maxPool(relu(conv2d(x!, v!, { padding: 1 })), { kernel: 2, stride: 2 }),
      tolerance: 4e-5,
    })
  })

  it('with fixed statistics, and differences, agrees too', async () => {
    for (const channels of [16, 20, 24]) {
      const shape = { images: 3, channels }
      await expectEngineAgrees(engine, {
        inputs: inputsOf(shape),
        build: ({ x, v, w, scale, shift, running }) => {
          const normal = (y: Tensor): Tensor => batchNormInference(y, scale!, shift!, shift!, running!, 1e-5)
          const inner = relu(normal(conv2d(x!, v!, { padding: 1 })))
          return sub(relu(normal(conv2d(inner, w!, { padding: 1 }))), inner)
        },
        wrt: ['x', 'v', 'w', 'scale', 'shift', 'running'],
        tolerance: 4e-5,
      })
    }
  })
})
