import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { applyOverrides, resolveConfig } from '../config/config.ts'
import { encodeSafetensors } from '../files/safetensors.ts'
import { Graph } from '../graph/index.ts'
import { type ResNetName, resnet, type StemName } from '../models/resnet.ts'
import { Scope } from '../nn/index.ts'
import { writeCheckpoint } from '../run/checkpoint.ts'
import { detectorOf, isDetector } from '../tasks/detection/detector-of.ts'
import { withModelFrom } from './model-from.ts'
import { withPublishedWeights } from './pretrained.ts'
import { train } from './train.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-from-'))
afterAll(() => rmSync(folder, { recursive: true }))

function network(name: ResNetName, stem: StemName, width: number, classes: number): Map<string, HostTensor> {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  resnet(scope, graph.input('images', 'float32', [2, 3, 64, 64]), { name, stem, width, classes })
  return scope.declarations.initialState(3)
}

function saved(name: string, tensors: ReadonlyMap<string, HostTensor>): string {
  const file = join(folder, `${name}.safetensors`)
  writeFileSync(file, encodeSafetensors(tensors))
  return file
}

const inferred = async (from: string, model: object = {}, fixed: string[] = [], rest: object = {}) => {
  const { input, notes } = await withModelFrom({ ...rest, model: { ...model, from } }, fixed)
  return { model: resolveConfig(input, 'test').model, notes }
}

const refused = async (work: Promise<unknown>): Promise<MoietyError> =>
  await work.then(
    () => expect.unreachable('it was taken'),
    (error: unknown) => (error instanceof MoietyError ? error : expect.unreachable(String(error))),
  )

describe('model.from', () => {
  it.each([
    ['resnet18', 'imagenet', 4, 'imagenet'],
    ['resnet34', 'cifar', 3, 'cifar'],
    ['resnet50', 'imagenet', 2, 'imagenet'],
    ['resnet18', 'strided', 2, 'cifar'],
  ] as const)('finds a %s with the %s stem and width %i', async (name, stem, width, told) => {
    const file = saved(`${name}-${stem}`, network(name, stem, width, 7))
    const { model, notes } = await inferred(file, { name: 'resnet18', width: 16 })
    expect([model.name, model.stem, model.width, model.weights, model.weightsPart]).toEqual([
      name,
      told,
      width,
      file,
      'auto',
    ])
    expect(notes[0]).toBe(
      `${file} sets model.name=${name} model.stem=${told} model.width=${width} model.weightsPart=auto`,
    )
    expect(notes.length).toBe(stem === 'imagenet' ? 1 : 2)
  })

  it('keeps a stem of 3×3 that is set, and refuses all settings that do not fit in one message', async () => {
    const file = saved('small', network('resnet18', 'strided', 2, 7))
    const stem = { stem: 'strided' }
    expect((await inferred(file, stem, ['model.stem'])).model.stem).toBe('strided')
    const error = await refused(
      inferred(file, { name: 'resnet50', width: 64 }, ['model.name', 'model.width']),
    )
    expect(error.describe()).toContain('"resnet50"')
    expect(error.describe()).toContain('have "resnet18"')
    expect(error.describe()).toContain('have 2')
  })

  it('takes the settings of a run', async () => {
    const run = join(folder, 'run')
    mkdirSync(run)
    const { model } = resolveConfig({ model: { stem: 'strided', width: 2 } }, 'test')
    writeFileSync(join(run, 'config.json'), JSON.stringify({ model }))
    const state = network('resnet18', 'strided', 2, 7)
    writeCheckpoint(run, { step: 1, epoch: 1, batch: 0, config: 'x', state, extra: null })
    const found = await inferred(run)
    expect([found.model.stem, found.model.width, found.notes.length]).toEqual(['strided', 2, 1])
  })

  it('finds the pyramid and heads of a detector', async () => {
    const config = (detector: object, from: object = {}) => ({
      data: { name: 'scenes' },
      model: { stem: 'strided', width: 2, detector, ...from },
    })
    const { model } = resolveConfig(config({ channels: 6, headDepth: 3 }), 'test')
    const graph = new Graph()
    const scope = Scope.root(graph, { training: true })
    if (!isDetector(model)) return expect.unreachable('it is a detector')
    detectorOf(model, { classes: 3 })(scope, graph.input('images', 'float32', [1, 3, 128, 128]))
    const file = saved('detector', scope.declarations.initialState(1))
    const { input } = await withModelFrom(config({}, { from: file }))
    const { detector } = resolveConfig(input, 'test').model
    expect([detector?.channels, detector?.headDepth]).toEqual([6, 3])
  })

  it.each([
    [
      'other networks',
      ['features.0.weight', 'features.3.weight'],
      'found 2 tensors: features.0.weight, features.3.weight',
    ],
    [
      'other depths',
      ['conv1.weight', 'layer1.0.conv1.weight', 'layer1.0.conv3.weight'],
      'bottleneck blocks, 1, 0, 0, 0 in the stages',
    ],
  ])('refuses %s', async (_, names, message) => {
    const tensor: HostTensor = { dtype: 'float32', shape: [1, 1, 3, 3], data: new Float32Array(9) }
    const file = saved('other', new Map(names.map(name => [name, tensor])))
    expect((await refused(inferred(file))).message).toContain(message)
  })

  it('is a key of --set, and needs its file', async () => {
    const input = applyOverrides({}, ['model.from=a.pth'])
    expect(input).toEqual({ model: { from: 'a.pth' } })
    expect((await refused(withModelFrom(input))).message).toContain('the weights cannot be read')
    expect(() => resolveConfig(input, 'test')).toThrow('it was not read here')
  })
})

describe('weightsPart auto', () => {
  const start = async (classes: number, model: object = {}) => {
    const file = saved('auto', network('resnet18', 'cifar', 2, 7))
    const { model: config } = await inferred(file, model)
    const initial = network('resnet18', 'cifar', 2, classes)
    const notes: string[] = []
    const state = await withPublishedWeights(initial, config, note => notes.push(note))
    return { state, notes, initial, given: network('resnet18', 'cifar', 2, 7) }
  }

  it('begins the classifier at random where the classes are others, and says so', async () => {
    const { state, notes, initial, given } = await start(5)
    expect(notes).toEqual(['fc begins at random: the weights have 7 outputs for classes, the model 5'])
    expect(state.get('fc.weight')).toEqual(initial.get('fc.weight'))
    expect(state.get('layer4.1.conv2.weight')!.data).toEqual(given.get('layer4.1.conv2.weight')!.data)
  })

  it('takes the classifier where there are as many classes, and says so', async () => {
    const { state, notes, given } = await start(7)
    expect(notes[0]).toContain('fc is taken from the weights, too')
    expect(state.get('fc.weight')!.data).toEqual(given.get('fc.weight')!.data)
  })
})

describe('weights that do not fit', () => {
  it('are refused before data are opened, with all settings that would', async () => {
    const weights = saved('imagenet', network('resnet34', 'imagenet', 4, 7))
    const data = { name: 'folder', directory: join(folder, 'no-data'), size: 64 }
    const config = resolveConfig({ data, model: { weights, width: 8 } }, 'test')
    const error = await refused(train({ config, run: join(folder, 'new'), recipe: 'test', resume: false }))
    expect(error.message).toContain('the weights do not fit the model')
    expect(error.help).toContain(
      'alone sets what fits the file: model.name=resnet34 model.stem=imagenet model.width=4 model.weightsPart=auto',
    )
  })

  it('are not asked for their classes before data are opened', async () => {
    const weights = saved('classes', network('resnet18', 'cifar', 2, 7))
    const data = { name: 'folder', directory: join(folder, 'no-data'), size: 32 }
    const config = resolveConfig({ data, model: { weights, width: 2 } }, 'test')
    const error = await refused(train({ config, run: join(folder, 'new'), recipe: 'test', resume: false }))
    expect(error.message).not.toContain('the weights do not fit')
  })
})
