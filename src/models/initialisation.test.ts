import { describe, expect, it } from 'vitest'
import { type Config, resolveConfig } from '../config/config.ts'
import { Graph } from '../graph/index.ts'
import { Scope } from '../nn/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { detectorOf, isDetector } from '../tasks/detection/detector-of.ts'

/** Statistics of an initialised kernel [O, C, U, V]. */
interface Measured {
  readonly mean: number
  readonly variance: number
  readonly largest: number
}

/** Initial values of every parameter with more than one axis, by name. */
function kernels(
  model: object,
  data: object = {},
): Map<string, { readonly shape: readonly number[] } & Measured> {
  const config: Config = resolveConfig({ model, ...data }, 'a test')
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const images = graph.input('images', 'float32', [2, 3, 64, 64])
  if (isDetector(config.model)) detectorOf(config.model, { classes: 3 })(scope, images)
  else classifierOf(config.model, { classes: 10 })(scope, images)
  const state = scope.declarations.initialState(5)
  return new Map(
    [...state]
      .filter(([, { shape }]) => shape.length > 1)
      .map(([name, { shape, data }]) => {
        const values = Array.from(data, Number)
        const mean = values.reduce((total, value) => total + value, 0) / values.length
        const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length
        return [
          name,
          {
            shape,
            mean,
            variance,
            largest: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
          },
        ]
      }),
  )
}

const size = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1)
const fanIn = (shape: readonly number[]): number => size(shape.slice(1))
const fanOut = (shape: readonly number[]): number => shape[0]! * size(shape.slice(2))

/** Five standard errors of a variance measured on n values; of a uniform distribution it is 4/5 of σ⁴/n, of a normal one 2. */
const slack = (values: number, kurtosis: number): number => 5 * Math.sqrt(kurtosis / values)

function expectUniform(
  name: string,
  { shape, variance, largest }: { readonly shape: readonly number[] } & Measured,
): void {
  const bound = 1 / Math.sqrt(fanIn(shape))
  expect(largest, name).toBeLessThanOrEqual(bound * (1 + 1e-6))
  expect(largest, name).toBeGreaterThan(bound * (1 - 30 / size(shape)))
  const expected = bound ** 2 / 3
  expect(Math.abs(variance / expected - 1), name).toBeLessThan(slack(size(shape), 0.8))
}

function expectNormal(
  name: string,
  { shape, variance, mean }: { readonly shape: readonly number[] } & Measured,
): void {
  const expected = 2 / fanOut(shape)
  expect(Math.abs(variance / expected - 1), name).toBeLessThan(slack(size(shape), 2))
  expect(Math.abs(mean), name).toBeLessThan(5 * Math.sqrt(expected / size(shape)))
}

const resblock = (position: number, fields: object = {}) => ({
  position,
  style: 'resblock',
  experts: 4,
  k: 2,
  noise: true,
  ...fields,
})

describe('first values as published (METHOD.md §1.4)', () => {
  it('are PyTorch’s default in experts, shortcut, gate, noise and CIFAR stem, and 2/fanOut in the plain stages', () => {
    const all = kernels({ width: 16, moe: [resblock(3)] })
    const inserted = /^(layer3\.(experts|shortcut|gate)\.|conv1\.|fc\.)/
    const names = [...all.keys()]
    expect(names.filter(name => /^layer3\.experts\.\d\.\d\.conv\d/.test(name))).toHaveLength(16)
    for (const part of [
      'layer3.shortcut.0.weight',
      'layer3.gate.noise.weight',
      'conv1.weight',
      'layer1.0.conv1.weight',
    ])
      expect(names).toContain(part)
    for (const [name, kernel] of all) (inserted.test(name) ? expectUniform : expectNormal)(name, kernel)
  })

  it('leave an expert a sixth of the variance where fan-in and fan-out are equal', () => {
    const published = kernels({ width: 16, moe: [resblock(1)] }).get('layer1.experts.0.1.conv2.weight')!
    const [C, O] = [published.shape[1]!, published.shape[0]!]
    expect(published.variance / (2 / (9 * O))).toBeCloseTo(O / (6 * C), 1)
  })

  it('are PyTorch’s default in convolution experts and their gate', () => {
    const all = kernels({
      width: 16,
      moe: [{ position: 2, style: 'conv', experts: 4, k: 2, gate: 'conv-gap-fc' }],
    })
    const experts = [...all].filter(([name]) => name.includes('.experts.'))
    expect(experts).toHaveLength(4)
    for (const [name, kernel] of all)
      (/\.experts\.|\.gate\.|^conv1\.|^fc\./.test(name) ? expectUniform : expectNormal)(name, kernel)
  })

  it('are PyTorch’s default in a stem of experts', () => {
    const all = kernels({ width: 16, moe: [resblock(0, { style: 'block' })] })
    const stem = [...all].filter(([name]) => name.startsWith('stem.'))
    expect(stem.length).toBeGreaterThan(4)
    for (const [name, kernel] of stem) expectUniform(name, kernel)
  })

  it('are torchvision’s own in its stem for ImageNet, also under experts of a detector', () => {
    const all = kernels(
      { width: 16, stem: 'imagenet', moe: [resblock(4)], detector: {} },
      { data: { name: 'scenes' } },
    )
    const stem = [...all].filter(([name]) => /(^|\.)conv1\.weight$/.test(name) && !name.includes('layer'))
    expect(stem).toHaveLength(1)
    expectNormal(...stem[0]!)
    const experts = [...all].filter(([name]) => name.includes('layer4.experts.'))
    expect(experts.length).toBeGreaterThan(0)
    for (const [name, kernel] of experts) expectUniform(name, kernel)
  })
})

describe('first values with initialisation=fan-out', () => {
  it('are 2/fanOut in all convolutions of the network', () => {
    const all = kernels({ width: 16, initialisation: 'fan-out', moe: [resblock(3)] })
    for (const [name, kernel] of all)
      (/^fc\.|\.gate\./.test(name) ? expectUniform : expectNormal)(name, kernel)
  })

  it('do not change what else is drawn', () => {
    const [published, fanOut] = [{}, { initialisation: 'fan-out' }].map(fields =>
      kernels({ width: 8, moe: [resblock(3)], ...fields }),
    )
    for (const name of [
      'layer1.0.conv1.weight',
      'layer4.1.conv2.weight',
      'layer3.gate.noise.weight',
      'fc.weight',
    ])
      expect(fanOut!.get(name)).toEqual(published!.get(name))
  })
})
