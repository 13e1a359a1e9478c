import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import { type ModelConfig, resolveConfig } from '../config/config.ts'
import { encodeSafetensors } from '../files/safetensors.ts'
import { Graph, lower } from '../graph/index.ts'
import { Scope } from '../nn/index.ts'
import { Engine } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { trainingStep } from './classification-step.ts'
import { withPublishedWeights } from './pretrained.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-upcycle-'))
const classes = 5
const size = 16
const batch = 6

function normals(shape: readonly number[], purpose: string): HostTensor {
  const source = draws(9, purpose)
  return floats(
    shape,
    Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}

const images = normals([batch, 3, size, size], 'images')
const labels: HostTensor = {
  dtype: 'int64',
  shape: [batch],
  data: BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes)),
}

function initial(model: ModelConfig): Map<string, HostTensor> {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  classifierOf(model, { classes })(scope, graph.input('images', 'float32', [batch, 3, size, size]))
  return scope.declarations.initialState(2)
}

const configured = (model: object): ModelConfig =>
  resolveConfig({ data: { name: 'folder', size }, model: { width: 2, ...model } }, 'test').model

/** A trained network: every number random, variances positive. */
function trained(name: ModelConfig['name']): Map<string, HostTensor> {
  return new Map(
    [...initial(configured({ name }))].map(([tensor, { shape }]) => {
      const { data } = normals(shape, tensor)
      const values = Array.from(data, Number)
      if (tensor.endsWith('running_var'))
        return [
          tensor,
          floats(
            shape,
            values.map(value => 0.5 + Math.abs(value)),
          ),
        ]
      return [
        tensor,
        floats(
          shape,
          shape.length > 1 ? values.map(value => value / Math.sqrt(sizeOf(shape.slice(1)))) : values,
        ),
      ]
    }),
  )
}

describe('upcycling', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
    rmSync(folder, { recursive: true })
  })

  /** Logits in evaluation, and the loss of the first step. */
  async function firstOutputs(model: ModelConfig, state: ReadonlyMap<string, HostTensor>) {
    const classifier = classifierOf(model, { classes })
    const graph = new Graph()
    const { logits } = classifier(
      Scope.root(graph, { training: false }),
      graph.input('images', 'float32', [batch, 3, size, size]),
    )
    await engine.setState(new Map(state))
    const evaluation = await engine.load(lower(new Map([['logits', logits]])))
    const evaluated = Array.from(
      (await evaluation.run(new Map([['images', images]]))).get('logits')!.data,
      Number,
    )
    await evaluation.release()
    const optimizer = {
      name: 'sgd',
      learningRate: 0.1,
      momentum: 0,
      nesterov: false,
      weightDecay: 0,
      groups: null,
    } as const
    const step = trainingStep({
      classifier,
      classes,
      batch,
      size,
      optimizer,
      labelSmoothing: 0,
      clipNorm: null,
    })
    await engine.setState(new Map([...step.initialState(1), ...state]))
    const program = await engine.load(step.program)
    const noise = step.noise.map(({ name, shape }) => [name, normals(shape, name)] as const)
    const { outputs } = await program.step(
      new Map([['images', images], ['labels', labels], ['learningRate', scalar(0.1)], ...noise]),
      step,
    )
    await program.release()
    return { evaluated, loss: Number(outputs.get('taskLoss')!.data[0]) }
  }

  async function started(model: object, seed = 1, network = trained('resnet18')) {
    const weights = join(folder, 'plain.safetensors')
    writeFileSync(weights, encodeSafetensors(network))
    const config = configured({ weights, weightsPart: 'copies', ...model })
    return { config, state: await withPublishedWeights(initial(config), config, undefined, { seed }) }
  }

  const layer = (style: string, position: number, fields: object = {}) => ({
    style,
    position,
    experts: 3,
    k: 3,
    constraint: { name: 'none' },
    ...fields,
  })
  /** Inner channels of stages of width 2. */
  const whole = [0, 2, 4, 8, 16]

  it.each([
    ['block in place of stage 4', [layer('block', 4, { expertWidth: whole[4] })]],
    ['block in place of the stem', [layer('block', 0)]],
    ['resblock in place of stage 3', [layer('resblock', 3, { expertWidth: whole[3] })]],
    ['convolution of the stem', [layer('conv', 0)]],
    ['convolution of stage 2, two of three experts', [layer('conv', 2, { k: 2 })]],
    ['shared stage 4, two of three experts', [layer('shared', 4, { k: 2, expertWidth: whole[4] })]],
    ['shared stage 2 with narrow experts', [layer('shared', 2, { k: 2 })]],
    [
      'shared stage 1, and a block',
      [layer('shared', 1, { k: 2 }), layer('block', 4, { expertWidth: whole[4] })],
    ],
  ])('begins with the output and the loss of the plain network: %s', async (_, moe) => {
    const { config, state } = await started({ moe })
    const network = trained('resnet18')
    const plain = await firstOutputs(configured({}), network)
    const mixed = await firstOutputs(config, state)
    const scale = Math.max(...plain.evaluated.map(Math.abs))
    for (const [i, value] of mixed.evaluated.entries())
      expect(Math.abs(value - plain.evaluated[i]!) / scale).toBeLessThan(1e-4)
    expect(mixed.loss / plain.loss).toBeCloseTo(1, 4)
  })

  it('keeps the output in evaluation whichever experts are chosen', async () => {
    const { config, state } = await started({ moe: [layer('block', 4, { k: 2, expertWidth: whole[4] })] })
    const plain = await firstOutputs(configured({}), trained('resnet18'))
    const mixed = await firstOutputs(config, state)
    for (const [i, value] of mixed.evaluated.entries()) expect(value).toBeCloseTo(plain.evaluated[i]!, 3)
  })

  it('keeps the output of a shared stage with noise, which makes experts differ', async () => {
    const moe = [layer('shared', 3, { k: 2, expertWidth: whole[3] })]
    const { config, state } = await started({ moe, copyNoise: 0.1 })
    const plain = await firstOutputs(configured({}), trained('resnet18'))
    expect((await firstOutputs(config, state)).loss / plain.loss).toBeCloseTo(1, 5)
    const kernel = (expert: number) =>
      Array.from(state.get(`layer3.experts.${expert}.0.conv1.weight`)!.data, Number)
    const original = Array.from(trained('resnet18').get('layer3.0.conv1.weight')!.data, Number)
    const difference = kernel(0).map((value, i) => value - original[i]!)
    const deviation = (values: number[]) =>
      Math.sqrt(values.reduce((total, value) => total + value ** 2, 0) / values.length)
    expect(deviation(difference) / deviation(original)).toBeCloseTo(0.1, 1)
    expect(kernel(0)).not.toEqual(kernel(1))
    const again = await started({ moe, copyNoise: 0.1 })
    expect(again.state.get('layer3.experts.0.0.conv1.weight')).toEqual(
      state.get('layer3.experts.0.0.conv1.weight'),
    )
    const other = await started({ moe, copyNoise: 0.1 }, 2)
    expect(other.state.get('layer3.experts.0.0.conv1.weight')).not.toEqual(
      state.get('layer3.experts.0.0.conv1.weight'),
    )
  })

  it('gives narrow experts channels of the stage, each its own', async () => {
    const network = trained('resnet18')
    const { state } = await started({ moe: [layer('shared', 4, { expertWidth: 5 })] })
    const own = (expert: number, name: string) => state.get(`layer4.experts.${expert}.${name}`)!
    const bias = Array.from(network.get('layer4.0.bn1.bias')!.data, Number)
    const places = ({ data }: HostTensor, among: readonly number[]): number[] =>
      Array.from(data, Number).map(value => among.indexOf(value))
    const drawn = (expert: number): number[] => places(own(expert, '0.bn1.bias'), bias)
    expect(drawn(0)).toHaveLength(5)
    expect(drawn(0)).toEqual(drawn(0).toSorted((a, b) => a - b))
    expect(drawn(0).every(channel => channel >= 0)).toBe(true)
    expect(drawn(0)).not.toEqual(drawn(1))
    // Kernels of drawn channels; the first convolution sees all of its inputs.
    const kernel = network.get('layer4.0.conv1.weight')!
    const row = 8 * 9
    expect(Array.from(own(0, '0.conv1.weight').data, Number).slice(row, row + 9)).toEqual(
      Array.from(kernel.data, Number).slice(drawn(0)[1]! * row, drawn(0)[1]! * row + 9),
    )
    // The second sees the drawn ones alone, times 16 / 5.
    const second = network.get('layer4.0.conv2.weight')!
    const rows = places(own(0, '0.bn2.bias'), Array.from(network.get('layer4.0.bn2.bias')!.data, Number))
    expect(Number(own(0, '0.conv2.weight').data[9])).toBeCloseTo(
      3.2 * Number(second.data[(rows[0]! * 16 + drawn(0)[1]!) * 9]),
      5,
    )
    // The last block's shortcut puts each drawn channel where it belongs.
    const shortcut = own(0, '1.downsample.0.weight')
    expect(shortcut.shape).toEqual([16, 5, 1, 1])
    for (const [i, channel] of rows.entries()) expect(Number(shortcut.data[channel * 5 + i])).toBe(1)
    expect(Array.from(shortcut.data, Number).reduce((total, value) => total + value, 0)).toBe(5)
  })

  it('of every network gives narrow experts finite values', async () => {
    for (const name of ['resnet34', 'resnet50'] as const) {
      const { config, state } = await started(
        { name, moe: [layer('block', 1), layer('block', 3)] },
        1,
        trained(name),
      )
      const { evaluated } = await firstOutputs(config, state)
      expect(evaluated.every(Number.isFinite), name).toBe(true)
    }
  })

  it('begins the classifier at random for other classes, and refuses experts that are wider than the stage', async () => {
    const network = trained('resnet18')
    network.set('fc.weight', normals([9, 16], 'fc'))
    network.set('fc.bias', normals([9], 'bias'))
    const { state } = await started({ moe: [layer('block', 4, { expertWidth: 16 })] }, 1, network)
    expect(state.get('fc.weight')!.shape).toEqual([classes, 16])
    await expect(started({ moe: [layer('block', 4, { expertWidth: 20 })] })).rejects.toThrow(
      'of another shape',
    )
  })
})
