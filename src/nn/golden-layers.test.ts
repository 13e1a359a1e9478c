import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { sizeOf } from '../base/tensor.ts'
import * as g from '../graph/index.ts'
import { convTranspose, groupNorm, layerNorm, layerNorm2d, Scope, squeezeExcitation } from './index.ts'

/**
 * Layers and ops against torch in float64: values and every gradient (test/golden_layers.py prints the file). The objective is
 * Σ y·r with r from −1 to 1 in even steps.
 */
interface Golden {
  readonly y: readonly number[]
  readonly shape: readonly number[]
  readonly [name: string]: readonly number[]
}
const golden: Record<string, Golden> = JSON.parse(
  readFileSync(new URL('../../test/fixtures/layers-golden.json', import.meta.url), 'utf8'),
)

/** The value at each place, before it is scaled and shifted. */
const wave = (shape: readonly number[], scale = 1, shift = 0): g.NdArray => ({
  shape,
  data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * 1.7 + 0.3) * scale + shift),
})

type Build = (scope: Scope, x: g.Tensor) => g.Tensor

/** Compares a layer's result and gradients; `parameters` are its tensors by torch's letter and our name. */
function expectGolden(
  name: string,
  x: g.NdArray,
  build: Build,
  parameters: Readonly<Record<string, { readonly name: string; readonly value: g.NdArray }>> = {},
): void {
  const graph = new g.Graph()
  const scope = Scope.root(graph, { training: true })
  const input = graph.input('x', 'float32', x.shape)
  const y = build(scope, input)
  const expected = golden[name]!
  expect(y.shape).toEqual(expected.shape)
  const count = sizeOf(expected.shape)
  const r = Array.from({ length: count }, (_, i) => -1 + (2 * i) / (count - 1))
  const named = Object.entries(parameters)
  expect([...scope.declarations.parameters.keys()].sort()).toEqual(named.map(([, own]) => own.name).sort())
  const tensors = named.map(([, own]) => graph.inputs.get(own.name)!)
  const objective = g.sum(g.mul(y, graph.constant('float32', expected.shape, r)))
  const results = g.interpret(
    [y, ...g.gradients(objective, [input, ...tensors])],
    new Map([['x', x], ...named.map(([, own]) => [own.name, own.value] as const)]),
  )
  for (const [i, letter] of ['y', 'dx', ...named.map(([key]) => `d${key}`)].entries()) {
    const values = expected[letter]!
    const largest = Math.max(...values.map(Math.abs))
    for (const [at, value] of values.entries())
      expect(Math.abs(results[i]!.data[at]! - value), `${name} ${letter}[${at}]`).toBeLessThan(
        1e-9 * Math.max(1, largest),
      )
  }
}

describe('agrees with torch in values and gradients', () => {
  it('group normalisation', () => {
    expectGolden('groupNorm', wave([2, 4, 3, 3]), (scope, x) => groupNorm(scope, x, { groups: 2 }), {
      w: { name: 'weight', value: wave([4], 1, 1.5) },
      b: { name: 'bias', value: wave([4], 0.3) },
    })
  })

  it('layer normalisation', () => {
    expectGolden('layerNorm', wave([3, 5]), (scope, x) => layerNorm(scope, x), {
      w: { name: 'weight', value: wave([5], 1, 1.5) },
      b: { name: 'bias', value: wave([5], 0.2) },
    })
  })

  it('layer normalisation of channels', () => {
    expectGolden('layerNorm2d', wave([2, 4, 2, 3]), (scope, x) => layerNorm2d(scope, x), {
      w: { name: 'weight', value: wave([4], 1, 1.5) },
      b: { name: 'bias', value: wave([4], 0.2) },
    })
  })

  it('transposed convolution', () => {
    expectGolden(
      'convTranspose',
      wave([2, 3, 3, 4]),
      (scope, x) =>
        convTranspose(scope, x, {
          outputs: 2,
          kernel: [3, 2],
          stride: [2, 1],
          padding: [1, 0],
          outputPadding: [1, 0],
        }),
      { w: { name: 'weight', value: wave([3, 2, 3, 2]) } },
    )
    expectGolden(
      'convTransposeGroups',
      wave([2, 4, 3, 4]),
      (scope, x) => convTranspose(scope, x, { outputs: 6, kernel: 3, stride: 2, padding: 1, groups: 2 }),
      { w: { name: 'weight', value: wave([4, 3, 3, 3]) } },
    )
  })

  it('convolution with sides, strides and kernel extents that differ', () => {
    const build: Build = (scope, x) => {
      const w = scope.parameter('weight', [4, 3, 3, 2], () => new Float32Array(72))
      return g.conv2d(x, w, { stride: [2, 1], padding: [0, 2, 1, 1] })
    }
    expectGolden('convAsymmetric', wave([2, 3, 6, 5]), build, {
      w: { name: 'weight', value: wave([4, 3, 3, 2]) },
    })
  })

  it('bilinear resizing', () => {
    expectGolden('bilinear', wave([1, 2, 5, 3]), (_scope, x) => g.resizeBilinear(x, [7, 8]))
    expectGolden('bilinearDown', wave([1, 2, 5, 3]), (_scope, x) => g.resizeBilinear(x, [2, 2]))
  })

  it('GELU, exactly and by tanh, and SiLU', () => {
    expectGolden('gelu', wave([12], 4), (_scope, x) => g.gelu(x))
    expectGolden('geluTanh', wave([12], 4), (_scope, x) => g.gelu(x, { approximate: 'tanh' }))
    expectGolden('silu', wave([12], 4), (_scope, x) => g.silu(x))
  })

  it('squeeze and excitation', () => {
    expectGolden(
      'squeezeExcitation',
      wave([2, 4, 3, 3]),
      (scope, x) => squeezeExcitation(scope, x, { squeezed: 2 }),
      {
        f1: { name: 'fc1.weight', value: wave([2, 4, 1, 1]) },
        b1: { name: 'fc1.bias', value: wave([2]) },
        f2: { name: 'fc2.weight', value: wave([4, 2, 1, 1]) },
        b2: { name: 'fc2.bias', value: wave([4], 0.5) },
      },
    )
  })
})

describe('refuses', () => {
  const graph = new g.Graph()
  const scope = Scope.root(graph, { training: true })
  const x = graph.input('x', 'float32', [2, 6, 4, 4])
  const any = graph.input('any', 'float32', [2, 6, 'h', 4])
  it.each([
    [
      'groups that do not divide the channels',
      () => groupNorm(scope, x, { groups: 4 }),
      'C a multiple of the groups',
    ],
    [
      'group normalisation of unknown extents',
      () => groupNorm(scope, any, { groups: 2 }),
      'got float32[2, 6, h, 4]',
    ],
    ['standardising unknown extents', () => g.standardise(any, 1, 1e-5), 'known extents from axis 1'],
    ['a resize to no pixel', () => g.resizeBilinear(x, [0, 4]), 'whole ones (got 0, 4)'],
    ['a resize to half a pixel', () => g.resizeBilinear(x, [2.5, 4]), 'whole ones (got 2.5, 4)'],
    [
      'an output padding of the stride',
      () =>
        convTranspose(
          scope.in('a', s => s),
          x,
          { outputs: 2, kernel: 3, stride: 2, outputPadding: 2 },
        ),
      'below stride or dilation',
    ],
    [
      'a negative padding',
      () => g.conv2d(x, graph.input('w', 'float32', [2, 6, 3, 3]), { padding: [-1, 0] }),
      'padding from 0',
    ],
    [
      'a stride of 0',
      () => g.conv2d(x, graph.input('w', 'float32', [2, 6, 3, 3]), { stride: [1, 0] }),
      'strides, dilations and groups from 1',
    ],
    [
      'a transposed kernel of other channels',
      () => g.convTranspose2d(x, graph.input('v', 'float32', [2, 6, 3, 3])),
      'weight [C, O / groups, kH, kW]',
    ],
  ])('%s', (_name, build, expected) => {
    expect(build).toThrow(expected)
  })
})
