import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { floats, type HostTensor, scalar } from '../base/tensor.ts'
import { encodeOnnx, type OnnxNode } from '../graph/onnx.ts'
import type { Program, TensorSpec } from '../graph/program.ts'
import { Engine, type LoadedProgram } from './engine.ts'

function program(
  nodes: readonly Omit<OnnxNode, 'attributes'>[],
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): Program {
  const model = encodeOnnx({
    name: 'test',
    nodes: nodes.map(node => ({ ...node, attributes: {} })),
    initializers: [],
    inputs,
    outputs,
  })
  return { model, inputs, outputs }
}

function spec(name: string, ...shape: (number | string)[]): TensorSpec {
  return { name, dtype: 'float32', shape }
}

/** w' = w − x, loss = x / divisor: a step whose loss is infinite when the divisor is zero. */
const subtraction = program(
  [
    { op: 'Sub', name: 'update', inputs: ['w', 'x'], outputs: ["w'"] },
    { op: 'Div', name: 'loss', inputs: ['x', 'divisor'], outputs: ['loss'] },
  ],
  [spec('w', 2), spec('x', 2), spec('divisor')],
  [spec("w'", 2), spec('loss', 2)],
)

const product = program(
  [{ op: 'MatMul', name: 'layer1.product', inputs: ['a', 'b'], outputs: ['ab'] }],
  [spec('a', 'M', 'K'), spec('b', 'J', 'N')],
  [spec('ab', 'M', 'N')],
)

/** Eight products of large matrices: more than a tenth of a second on any machine. */
const heavy = program(
  Array.from({ length: 8 }, (_, i) => ({
    op: 'MatMul',
    name: `product${i}`,
    inputs: [i === 0 ? 'a' : `a${i}`, 'a'],
    outputs: [`a${i + 1}`],
  })),
  [spec('a', 'N', 'N')],
  [spec('a8', 'N', 'N')],
)

async function refusal(promise: Promise<unknown>): Promise<MoietyError> {
  const error: unknown = await promise.then(
    () => expect.fail('expected an error'),
    (reason: unknown) => reason,
  )
  if (error instanceof MoietyError) return error
  throw error
}

function values(tensor: HostTensor | undefined): number[] {
  return [...(tensor?.data ?? [])].map(Number)
}

describe('Engine', () => {
  let engine: Engine
  let step: LoadedProgram
  const plan = { updates: new Map([["w'", 'w']]), guards: ['loss'] }
  const feeds = (x: number, divisor = 1): Map<string, HostTensor> =>
    new Map([
      ['x', floats([2], [x, 2 * x])],
      ['divisor', scalar(divisor)],
    ])

  beforeAll(async () => {
    engine = await Engine.start()
    step = await engine.load(subtraction)
  })
  afterAll(() => engine.stop())

  it('takes inputs that are not fed from the state, and gives all outputs back', async () => {
    await engine.setState(new Map([['w', floats([2], [10, 20])]]))
    const outputs = await step.run(feeds(1))
    expect([...outputs.keys()]).toEqual(["w'", 'loss'])
    expect(values(outputs.get("w'"))).toEqual([9, 18])
    expect(values((await engine.readState()).get('w'))).toEqual([10, 20])
  })

  it('makes the updates of a step the state, step after step', async () => {
    await engine.setState(new Map([['w', floats([2], [10, 20])]]))
    for (let i = 0; i < 3; i++) {
      const { outputs, committed } = await step.step(feeds(1), plan)
      expect(committed).toBe(true)
      expect([...outputs.keys()]).toEqual(['loss'])
    }
    expect(values((await engine.readState(['w'])).get('w'))).toEqual([7, 14])
  })

  it('leaves the state as it was when a guard is not finite, and says which', async () => {
    await engine.setState(new Map([['w', floats([2], [10, 20])]]))
    await step.step(feeds(1), plan)
    const result = await step.step(feeds(1, 0), plan)
    expect(result.committed).toBe(false)
    expect(result.nonFinite).toEqual(['loss'])
    expect(values(result.outputs.get('loss'))).toEqual([Infinity, Infinity])
    expect(values((await engine.readState()).get('w'))).toEqual([9, 18])
    await step.step(feeds(1), plan)
    expect(values((await engine.readState()).get('w'))).toEqual([8, 16])
  })

  it('leaves the event loop free while it computes', async () => {
    const loaded = await engine.load(heavy)
    const extent = 1024
    const a = floats([extent, extent], new Float32Array(extent * extent).fill(1 / extent))
    let ticks = 0
    let done = false
    const running = loaded.run(new Map([['a', a]])).finally(() => {
      done = true
    })
    while (!done) {
      await new Promise(resolve => setImmediate(resolve))
      if (!done) ticks++
    }
    await running
    // A blocked loop would turn only around the messages that begin and end the run.
    expect(ticks).toBeGreaterThan(20)
  })

  it('names the node of an operation that failed', async () => {
    const loaded = await engine.load(product)
    const error = await refusal(
      loaded.run(
        new Map([
          ['a', floats([1, 3], [1, 2, 3])],
          ['b', floats([2, 1], [1, 2])],
        ]),
      ),
    )
    expect(error.where).toBe('node layer1.product (MatMul)')
    expect(error.kind).toBe('data')
  })
})
