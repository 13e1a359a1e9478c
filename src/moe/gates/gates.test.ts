import { describe, expect, it } from 'vitest'
import { detectionGolden, expectValues, wave } from '../../../test/detection-golden.ts'
import { Graph, gradients, interpret, mul, type NdArray, sum } from '../../graph/index.ts'
import { Scope } from '../../nn/index.ts'
import { convGapFc, type Gate, gapFc, reluGapFc } from './index.ts'

const nd = (shape: readonly number[], data: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(data),
})

function built(gate: Gate, shape: readonly number[], experts: number) {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const logits = gate(scope, graph.input('x', 'float32', shape), experts)
  const parameters = new Map([...scope.declarations.parameters.values()].map(p => [p.name, p.shape]))
  return { logits, parameters, declarations: scope.declarations }
}

describe('the GAP-FC gate', () => {
  it('is W·GAP(x) + b', () => {
    const { logits, parameters } = built(gapFc, [2, 2, 1, 2], 3)
    expect(logits.shape).toEqual([2, 3])
    expect(Object.fromEntries(parameters)).toEqual({ 'fc.weight': [3, 2], 'fc.bias': [3] })
    const [z] = interpret(
      [logits],
      new Map([
        ['x', nd([2, 2, 1, 2], [1, 3, 0, -2, 5, 5, 1, 0])],
        ['fc.weight', nd([3, 2], [1, 0, 0, 1, 2, -1])],
        ['fc.bias', nd([3], [0, 0.5, -1])],
      ]),
    )
    // GAP: [2, −1] and [5, 0.5].
    expect([...z!.data]).toEqual([2, -0.5, 4, 5, 1, 8.5])
  })

  it('has C·E + E parameters', () => {
    expect(built(gapFc, [1, 64, 4, 4], 10).declarations.parameterCount()).toBe(64 * 10 + 10)
  })

  it('starts uniform in ±1/√C', () => {
    const values = [
      ...built(gapFc, [1, 64, 4, 4], 100).declarations.initialState(1).get('fc.weight')!.data,
    ].map(Number)
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(1 / 8)
    const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length
    expect(Math.abs(variance * 3 * 64 - 1)).toBeLessThan(0.05)
  })
})

describe('the ReLU-GAP-FC gate', () => {
  it('is W·GAP(max(x, 0)) + b', () => {
    const { logits, parameters } = built(reluGapFc, [2, 2, 1, 2], 3)
    expect(Object.fromEntries(parameters)).toEqual({ 'fc.weight': [3, 2], 'fc.bias': [3] })
    const [z] = interpret(
      [logits],
      new Map([
        ['x', nd([2, 2, 1, 2], [1, 3, 0, -2, 5, -5, 1, 0])],
        ['fc.weight', nd([3, 2], [1, 0, 0, 1, 2, -1])],
        ['fc.bias', nd([3], [0, 0.5, -1])],
      ]),
    )
    // GAP of the positive part: [2, 0] and [2.5, 0.5].
    expect([...z!.data]).toEqual([2, 0.5, 3, 2.5, 1, 3.5])
  })

  it('is the one that torch computes in float64, with all gradients, zero where x is negative', () => {
    const shapes = { x: [2, 3, 2, 4], 'fc.weight': [4, 3], 'fc.bias': [4] }
    const { logits } = built(reluGapFc, shapes.x, 4)
    const { graph } = logits
    const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
    const objective = sum(mul(logits, graph.input('r', 'float32', [2, 4])))
    const feeds = new Map<string, NdArray>(
      Object.entries(shapes).map(([name, shape], i) => [name, { shape, data: wave(3 + i, size(shape)) }]),
    ).set('r', { shape: [2, 4], data: wave(9, 8) })
    const names = Object.keys(shapes)
    const [z, ...slopes] = interpret(
      [
        logits,
        ...gradients(
          objective,
          names.map(name => graph.inputs.get(name)!),
        ),
      ],
      feeds,
    )
    const golden = detectionGolden.original.gate
    expectValues(z!.data, golden.outputs[0]!, 1e-9, 'logits')
    for (const [i, name] of names.entries())
      expectValues(slopes[i]!.data, golden.gradients[name]!, 1e-9, `gradient of ${name}`)
    const x = feeds.get('x')!.data
    expect([...slopes[0]!.data].map(value => value !== 0)).toEqual([...x].map(value => value > 0))
  })
})

describe('the Conv-GAP-FC gate', () => {
  it('is W·GAP(conv(x)) + b, the convolution 3×3 without padding and without a non-linearity', () => {
    const { logits, parameters } = built(convGapFc(1), [1, 1, 3, 4], 2)
    expect(Object.fromEntries(parameters)).toEqual({
      'conv.weight': [1, 1, 3, 3],
      'conv.bias': [1],
      'fc.weight': [2, 1],
      'fc.bias': [2],
    })
    const [z] = interpret(
      [logits],
      new Map([
        ['x', nd([1, 1, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])],
        ['conv.weight', nd([1, 1, 3, 3], [0, 0, 0, 0, -1, 0, 0, 0, -1])],
        ['conv.bias', nd([1], [0.5])],
        ['fc.weight', nd([2, 1], [1, -2])],
        ['fc.bias', nd([2], [0, 1])],
      ]),
    )
    // Two places: −6 − 11 + 0.5 and −7 − 12 + 0.5, mean −17.5; a relu would have left nothing.
    expect([...z!.data]).toEqual([-17.5, 36])
  })

  it('has 256 channels unless told', () => {
    const { logits, parameters } = built(convGapFc(), [5, 16, 8, 8], 4)
    expect(logits.shape).toEqual([5, 4])
    expect(parameters.get('conv.weight')).toEqual([256, 16, 3, 3])
    expect(parameters.get('fc.weight')).toEqual([4, 256])
  })
})
