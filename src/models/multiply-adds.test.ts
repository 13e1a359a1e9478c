import { describe, expect, it } from 'vitest'
import { conv2d, flatten, Graph, linear, matmul, multiplyAddsOf, reshape } from '../graph/index.ts'
import { mixtureOfExperts, none } from '../moe/index.ts'
import { constant, conv, type Layer, Scope } from '../nn/index.ts'
import { activeMultiplyAdds } from './active-parameters.ts'
import { type ResNetName, type ResNetOptions, resnet } from './resnet.ts'

function counted(options: Partial<ResNetOptions>, size: number, images: number | string = 'N'): number {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const input = graph.input('images', 'float32', [images, 3, size, size])
  const network = { name: 'resnet18', stem: 'imagenet', width: 64, classes: 1000, ...options } as const
  const { logits, stats } = resnet(scope, input, network)
  return activeMultiplyAdds([logits], stats)
}

describe('multiply–adds', () => {
  it('of a small network are those worked out by hand', () => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', ['N', 4, 8, 8])
    const weight = (...shape: number[]) => graph.input(`w${shape.join('x')}`, 'float32', shape)
    // 6 × 4 × 4 results of 4 · 3 · 3 products; in two groups of 3 · 1 · 1.
    const one = conv2d(x, weight(6, 4, 3, 3), { stride: 2, padding: 1 })
    const two = conv2d(one, weight(8, 3, 1, 1), { groups: 2 })
    const logits = linear(flatten(two), weight(5, 128), weight(5))
    const squares = matmul(reshape(two, ['N', 8, 16]), reshape(two, ['N', 16, 8]))
    expect(multiplyAddsOf([one])).toBe(96 * 36)
    expect(multiplyAddsOf([logits])).toBe(96 * 36 + 128 * 3 + 5 * 128)
    expect(multiplyAddsOf([squares])).toBe(96 * 36 + 128 * 3 + 64 * 16)
    // What no output needs is not computed.
    expect(multiplyAddsOf([two])).toBe(96 * 36 + 128 * 3)
  })

  // GFLOPS of torchvision's documentation, and fvcore: 1,814,073,344, 3,663,761,408 and 4,089,184,256.
  it.each([
    ['resnet18', 1_814_073_344],
    ['resnet34', 3_663_761_408],
    ['resnet50', 4_089_184_256],
  ] as const)('of %s at 224 pixels are those of torchvision', (name: ResNetName, count) => {
    expect(counted({ name }, 224)).toBe(count)
    expect(counted({ name }, 224, 1), 'of a batch of one').toBe(count)
  })

  it('of a mixture count the K experts that compute an image', () => {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: false })
    const x = graph.input('x', 'float32', ['N', 4, 8, 8])
    const expert: Layer = (inner, own) => conv(inner, own, { outputs: 4, kernel: 3, padding: 1 })
    const of = (k: number, dispatch: 'sparse' | 'dense' | 'stacked') => {
      const { output, stats } = scope.in(`m${k}${dispatch}`, own =>
        mixtureOfExperts(own, x, {
          experts: [expert, expert, expert, expert],
          gate: (inner, own, count) => linear(flatten(own), inner.parameter('w', [count, 256], constant(1))),
          ...{ k, dispatch, constraint: none(), noise: false },
        }),
      )
      return activeMultiplyAdds([output], stats)
    }
    const each = 4 * 64 * 36
    const gate = 4 * 256
    expect([2, 3, 4].map(k => of(k, 'sparse'))).toEqual([2, 3, 4].map(k => k * each + gate))
    expect(of(2, 'dense')).toBe(2 * each + gate)
  })
})
