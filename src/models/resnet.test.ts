import { describe, expect, it } from 'vitest'
import { sizeOf } from '../base/tensor.ts'
import { Graph } from '../graph/index.ts'
import { gapFc, none } from '../moe/index.ts'
import { type Declarations, Scope } from '../nn/index.ts'
import { embed } from './embed.ts'
import { type ResNetName, type ResNetOptions, resnet, resnetStages, type StemName } from './resnet.ts'

function declared(options: Partial<ResNetOptions>, size = 32): Declarations {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const images = graph.input('images', 'float32', [2, 3, size, size])
  const { logits } = resnet(scope, images, {
    name: 'resnet18',
    stem: 'cifar',
    width: 64,
    classes: 1000,
    ...options,
  })
  expect(logits.shape).toEqual([2, options.classes ?? 1000])
  return scope.declarations
}

const depths = { resnet18: [2, 2, 2, 2], resnet34: [3, 4, 6, 3], resnet50: [3, 4, 6, 3] } as const

/** Names and shapes of a torchvision ResNet's state_dict, `num_batches_tracked` left out, by rule. */
function torchvisionTensors(name: ResNetName, stem: 'cifar' | 'imagenet'): Map<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>()
  const conv = (path: string, outputs: number, inputs: number, kernel: number): void => {
    tensors.set(`${path}.weight`, [outputs, inputs, kernel, kernel])
  }
  const norm = (path: string, channels: number): void => {
    for (const leaf of ['weight', 'bias', 'running_mean', 'running_var'])
      tensors.set(`${path}.${leaf}`, [channels])
  }
  conv('conv1', 64, 3, stem === 'cifar' ? 3 : 7)
  norm('bn1', 64)
  const isBottleneck = name === 'resnet50'
  let channels = 64
  for (const [stage, depth] of depths[name].entries()) {
    const planes = [64, 128, 256, 512][stage]!
    const outputs = isBottleneck ? 4 * planes : planes
    for (let block = 0; block < depth; block++) {
      const path = `layer${stage + 1}.${block}`
      const kernels = isBottleneck ? [1, 3, 1] : [3, 3]
      for (const [i, kernel] of kernels.entries()) {
        const from = i === 0 ? channels : planes
        const to = i === kernels.length - 1 ? outputs : planes
        conv(`${path}.conv${i + 1}`, to, from, kernel)
        norm(`${path}.bn${i + 1}`, to)
      }
      if (block === 0 && (stage > 0 || isBottleneck)) {
        conv(`${path}.downsample.0`, outputs, channels, 1)
        norm(`${path}.downsample.1`, outputs)
      }
      channels = outputs
    }
  }
  tensors.set('fc.weight', [1000, channels])
  tensors.set('fc.bias', [1000])
  return tensors
}

describe('a ResNet', () => {
  it.each([
    ['resnet18', 'imagenet'],
    ['resnet34', 'imagenet'],
    ['resnet50', 'imagenet'],
    ['resnet18', 'cifar'],
    ['resnet34', 'cifar'],
    ['resnet50', 'cifar'],
  ] as const)('%s with %s stem has the names and shapes of torchvision', (name, stem) => {
    const got = new Map(
      declared({ name, stem })
        .all()
        .map(tensor => [tensor.name, tensor.shape]),
    )
    const wanted = torchvisionTensors(name, stem)
    expect([...got.keys()].sort()).toEqual([...wanted.keys()].sort())
    for (const [tensor, shape] of wanted) expect(got.get(tensor), tensor).toEqual(shape)
  })

  // The figures that torchvision publishes with its weights.
  it.each([
    ['resnet18', 11_689_512],
    ['resnet34', 21_797_672],
    ['resnet50', 25_557_032],
  ] as const)('%s for ImageNet has %i parameters', (name, parameters) => {
    expect(declared({ name, stem: 'imagenet' }).parameterCount()).toBe(parameters)
  })

  it('18 for CIFAR-100 has 11,220,132 parameters, and its stages those of METHOD.md §1.4', () => {
    const declarations = declared({ classes: 100 })
    expect(declarations.parameterCount()).toBe(11_220_132)
    const stage = (position: number): number =>
      [...declarations.parameters.values()]
        .filter(({ name }) => name.startsWith(`layer${position}.`))
        .reduce((total, { shape }) => total + sizeOf(shape), 0)
    expect([1, 2, 3, 4].map(stage)).toEqual([147_968, 525_568, 2_099_712, 8_393_728])
  })

  it('of another width has its channels scaled', () => {
    const { parameters } = declared({ name: 'resnet50', width: 24, classes: 10 })
    expect(parameters.get('conv1.weight')!.shape).toEqual([24, 3, 3, 3])
    expect(parameters.get('layer4.2.conv3.weight')!.shape).toEqual([768, 192, 1, 1])
    expect(parameters.get('fc.weight')!.shape).toEqual([10, 768])
  })

  it('keeps 32×32 in the CIFAR stem, halves 64×64 in the strided one and quarters it in the ImageNet stem', () => {
    const sides = (stem: StemName, size: number): (number | string)[] => {
      const graph = new Graph()
      const scope = Scope.root(graph, { training: false })
      const seen: (number | string)[] = []
      resnet(scope, graph.input('images', 'float32', [2, 3, size, size]), {
        name: 'resnet18',
        stem,
        width: 8,
        classes: 10,
        replaced: new Map(
          [1, 2, 3, 4].map(position => [
            position,
            (_scope, x) => {
              seen.push(x.dim(2))
              return { output: x, losses: [], stats: [] }
            },
          ]),
        ),
      })
      return seen
    }
    expect(sides('cifar', 32)).toEqual([32, 32, 32, 32])
    expect(sides('imagenet', 64)).toEqual([16, 16, 16, 16])
    expect(sides('imagenet', 65)).toEqual([17, 17, 17, 17])
    expect(sides('strided', 64)).toEqual([32, 32, 32, 32])
  })

  it('with a strided stem begins with a 3×3 convolution, also where a mixture takes its place', () => {
    const kernel = (replaced: ResNetOptions['replaced'], name: string): readonly number[] =>
      declared({ stem: 'strided', width: 8, replaced: replaced ?? new Map() }).parameters.get(name)!.shape
    expect(kernel(undefined, 'conv1.weight')).toEqual([8, 3, 3, 3])
    const { replaced } = embed('resnet18', 8, [
      {
        position: 0,
        style: 'block',
        experts: 2,
        k: 2,
        expertWidth: null,
        gate: gapFc,
        constraint: none(),
        weighting: 'softmax-after-top-k',
        dispatch: 'sparse',
        noise: false,
        lift: null,
      },
    ])
    expect(kernel(replaced, 'stem.experts.1.0.weight')).toEqual([8, 3, 3, 3])
  })

  it('gives out what each stage makes, C2 to C5', () => {
    const graph = new Graph()
    const scope = Scope.root(graph, { training: false })
    const images = graph.input('images', 'float32', [2, 3, 96, 64])
    const { stages } = resnetStages(scope, images, { name: 'resnet50', stem: 'imagenet', width: 8 })
    expect(stages.map(({ shape }) => shape)).toEqual([
      [2, 32, 24, 16],
      [2, 64, 12, 8],
      [2, 128, 6, 4],
      [2, 256, 3, 2],
    ])
    expect([...scope.declarations.parameters.keys()].some(name => name.startsWith('fc.'))).toBe(false)
  })
})
