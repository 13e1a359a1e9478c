import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { conv2d, Graph, gradients, lower, mul, type Program, sum } from '../graph/index.ts'
import type { OnnxModel, OnnxNode } from '../graph/onnx.ts'
import { blockSize } from './block-size.ts'
import { withBlockedLayout } from './blocked-layout.ts'
import { Engine } from './engine.ts'

interface Shape {
  /** A number, by default 8, which is half a block; or symbolic. */
  readonly images?: number | { readonly fed: number }
  readonly channels: number
  readonly outputs: number
  readonly extent: number
  readonly width?: number
  readonly kernel?: number
  readonly stride?: number
  /** Default: (kernel − 1) / 2. */
  readonly padding?: number
}

/** A convolution, its value and both its gradients, as a training step has them. */
function program(shape: Shape): Program {
  const { images = 8, channels, outputs, extent, width = extent, kernel = 3, stride = 1 } = shape
  const { padding = (kernel - 1) / 2 } = shape
  const graph = new Graph()
  const x = graph.input('x', 'float32', [typeof images === 'number' ? images : 'n', channels, extent, width])
  const w = graph.input('w', 'float32', [outputs, channels, kernel, kernel])
  const y = conv2d(x, w, { stride, padding })
  const [dx, dw] = gradients(sum(mul(y, y)), [x, w])
  return lower(
    new Map([
      ['y', y],
      ['dx', dx!],
      ['dw', dw!],
    ]),
  )
}

function random(name: string, shape: readonly (number | string)[], images = 0): HostTensor {
  const source = draws(3, name)
  const extents = shape.map(extent => (typeof extent === 'number' ? extent : images))
  return floats(
    extents,
    Float32Array.from({ length: sizeOf(extents) }, () => source.normal()),
  )
}

function convolution(fields: Partial<OnnxNode> = {}): OnnxNode {
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }
  return {
    op: 'Conv',
    name: 'c',
    inputs: ['x', 'w'],
    outputs: ['y'],
    attributes,
    ...channels(16, 16),
    ...fields,
  }
}

function channels(inputs: number, outputs: number): Pick<OnnxNode, 'semantics'> {
  return { semantics: { kind: 'convolution', channels: { inputs, outputs } } }
}

/** The nodes, and all their outputs. */
function model(...nodes: readonly OnnxNode[]): OnnxModel {
  const outputs = nodes.flatMap(node =>
    node.outputs.map(name => ({ name, dtype: 'float32', shape: [] }) as const),
  )
  return { name: 'test', nodes, initializers: [], inputs: [], outputs }
}

const opsOf = ({ nodes }: OnnxModel): string[] => nodes.map(({ op }) => op)

describe('the block size', () => {
  it.runIf(process.arch === 'x64')('is found: 16 channels with AVX-512, 8 without', async () => {
    expect([16, 8]).toContain(await blockSize())
  })

  it.runIf(process.arch === 'x64')('is not confused with another one', async () => {
    const right = await blockSize()
    expect(await blockSize([right === 16 ? 8 : 16])).toBeUndefined()
  })
})

describe('convolutions on blocks', () => {
  it('are those without groups and bias whose channels fill their blocks', () => {
    const rewritten = (fields: Partial<OnnxNode>): boolean =>
      opsOf(withBlockedLayout(model(convolution(fields)), 16)).includes('ReorderInput')
    expect(rewritten({})).toBe(true)
    expect(rewritten(channels(180, 512))).toBe(true)
    expect(rewritten(channels(24, 24))).toBe(true)
    expect(rewritten(channels(16, 25))).toBe(true)
    expect(rewritten(channels(17, 25))).toBe(false)
    // An input that has to be filled up to fours has a known shape.
    expect(rewritten(channels(25, 64))).toBe(false)
    expect(rewritten(channels(3, 64))).toBe(false)
    expect(rewritten(channels(20, 20))).toBe(false)
    expect(rewritten({ inputs: ['x', 'w', 'b'] })).toBe(false)
    const { semantics: _, ...grouped } = convolution()
    expect(opsOf(withBlockedLayout(model(grouped), 16))).toEqual(['Conv'])
  })

  it('share the blocks of an activation', () => {
    const second = convolution({ name: 'd', outputs: ['z'] })
    const ops = opsOf(withBlockedLayout(model(convolution(), second), 16))
    // Theirs, and two for each kernel.
    expect(ops.filter(op => op === 'ReorderInput')).toHaveLength(1 + 2 * 2)
    expect(ops.filter(op => op === 'ReorderOutput')).toHaveLength(2)
  })

  it('in direct sequence pass their blocks on', () => {
    const second = convolution({ name: 'd', inputs: ['y', 'v'], outputs: ['z'] })
    const { nodes } = withBlockedLayout(model(convolution(), second), 16)
    expect(nodes.filter(({ op }) => op === 'ReorderInput')).toHaveLength(1 + 2 * 2)
    const made = nodes.flatMap(({ outputs }) => outputs)
    expect(new Set(made).size).toBe(made.length)
  })
})

describe('gradients on blocks', () => {
  const shape = { images: 48, channels: 32, outputs: 32, extent: 8 }
  const nodesOf = (fields: Partial<Shape>): readonly OnnxNode[] =>
    withBlockedLayout(program({ ...shape, ...fields }).graph!, 16).nodes
  /** Of the gradient of the kernel: undefined if it is not one convolution. */
  const groups = (nodes: readonly OnnxNode[]): unknown =>
    nodes.find(({ op, name }) => op === 'Conv' && name.includes('WeightGradient'))?.attributes.group

  it('leave no matrix product and no transposed convolution', () => {
    for (const fields of [
      {},
      { stride: 2 },
      { stride: 2, kernel: 1 },
      { images: { fed: 0 } },
      { channels: 3 },
      { extent: 4 },
    ]) {
      const ops = nodesOf(fields).map(({ op }) => op)
      const others = ops.filter(op => ['Gemm', 'MatMul', 'ConvTranspose', 'Slice'].includes(op))
      // Three channels would not fill a block, so what goes back to them stays plain.
      expect(others).toEqual('channels' in fields ? ['Slice'] : [])
    }
  })

  it('are split by images where their maps are large, and are not where the number of images is unknown', () => {
    expect(groups(nodesOf({ extent: 32 }))).toBe(3)
    expect(groups(nodesOf({ extent: 4 }))).toBeUndefined()
    expect(groups(nodesOf({ extent: 32, images: { fed: 0 } }))).toBeUndefined()
  })

  it('stay unchanged for too few images or channels, and padding as large as the kernel', () => {
    const stays = (fields: Partial<Shape>): boolean =>
      nodesOf(fields).some(
        ({ op, name }) => ['Gemm', 'MatMul'].includes(op) && name.includes('WeightGradient'),
      )
    expect(stays({ images: 7 })).toBe(true)
    expect(stays({ images: 8 })).toBe(false)
    expect(stays({ kernel: 1, padding: 1 })).toBe(true)
    expect(stays({ outputs: 30 })).toBe(false)
    expect(stays({ outputs: 7 })).toBe(true)
  })

  it('put images side by side where they are narrow', () => {
    const together = (fields: Partial<Shape>): boolean =>
      nodesOf(fields).some(({ op, attributes }) => op === 'Conv' && String(attributes.dilations) === '1,16')
    expect(together({ extent: 4 })).toBe(true)
    expect(together({ extent: 4, images: { fed: 0 } })).toBe(true)
    expect(together({ extent: 4, images: 9 })).toBe(false)
    expect(together({ extent: 8 })).toBe(false)
    expect(together({ extent: 4, kernel: 5 })).toBe(false)
  })
})

describe('A convolution and its gradients', () => {
  let blocked: Engine
  let plain: Engine
  beforeAll(async () => {
    blocked = await Engine.start()
    plain = await Engine.start({ rewrite: false })
  })
  afterAll(() => Promise.all([blocked.stop(), plain.stop()]))

  // Every shape of the recipes' networks (widths 16, 24 and 64, their experts too), with fewer images.
  const shapes: readonly Shape[] = [
    ...[16, 24, 64].flatMap(width => [
      { channels: width, outputs: width, extent: 32 },
      { channels: width, outputs: 2 * width, extent: 32, stride: 2 },
      { channels: width, outputs: 2 * width, extent: 32, kernel: 1, stride: 2 },
      { channels: 2 * width, outputs: 2 * width, extent: 16 },
      { channels: 4 * width, outputs: 4 * width, extent: 8 },
      { channels: 4 * width, outputs: 8 * width, extent: 8, stride: 2 },
      { channels: 8 * width, outputs: 8 * width, extent: 4 },
    ]),
    { channels: 3, outputs: 64, extent: 32 },
    { channels: 64, outputs: 25, extent: 32 },
    { channels: 25, outputs: 64, extent: 32 },
    { channels: 50, outputs: 128, extent: 16 },
    { channels: 90, outputs: 256, extent: 8 },
    { channels: 180, outputs: 512, extent: 4 },
    { channels: 96, outputs: 68, extent: 8, stride: 2 },
    { channels: 68, outputs: 192, extent: 4, kernel: 1 },
    { images: 0, channels: 68, outputs: 192, extent: 4 },
    { images: 1, channels: 64, outputs: 64, extent: 1 },
    // Blocks of images that are not full, several of them, and too few images for a block.
    { images: 20, channels: 32, outputs: 32, extent: 4 },
    { images: 43, channels: 20, outputs: 24, extent: 8, width: 6, stride: 2 },
    { images: 40, channels: 4, outputs: 16, extent: 16, kernel: 1 },
    { images: 7, channels: 32, outputs: 32, extent: 8 },
    // Rows and columns that are not read, odd extents, larger kernels.
    { channels: 3, outputs: 32, extent: 33, width: 32, kernel: 7, stride: 2 },
    { channels: 16, outputs: 16, extent: 7, width: 9, kernel: 5, stride: 2 },
    { channels: 16, outputs: 32, extent: 9, width: 6, kernel: 1, stride: 3 },
    { channels: 32, outputs: 32, extent: 12, width: 10, kernel: 5, stride: 2 },
    { channels: 16, outputs: 16, extent: 6, width: 3 },
    { channels: 16, outputs: 16, extent: 7, stride: 3 },
    { channels: 16, outputs: 16, extent: 8, stride: 4 },
    { channels: 16, outputs: 16, extent: 6, padding: 0 },
    { channels: 16, outputs: 16, extent: 6, padding: 2 },
    { channels: 16, outputs: 16, extent: 1, kernel: 1, stride: 2, padding: 2 },
    { channels: 16, outputs: 16, extent: 8, kernel: 2, stride: 2, padding: 0 },
    { channels: 16, outputs: 16, extent: 8, kernel: 4, stride: 2, padding: 1 },
    { channels: 32, outputs: 32, extent: 1 },
    { channels: 32, outputs: 32, extent: 1, kernel: 1 },
    { images: 24, channels: 16, outputs: 32, extent: 3, width: 5 },
    { images: 128, channels: 16, outputs: 16, extent: 32 },
    // As in experts: none, a few, several blocks.
    ...[0, 1, 16, 37].map(fed => ({ images: { fed }, channels: 48, outputs: 32, extent: 4 })),
    ...[0, 5].map(fed => ({ images: { fed }, channels: 32, outputs: 64, extent: 8, stride: 2 })),
    ...[0, 5].map(fed => ({ images: { fed }, channels: 32, outputs: 64, extent: 8, kernel: 1, stride: 2 })),
  ]
  it.each(shapes)('%j are the same on blocks and without', async shape => {
    // Sums of up to 45,000 products, each way in an order of its own; gradients by Winograd's algorithm of a y of the same.
    const images = typeof shape.images === 'object' ? shape.images.fed : 0
    const written = program(shape)
    const isWinograd = withBlockedLayout(written.graph!, 16).nodes.some(({ op }) => op === 'FusedMatMul')
    await expectSame(written, isWinograd ? 2e-5 : 6e-6, images)
  })

  it('one right after the other, with blocks that are not full, are too', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [20, 16, 4, 4])
    const [v, w] = [graph.input('v', 'float32', [28, 16, 3, 3]), graph.input('w', 'float32', [32, 28, 3, 3])]
    const y = conv2d(conv2d(x, v, { padding: 1 }), w, { padding: 1, stride: 2 })
    const slopes = gradients(sum(mul(y, y)), [x, v, w])
    const outputs = [y, ...slopes].map((tensor, i) => [`output ${i}`, tensor] as const)
    await expectSame(lower(new Map(outputs)), 5e-6)
  })

  /** Both engines give the same of the same random numbers. */
  async function expectSame(written: Program, tolerance: number, images = 0): Promise<void> {
    const feeds = new Map(written.inputs.map(({ name, shape }) => [name, random(name, shape, images)]))
    const results = await Promise.all(
      [blocked, plain].map(async engine => {
        const loaded = await engine.load(written)
        const outputs = await loaded.run(feeds)
        await loaded.release()
        return outputs
      }),
    )
    for (const { name } of written.outputs) {
      const [came, expected] = results.map(outputs => outputs.get(name)!)
      expect(came!.shape).toEqual(expected!.shape)
      let [largest, difference] = [0, 0]
      for (const [i, value] of [...expected!.data].map(Number).entries()) {
        largest = Math.max(largest, Math.abs(value))
        difference = Math.max(difference, Math.abs(Number(came!.data[i]) - value))
      }
      expect(difference).toBeLessThanOrEqual(tolerance * largest)
    }
  }
})
