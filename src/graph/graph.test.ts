import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { dimProduct, dimSum, dimWindow } from './dims.ts'
import {
  add,
  conv2d,
  Graph,
  gradients,
  interpret,
  lower,
  mul,
  relu,
  sign,
  stopGradient,
  sum,
  topK,
} from './index.ts'

const message = (body: () => unknown): string => {
  try {
    body()
  } catch (error) {
    if (error instanceof MoietyError) return error.describe()
    throw error
  }
  return 'nothing was thrown'
}

/** The ONNX file as text, in which names of ops and tensors can be found. */
const text = (model: Uint8Array): string => Buffer.from(model).toString('latin1')
const vector = (...values: number[]) => ({ shape: [values.length], data: Float64Array.from(values) })

describe('extents', () => {
  it('stay numbers where they can, and equal names stay equal', () => {
    expect(dimProduct([2, 3])).toBe(6)
    expect(dimProduct(['n', 2, 3])).toBe(dimProduct([6, 'n']))
    expect(dimProduct(['n', 0])).toBe(0)
    expect(dimSum(['n', 2])).toBe('n+2')
    expect(dimWindow('h', 2, 3, 1)).toBe('h')
    expect(dimWindow(7, 2, 3, 2)).toBe(4)
  })
})

describe('a graph', () => {
  it('makes one node of the same op on the same inputs', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    expect(add(x, 1)).toBe(add(x, 1))
    expect(add(x, 1)).not.toBe(add(x, 2))
    expect(graph.scalar(Number.NaN)).not.toBe(graph.scalar(Number.POSITIVE_INFINITY))
  })

  it('returns an input that was declared before, and refuses another one of its name', () => {
    const graph = new Graph()
    expect(graph.input('x', 'float32', [2])).toBe(graph.input('x', 'float32', [2]))
    expect(message(() => graph.input('x', 'float32', [3]))).toContain(
      'declared as float32[2] and again as float32[3]',
    )
  })

  it('refuses tensors of another graph', () => {
    const x = new Graph().input('x', 'float32', [2])
    const y = new Graph().input('y', 'float32', [2])
    expect(message(() => add(x, y))).toContain('two different graphs')
  })

  it('reports mismatched shapes and where', () => {
    const graph = new Graph()
    const x = graph.within('stem', () => relu(graph.input('x', 'float32', [1, 3, 8, 8])))
    const w = graph.input('w', 'float32', [4, 2, 3, 3])
    expect(message(() => conv2d(x, w))).toMatch(
      /expected x \[N, C, H, W\].*float32\[1, 3, 8, 8\] and float32\[4, 2, 3, 3\]/,
    )
    expect(message(() => conv2d(x, w))).toContain('at stem/relu')
    expect(message(() => topK(x, 9))).toContain('k = 9')
  })
})

describe('reverse mode', () => {
  it('adds the contributions of every path', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    const shared = mul(x, x)
    const [dx] = gradients(sum(add(mul(shared, x), shared)), [x])
    const [value] = interpret([dx!], new Map([['x', vector(2, -1)]]))
    expect([...value!.data]).toEqual([3 * 4 + 2 * 2, 3 * 1 - 2])
  })

  it('is zero for a tensor that the loss does not depend on', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    const y = graph.input('y', 'float32', [3])
    const [dy] = gradients(sum(x), [y])
    expect([...interpret([dy!], new Map())[0]!.data]).toEqual([0, 0, 0])
  })

  it('does not pass stopGradient', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1])
    const [dx] = gradients(sum(mul(x, stopGradient(mul(x, x)))), [x])
    expect(interpret([dx!], new Map([['x', vector(3)]]))[0]!.data[0]).toBe(9)
  })

  it('differentiates with respect to something inside, too', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [1])
    const inner = mul(x, 2)
    const [d] = gradients(sum(mul(inner, inner)), [inner])
    expect(interpret([d!], new Map([['x', vector(3)]]))[0]!.data[0]).toBe(12)
  })

  it('names an op without a gradient and refuses a loss that is not a scalar', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, 2])
    expect(message(() => gradients(sum(sign(x)), [x]))).toContain('sign has no gradient')
    expect(message(() => gradients(x, [x]))).toContain('expected a float32 scalar')
  })
})

describe('lowering', () => {
  it('writes only what the outputs need, in the default domain', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', ['n', 2])
    graph.input('unused', 'float32', [1])
    const kept = relu(x)
    sum(mul(x, 17))
    const program = lower(new Map([['y', kept]]))
    expect(program.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['n', 2] }])
    expect(program.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['n', 2] }])
    expect(text(program.model)).toContain('Relu')
    expect(text(program.model)).not.toMatch(/Mul|unused|com\.microsoft/)
  })

  it('gives a value two names, and an input or a constant its own name', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    const y = relu(x)
    const program = lower(
      new Map([
        ['first', y],
        ['second', y],
        ['copy', x],
        ['five', graph.scalar(5)],
      ]),
    )
    expect(program.outputs.map(output => output.name)).toEqual(['first', 'second', 'copy', 'five'])
    expect(text(program.model).match(/Identity/g)).toHaveLength(3)
  })

  it('refuses an output with the name of an input', () => {
    const x = new Graph().input('x', 'float32', [2])
    expect(message(() => lower(new Map([['x', relu(x)]])))).toContain('has the name of an input')
  })
})
