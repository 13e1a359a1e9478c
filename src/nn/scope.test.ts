import { describe, expect, it } from 'vitest'
import { floats } from '../base/tensor.ts'
import { Graph } from '../graph/index.ts'
import { basicBlock } from './blocks.ts'
import { kaimingNormal, kaimingUniform, ones, zeros } from './initialise.ts'
import { conv, linear } from './layers.ts'
import { adopt, Scope } from './scope.ts'

const root = (training = true): Scope => Scope.root(new Graph(), { training })

describe('a scope', () => {
  it('names tensors by their scope', () => {
    const scope = root()
    scope.in('layer1', stage =>
      stage.in('0', block => block.in('bn1', inner => inner.parameter('weight', [2], ones))),
    )
    scope.parameter('top', [1], zeros)
    expect([...scope.declarations.parameters.keys()]).toEqual(['layer1.0.bn1.weight', 'top'])
  })

  it('initialises each tensor by its name, whatever else is declared', () => {
    const values = (build: (scope: Scope) => void, name: string) => {
      const scope = root()
      build(scope)
      return scope.declarations.initialState(5).get(name)!.data
    }
    const alone = values(scope => scope.parameter('b', [4], kaimingUniform), 'b')
    const together = values(scope => {
      scope.parameter('a', [4], kaimingUniform)
      scope.parameter('b', [4], kaimingUniform)
    }, 'b')
    expect(together).toEqual(alone)
    expect(values(scope => scope.parameter('a', [4], kaimingUniform), 'a')).not.toEqual(alone)
  })

  it('refuses one name for two shapes, and shares a tensor of the same name and shape', () => {
    const scope = root()
    const first = scope.parameter('weight', [2, 3], zeros)
    expect(scope.parameter('weight', [2, 3], zeros)).toBe(first)
    expect(() => scope.parameter('weight', [3, 2], zeros)).toThrow(
      'parameter "weight" was declared with shape [2, 3] and again with [3, 2]',
    )
  })

  it('gives a block a projection where stride or channels change, and only there', () => {
    const projects = (inputs: number, outputs: number, stride: number): boolean => {
      const scope = root()
      basicBlock(scope, scope.graph.input('x', 'float32', [1, inputs, 4, 4]), { width: 3, outputs, stride })
      return scope.declarations.parameters.has('downsample.0.weight')
    }
    expect([projects(3, 3, 1), projects(3, 3, 2), projects(3, 4, 1)]).toEqual([false, true, true])
  })

  it('when frozen, declares tensors that are saved and never trained, at any depth', () => {
    const scope = root()
    const x = scope.graph.input('x', 'float32', [1, 3, 4, 4])
    scope
      .frozen()
      .in('layer1', inner =>
        basicBlock(inner.withRunningStatistics(), x, { width: 3, outputs: 3, stride: 1 }),
      )
    scope.in('fc', inner => conv(inner, x, { outputs: 1, kernel: 1 }))
    expect([...scope.declarations.parameters.keys()]).toEqual(['fc.weight'])
    expect(scope.declarations.statistics.has('layer1.conv1.weight')).toBe(true)
    expect(scope.declarations.updates.size).toBe(0)
    const free = root()
    const y = free.graph.input('x', 'float32', [1, 3, 4, 4])
    free.in('layer1', inner => basicBlock(inner, y, { width: 3, outputs: 3, stride: 1 }))
    const values = (of: Scope) => of.declarations.initialState(4).get('layer1.conv1.weight')
    expect(values(scope)).toEqual(values(free))
  })

  it('counts parameters, not statistics', () => {
    const scope = root()
    const x = scope.graph.input('x', 'float32', [1, 3, 4, 4])
    basicBlock(scope, x, { width: 5, outputs: 5, stride: 2 })
    expect(scope.declarations.parameterCount()).toBe(5 * 3 * 9 + 5 * 5 * 9 + 5 * 3 + 6 * 5)
    expect(scope.declarations.statistics.size).toBe(6)
  })
})

describe('initialisation', () => {
  const moments = (values: readonly number[]): { readonly deviation: number; readonly largest: number } => ({
    deviation: Math.sqrt(values.reduce((total, v) => total + v * v, 0) / values.length),
    largest: Math.max(...values.map(Math.abs)),
  })
  const first = (build: (scope: Scope) => void, name: string): number[] => {
    const scope = root()
    build(scope)
    return Array.from(scope.declarations.initialState(2).get(name)!.data, Number)
  }

  it('of a convolution have the deviation √(2 / (outputs · k · k)), as in torchvision', () => {
    const build = (scope: Scope) =>
      conv(scope, scope.graph.input('x', 'float32', [1, 16, 8, 8]), { outputs: 64, kernel: 3 })
    expect(
      moments(first(scope => void build(scope), 'weight')).deviation / Math.sqrt(2 / (64 * 9)),
    ).toBeCloseTo(1, 1)
    expect(moments(Array.from(kaimingNormal([8, 4, 1, 1], { ...fixed(1) }))).largest).toBeCloseTo(0.5, 6)
  })

  it('of a linear layer are uniform in ±1/√inputs, weight and bias, as in torch', () => {
    const build = (scope: Scope): void => {
      linear(scope, scope.graph.input('x', 'float32', [1, 100]), 50)
    }
    for (const name of ['weight', 'bias']) {
      const { deviation, largest } = moments(first(build, name))
      expect(largest).toBeLessThanOrEqual(0.1)
      expect(largest).toBeGreaterThan(0.09)
      expect(deviation * Math.sqrt(3)).toBeGreaterThan(0.08)
      expect(deviation * Math.sqrt(3)).toBeLessThan(0.12)
    }
  })
})

/** Draws that always give the same number. */
function fixed(value: number) {
  const give = (): number => value
  return {
    uint32: give,
    uniform: give,
    below: give,
    between: give,
    normal: give,
    permutation: (count: number): Uint32Array => new Uint32Array(count),
  }
}

describe('adopting tensors', () => {
  const declared = new Map([
    ['a', floats([2], [0, 0])],
    ['b', floats([2], [0, 0])],
    ['c', floats([1, 2], [0, 0])],
  ])

  it('takes matching tensors and names the rest: missing, unknown, misshapen', () => {
    const { state, missing, unknown, misshapen } = adopt(
      declared,
      new Map([
        ['a', floats([2], [1, 2])],
        ['c', floats([2, 1], [3, 4])],
        ['d', floats([1], [5])],
      ]),
    )
    expect([...state.get('a')!.data]).toEqual([1, 2])
    expect([...state.get('c')!.data]).toEqual([0, 0])
    expect(missing).toEqual(['b'])
    expect(unknown).toEqual(['d'])
    expect(misshapen).toEqual(['c: the model has [1, 2], the file [2, 1]'])
  })
})
