import { describe, expect, it } from 'vitest'
import { floats } from '../base/tensor.ts'
import { add, Graph, gradients, interpret, lower, mul, relu, rewrite, sum, usesOf } from './index.ts'

const vector = (...values: number[]) => ({ shape: [values.length], data: Float64Array.from(values) })

describe('rewriting a graph', () => {
  it('rebuilds the users of a replaced tensor under the same label, and keeps the rest', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    const kept = relu(x)
    const doubled = graph.within('layer', () => mul(x, 2))
    const total = graph.within('layer', () => add(kept, doubled))
    const outputs = rewrite(new Map([['y', total]]), node => (node.name === 'mul' ? [mul(x, 3)] : undefined))
    const y = outputs.get('y')!
    expect(y).not.toBe(total)
    expect(y.label).toBe('layer/add')
    expect(y.node.inputs[0]).toBe(kept)
    const feeds = new Map([['x', vector(1, -1)]])
    expect([...interpret([y], feeds)[0]!.data]).toEqual([4, -3])
    expect([...interpret([total], feeds)[0]!.data]).toEqual([3, -2])
  })

  it('changes nothing if nothing is replaced', () => {
    const graph = new Graph()
    const y = sum(relu(graph.input('x', 'float32', [2])))
    expect(rewrite(new Map([['y', y]]), () => undefined).get('y')).toBe(y)
  })

  it('gives tensors without gradients, which would refer to the original tensors', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    const y = sum(mul(relu(x), x))
    const other = rewrite(new Map([['y', y]]), node => (node.name === 'relu' ? [mul(x, 2)] : undefined))
    expect(() => gradients(other.get('y')!, [x])).toThrow(/gradient|differentiate/)
  })

  it('counts how often a tensor is read, outputs included', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2])
    const y = relu(x)
    const uses = usesOf(
      new Map([
        ['y', y],
        ['z', add(y, y)],
      ]),
    )
    expect([uses.get(x), uses.get(y)]).toEqual([1, 3])
  })
})

describe('a stored constant', () => {
  it('has its name in the file, and its values to float32', () => {
    const graph = new Graph()
    const weight = graph.stored('layer.weight', [2], Float64Array.of(0.1, -3))
    const { graph: file } = lower(new Map([['y', add(graph.input('x', 'float32', [2]), weight)]]))
    const [initializer] = file!.initializers
    expect(initializer).toMatchObject({ name: 'layer.weight', dtype: 'float32', shape: [2] })
    expect(new Float32Array(initializer!.bytes.buffer)).toEqual(floats([2], [0.1, -3]).data)
  })

  it('may be one of two of a name in a graph, but not in a file', () => {
    const graph = new Graph()
    const [one, two] = [1, 2].map(value => graph.stored('w', [1], Float32Array.of(value)))
    expect(() => lower(new Map([['y', one!]]))).not.toThrow()
    expect(() => lower(new Map([['y', add(one!, two!)]]))).toThrow(
      'two constants of a file have the name "w"',
    )
  })
})

describe('extents that are known only when the graph runs', () => {
  it('are named for every value in between, on request', () => {
    const graph = new Graph()
    const y = relu(relu(add(graph.input('x', 'float32', ['N', 2]), 1)))
    const outputs = new Map([['y', y]])
    expect(lower(outputs).graph!.values).toBeUndefined()
    const { values, nodes } = lower(outputs, { extents: true }).graph!
    expect(values).toHaveLength(2)
    for (const { name, shape } of values!) {
      expect(shape).toEqual(['N', 2])
      expect(nodes.flatMap(node => node.outputs)).toContain(name)
    }
  })
})
