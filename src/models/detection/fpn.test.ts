import { describe, expect, it } from 'vitest'
import { detectionGolden, expectValues, wave } from '../../../test/detection-golden.ts'
import { sizeOf } from '../../base/tensor.ts'
import { add, Graph, gradients, interpret, mul, type NdArray, sum } from '../../graph/index.ts'
import { Scope } from '../../nn/index.ts'
import { featurePyramid } from './fpn.ts'

/** C3 and C4 with odd extents, so that what is enlarged must be cut. */
const stages = { c3: [2, 4, 5, 6], c4: [2, 5, 3, 3], c5: [2, 6, 2, 2] }

/** In the order of the golden values' seeds. */
const convolutions = [
  ...[0, 1, 2].map(i => `inner_blocks.${i}.0`),
  ...[0, 1, 2].map(i => `layer_blocks.${i}.0`),
  'extra_blocks.p6',
  'extra_blocks.p7',
]

describe('a feature pyramid', () => {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const given = Object.entries(stages).map(([name, shape]) => graph.input(name, 'float32', shape))
  const levels = featurePyramid(scope, given, 3)
  const { parameters } = scope.declarations

  it('has the names and shapes of torchvision, and five levels', () => {
    const shapes = Object.fromEntries([...parameters.values()].map(({ name, shape }) => [name, shape]))
    expect(Object.keys(shapes).sort()).toEqual(
      convolutions.flatMap(name => [`${name}.bias`, `${name}.weight`]).sort(),
    )
    expect(shapes['inner_blocks.1.0.weight']).toEqual([3, 5, 1, 1])
    expect(shapes['extra_blocks.p6.weight']).toEqual([3, 6, 3, 3])
    expect(levels.map(level => level.shape.slice(2))).toEqual([
      [5, 6],
      [3, 3],
      [2, 2],
      [1, 1],
      [1, 1],
    ])
  })

  it('is the one that torch computes, with all gradients', () => {
    const feeds = new Map<string, NdArray>()
    for (const [i, [name, shape]] of Object.entries(stages).entries())
      feeds.set(name, { shape, data: wave(1 + i, sizeOf(shape)) })
    for (const [i, name] of convolutions.entries()) {
      const { shape } = parameters.get(`${name}.weight`)!
      feeds.set(`${name}.weight`, { shape, data: wave(20 + i, sizeOf(shape)) })
      feeds.set(`${name}.bias`, { shape: [3], data: wave(40 + i, 3) })
    }
    const objective = levels.map((level, i) => {
      const { shape } = level
      feeds.set(`r${i}`, { shape: shape.map(Number), data: wave(9 + i, sizeOf(shape.map(Number))) })
      return sum(mul(level, graph.input(`r${i}`, 'float32', shape)))
    })
    const golden = detectionGolden.pyramid
    const names = Object.keys(golden.gradients)
    expect(names.length).toBe(3 + parameters.size)
    const targets = names.map(name => graph.inputs.get(name)!)
    const results = interpret([...levels, ...gradients(objective.reduce(add), targets)], feeds)
    for (const [i, output] of golden.outputs.entries())
      expectValues(results[i]!.data, output, 1e-9, `P${3 + i}`)
    for (const [i, name] of names.entries())
      expectValues(results[5 + i]!.data, golden.gradients[name]!, 1e-9, `gradient of ${name}`)
  })

  it('refuses stages that do not halve', () => {
    const other = new Graph()
    const inputs = [8, 4, 3].map((side, i) => other.input(`c${i}`, 'float32', [1, 2, side, side]))
    expect(() => featurePyramid(Scope.root(other, { training: true }), inputs, 2)).toThrow('half the extents')
  })
})
