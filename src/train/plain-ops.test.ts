import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import {
  asFloat,
  batchNormTraining,
  conv2d,
  Graph,
  gradients,
  greater,
  less,
  lower,
  maxPool,
  mul,
  oneHot,
  type Program,
  reshape,
  slice,
  sum,
  topK,
  transpose,
} from '../graph/index.ts'
import { encodeOnnx, onnxTypes } from '../graph/onnx.ts'
import { Engine } from '../runtime/index.ts'
import { withPlainOps } from '../runtime/plain-ops.ts'
import { differenceOf, probeStep } from './probe-step.ts'

/** The rewriting for WebGPU, run on the processor: there too it must change nothing but rounding. */
let engine: Engine
beforeAll(async () => {
  engine = await Engine.start({ threads: 1, rewrite: false })
})
afterAll(async () => {
  await engine.stop()
})

const plain = (program: Program): Program => {
  const { graph: _, ...rest } = program
  return { ...rest, model: encodeOnnx(withPlainOps(program.graph!)) }
}

async function both(program: Program, feeds: ReadonlyMap<string, HostTensor>) {
  const results = []
  for (const one of [program, plain(program)]) {
    const loaded = await engine.load(one)
    results.push(await loaded.run(feeds))
    await loaded.release()
  }
  return results as [Map<string, HostTensor>, Map<string, HostTensor>]
}

/** Whole numbers of a small range, so that many of them are equal. */
const values = (shape: readonly number[], range: number): HostTensor =>
  floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => (((i + 1) * 7919) % 104_729) % range),
  )

function expectClose(got: HostTensor, wanted: HostTensor, within: number): void {
  expect(got.shape).toEqual(wanted.shape)
  for (const [i, value] of [...wanted.data].entries())
    expect(Math.abs(Number(got.data[i]) - Number(value)), `element ${i}`).toBeLessThanOrEqual(within)
}

describe('a program for WebGPU', () => {
  it('has no op that is refused there', () => {
    const { program } = probeStep(true).step
    const ops = (nodes: NonNullable<Program['graph']>['nodes']): string[] =>
      nodes
        .filter(
          ({ op, attributes, outputs }) =>
            (op === 'BatchNormalization' && attributes.training_mode === 1) ||
            (op === 'MaxPool' && outputs.length > 1) ||
            ['Size', 'LogSoftmax', 'IsNaN', 'IsInf', 'Or', 'Sign'].includes(op),
        )
        .map(({ op }) => op)
    expect(new Set(ops(program.graph!.nodes)).size).toBeGreaterThan(5)
    expect(ops(withPlainOps(program.graph!).nodes)).toEqual([])
  })

  it('normalises with the statistics of the batch', async () => {
    const graph = new Graph()
    const [scale, shift] = [graph.input('scale', 'float32', [3]), graph.input('shift', 'float32', [3])]
    const { output, mean, variance } = batchNormTraining(
      graph.input('x', 'float32', [4, 3, 5, 5]),
      scale,
      shift,
      1e-3,
    )
    const program = lower(
      new Map([
        ['y', output],
        ['mean', mean],
        ['variance', variance],
      ]),
    )
    const feeds = new Map([
      ['x', values([4, 3, 5, 5], 100)],
      ['scale', values([3], 4)],
      ['shift', values([3], 9)],
    ])
    const [wanted, got] = await both(program, feeds)
    expectClose(got.get('y')!, wanted.get('y')!, 1e-5)
    expectClose(got.get('mean')!, wanted.get('mean')!, 1e-4)
    expectClose(got.get('variance')!, wanted.get('variance')!, 1e-2)
  })

  it.each([
    { kernel: 3, stride: 2, padding: 1 },
    { kernel: 2, stride: 2, padding: 0 },
    { kernel: 3, stride: 1, padding: 1 },
  ])('takes the first of equal maxima: $kernel×$kernel, stride $stride', async options => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, 3, 7, 9])
    const y = maxPool(x, options)
    const weights = graph.input('weights', 'float32', y.shape)
    const [dx] = gradients(sum(mul(y, weights)), [x])
    const program = lower(
      new Map([
        ['y', y],
        ['dx', dx!],
      ]),
    )
    // Negative ones too: padding is no zero.
    const negative = values([2, 3, 7, 9], 3)
    for (const [i, value] of (negative.data as Float32Array).entries()) negative.data[i] = value - 4
    const feeds = new Map([
      ['x', negative],
      ['weights', values(y.shape.map(Number), 50)],
    ])
    const [wanted, got] = await both(program, feeds)
    expect(got).toEqual(wanted)
  })

  it.each([6, 9, 15])('convolves %i channels as they are, with zeros added', async channels => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, channels, 5, 5])
    const kernel = graph.input('kernel', 'float32', [8, channels, 3, 3])
    const program = lower(new Map([['y', conv2d(x, kernel, { padding: 1 })]]))
    const added = withPlainOps(program.graph!).nodes.filter(({ op }) => op === 'Pad')
    expect(added).toHaveLength(2)
    const feeds = new Map([
      ['x', values([2, channels, 5, 5], 5)],
      ['kernel', values([8, channels, 3, 3], 5)],
    ])
    const [wanted, got] = await both(program, feeds)
    expectClose(got.get('y')!, wanted.get('y')!, 1e-3)
  })

  it('compares the positions that TopK has found as float32, rearranged or not', async () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [5, 7])
    const { indices } = topK(x, 2)
    const first = reshape(slice(indices, 1, 0, 1), [5])
    const program = lower(
      new Map([
        ['chosen', oneHot(first, 7)],
        ['numbers', asFloat(indices)],
        ['low', asFloat(less(indices, graph.constant('int64', [], [3])))],
        ['high', asFloat(greater(indices, graph.constant('int64', [], [3])))],
        // Needed as they are.
        ['indices', transpose(indices, [1, 0])],
      ]),
    )
    const onDevice = withPlainOps(program.graph!).nodes
    expect(onDevice.filter(({ op, outputs }) => op === 'Transpose' && outputs[0] === 'indices')).toHaveLength(
      1,
    )
    const toInt32 = ({ op, attributes }: (typeof onDevice)[number]): boolean =>
      op === 'Cast' && attributes.to !== onnxTypes.float32
    expect(onDevice.filter(toInt32)).toEqual([])
    const [wanted, got] = await both(program, new Map([['x', values([5, 7], 100)]]))
    expect(got).toEqual(wanted)
  })

  it('takes the same step where an expert gets no image, and leaves the running statistics of its BatchNorm', async () => {
    const { step, state, feeds } = probeStep(true)
    const empty = new Map(state)
    empty.set('layer2.gate.fc.bias', floats([3], Float32Array.of(0, 0, -1e4)))
    const results = []
    for (const program of [step.program, plain(step.program)]) {
      await engine.setState(empty)
      const loaded = await engine.load(program)
      const { outputs } = await loaded.step(feeds, step)
      results.push(new Map([['loss', outputs.get('loss')!], ...(await engine.readState())]))
      await loaded.release()
    }
    const [wanted, got] = results as [Map<string, HostTensor>, Map<string, HostTensor>]
    expect(differenceOf(got, wanted).loss).toBeLessThan(1e-6)
    expect(differenceOf(got, wanted).state).toBeLessThan(1e-4)
    const names = [...state.keys()].filter(name => /experts\.2\..*running/.test(name))
    expect(names.length).toBeGreaterThan(3)
    for (const name of names) expect(got.get(name)!.data, name).toEqual(state.get(name)!.data)
  })
})
