import type { DType } from '../src/base/tensor.ts'
import { encodeOnnx, type OnnxNode } from '../src/graph/onnx.ts'
import type { Program, TensorSpec } from '../src/graph/program.ts'

/** Small programs for the tests of the runtime. */

type Node = Omit<OnnxNode, 'attributes'>

export function program(
  nodes: readonly Node[],
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

export function spec(
  name: string,
  shape: readonly (number | string)[],
  dtype: DType = 'float32',
): TensorSpec {
  return { name, dtype, shape }
}

/** w' = w − x, loss = x / divisor: a step whose loss is infinite when the divisor is zero. */
export function subtraction(extent: number): Program {
  return program(
    [
      { op: 'Sub', name: 'update', inputs: ['w', 'x'], outputs: ["w'"] },
      { op: 'Div', name: 'loss', inputs: ['x', 'divisor'], outputs: ['loss'] },
    ],
    [spec('w', [extent]), spec('x', [extent]), spec('divisor', [])],
    [spec("w'", [extent]), spec('loss', [extent])],
  )
}

/** A product whose extents are checked only when it runs. */
export const product: Program = program(
  [{ op: 'MatMul', name: 'layer1.product', inputs: ['a', 'b'], outputs: ['ab'] }],
  [spec('a', ['M', 'K']), spec('b', ['J', 'N'])],
  [spec('ab', ['M', 'N'])],
)

/** a to the power of `factors` + 1: work that takes a while. */
export function power(factors: number): Program {
  const nodes = Array.from({ length: factors }, (_, i) => ({
    op: 'MatMul',
    name: `product${i + 1}`,
    inputs: [i === 0 ? 'a' : `a${i}`, 'a'],
    outputs: [`a${i + 1}`],
  }))
  return program(nodes, [spec('a', ['N', 'N'])], [spec(`a${factors}`, ['N', 'N'])])
}
