import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MoietyError } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { type ModelConfig, type MoeLayerConfig, resolveConfig } from '../config/config.ts'
import { encodeSafetensors } from '../files/safetensors.ts'
import { Graph } from '../graph/index.ts'
import { Scope } from '../nn/index.ts'
import { writeCheckpoint } from '../run/checkpoint.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { type DetectorModelConfig, detectorOf, isDetector } from '../tasks/detection/detector-of.ts'
import { withPublishedWeights } from './pretrained.ts'

const mixture = (fields: Partial<MoeLayerConfig>): MoeLayerConfig => ({
  position: 4,
  style: 'resblock',
  experts: 2,
  k: 2,
  expertWidth: null,
  gate: 'gap-fc',
  gateWidth: 8,
  noise: false,
  weighting: 'softmax-after-top-k',
  dispatch: 'sparse',
  constraint: { name: 'relative', threshold: 0.5, lift: null },
  ...fields,
})

const model = (fields: Partial<ModelConfig> = {}): ModelConfig => ({
  name: 'resnet18',
  stem: 'cifar',
  width: 2,
  weights: null,
  initialisation: 'published',
  weightsEntry: null,
  copyNoise: 0,
  freeze: null,
  weightsPart: 'whole',
  moe: [],
  detector: null,
  ...fields,
})

/** First values of a network of 5 classes, with an optimizer's moment among them. */
function initialOf(config: ModelConfig, seed: number, classes = 5): Map<string, HostTensor> {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  classifierOf(config, { classes })(scope, graph.input('images', 'float32', [1, 3, 16, 16]))
  const state = scope.declarations.initialState(seed)
  return new Map([...state, ['optimizer.m.fc.bias', floats([classes], new Array<number>(classes).fill(9))]])
}

/** A plain network of 5 classes, every number of it random. */
function publishedTensors(): Map<string, HostTensor> {
  const names = [...initialOf(model(), 1)].filter(([name]) => !name.startsWith('optimizer.'))
  return new Map(
    names.map(([name, { shape }]) => {
      const source = draws(77, name)
      return [
        name,
        floats(
          shape,
          Array.from({ length: sizeOf(shape) }, () => source.normal()),
        ),
      ]
    }),
  )
}

describe('published weights', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'moiety-weights-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** A file as torchvision writes it: a plain network with `num_batches_tracked`, changed by `edit`. */
  function published(
    name: string,
    edit: (tensors: Map<string, HostTensor>) => void = () => undefined,
  ): string {
    const tensors = publishedTensors()
    const count: HostTensor = { dtype: 'int64', shape: [], data: BigInt64Array.of(3n) }
    for (const key of [...tensors.keys()])
      if (key.endsWith('running_mean')) tensors.set(key.replace('running_mean', 'num_batches_tracked'), count)
    edit(tensors)
    const file = join(folder, `${name}.safetensors`)
    writeFileSync(file, encodeSafetensors(tensors))
    return file
  }

  async function refusal(config: ModelConfig, initial = initialOf(config, 1)): Promise<MoietyError> {
    return await withPublishedWeights(initial, config).then(
      () => expect.unreachable('weights that do not fit were taken'),
      (error: MoietyError) => error,
    )
  }

  it('of the whole network replace everything but the optimizer; num_batches_tracked is ignored', async () => {
    const initial = initialOf(model(), 1)
    const state = await withPublishedWeights(initial, model({ weights: published('whole') }))
    const wanted = new Map([...initial, ...publishedTensors()])
    expect([...state.keys()]).toEqual([...initial.keys()])
    for (const [name, tensor] of state) expect(tensor.data, name).toEqual(wanted.get(name)!.data)
    expect(state.get('conv1.weight')!.data).not.toEqual(initial.get('conv1.weight')!.data)
  })

  describe('of a detector', () => {
    const detector = (detector: object, fields: Partial<ModelConfig> = {}): DetectorModelConfig => {
      const { model: resolved } = resolveConfig(
        {
          data: { name: 'scenes' },
          model: {
            name: 'resnet18',
            stem: 'strided',
            width: 2,
            detector: { channels: 4, headDepth: 2, ...detector },
          },
        },
        'test',
      )
      const whole = { ...resolved, ...fields }
      return isDetector(whole) ? whole : expect.unreachable('it is a detector')
    }
    const initialDetector = (config: DetectorModelConfig, seed: number): Map<string, HostTensor> => {
      const graph = new Graph()
      const scope = Scope.root(graph, { training: true })
      detectorOf(config, { classes: 3 })(scope, graph.input('images', 'float32', [1, 3, 128, 128]))
      return scope.declarations.initialState(seed)
    }
    const plain = initialDetector(detector({}), 7)
    const baseline = (): string => {
      const file = join(folder, 'baseline.safetensors')
      writeFileSync(file, encodeSafetensors(plain))
      return file
    }
    const same = (a: HostTensor | undefined, b: HostTensor | undefined) =>
      a !== undefined && b !== undefined && a.data.join() === b.data.join()

    it('fill its backbone from a network that classifies', async () => {
      const file = join(folder, 'classifier.safetensors')
      const fc = new Map([['fc.weight', floats([2, 16], new Float32Array(32))]])
      const backbone = [...plain].filter(([name]) => !/^(fpn|head)\./.test(name))
      writeFileSync(file, encodeSafetensors(new Map([...backbone, ...fc])))
      const config = detector({}, { weights: file, weightsPart: 'backbone' })
      const state = await withPublishedWeights(initialDetector(config, 1), config)
      expect(same(state.get('layer3.0.conv1.weight'), plain.get('layer3.0.conv1.weight'))).toBe(true)
      expect(same(state.get('fpn.inner_blocks.0.0.weight'), plain.get('fpn.inner_blocks.0.0.weight'))).toBe(
        false,
      )
    })

    it("may have the names of torchvision's RetinaNet", async () => {
      const file = join(folder, 'torchvision.safetensors')
      const theirs = [...plain].map(([name, tensor]) => {
        const inside = name.startsWith('fpn.') ? `backbone.${name}` : `backbone.body.${name}`
        return [name.startsWith('head.') ? name : inside, tensor] as const
      })
      writeFileSync(file, encodeSafetensors(new Map(theirs)))
      const config = detector({}, { weights: file })
      const state = await withPublishedWeights(initialDetector(config, 1), config)
      for (const [name, tensor] of state) expect(same(tensor, plain.get(name)), name).toBe(true)
    })

    it('leave the mixtures of the heads at random (trunk)', async () => {
      const mixture = { heads: 'classification', gates: 'shared' }
      const config = detector({ mixture }, { weights: baseline(), weightsPart: 'trunk' })
      const initial = initialDetector(config, 1)
      const state = await withPublishedWeights(initial, config)
      for (const [name, tensor] of state) {
        const isNew = /^head\.(gate|classification_head)\./.test(name)
        expect(same(tensor, isNew ? initial.get(name) : plain.get(name)), name).toBe(true)
      }
    })

    it('leave both heads at random, plain parts and mixtures alike (features)', async () => {
      const mixture = { part: 'last-conv', heads: 'regression' }
      const config = detector({ mixture }, { weights: baseline(), weightsPart: 'features' })
      const initial = initialDetector(config, 1)
      const state = await withPublishedWeights(initial, config)
      for (const [name, tensor] of state)
        expect(same(tensor, (name.startsWith('head.') ? initial : plain).get(name)), name).toBe(true)
      expect(
        same(
          initial.get('head.classification_head.conv.0.0.weight'),
          plain.get('head.classification_head.conv.0.0.weight'),
        ),
      ).toBe(false)
    })

    it('begin each expert as a copy of the trained head (copies)', async () => {
      const config = detector({ mixture: { experts: 3 } }, { weights: baseline(), weightsPart: 'copies' })
      const initial = initialDetector(config, 1)
      const notes: string[] = []
      const state = await withPublishedWeights(initial, config, note => notes.push(note))
      expect(notes.join('\n')).not.toContain('the weights do not have it')
      for (const head of ['classification_head.cls_logits', 'regression_head.bbox_reg']) {
        const [name, leaf] = head.split('.')
        for (const expert of [0, 1, 2])
          expect(
            same(
              state.get(`head.${name}.experts.${expert}.${leaf}.weight`),
              plain.get(`head.${head}.weight`),
            ),
          ).toBe(true)
      }
      const gates = [...initial.keys()].filter(name => name.includes('_head.gate.'))
      expect(gates.length).toBeGreaterThan(1)
      for (const name of gates) expect(same(state.get(name), initial.get(name)), name).toBe(true)
    })

    it('begin each expert of a stage as a copy of the trained stage', async () => {
      const moe = [
        { position: 4, style: 'block', experts: 2, k: 2, expertWidth: 16, constraint: { name: 'none' } },
      ]
      const { model: resolved } = resolveConfig(
        {
          data: { name: 'scenes' },
          model: {
            stem: 'strided',
            width: 2,
            moe,
            weights: baseline(),
            weightsPart: 'copies',
            detector: { channels: 4, headDepth: 2, freeze: 'batch-norm' },
          },
        },
        'test',
      )
      const config = isDetector(resolved) ? resolved : expect.unreachable('it is a detector')
      const notes: string[] = []
      const state = await withPublishedWeights(initialDetector(config, 1), config, note => notes.push(note))
      expect(notes.slice(1)).toEqual([
        'experts of layer4 begin as copies of the weights, and its gate at random',
      ])
      for (const leaf of ['0.conv1.weight', '1.bn2.running_var', '0.downsample.0.weight'])
        for (const expert of [0, 1])
          expect(same(state.get(`layer4.experts.${expert}.${leaf}`), plain.get(`layer4.${leaf}`)), leaf).toBe(
            true,
          )
    })

    it('must have the head that is to be copied', async () => {
      const file = join(folder, 'headless.safetensors')
      writeFileSync(
        file,
        encodeSafetensors(new Map([...plain].filter(([name]) => !name.includes('cls_logits')))),
      )
      const config = detector({ mixture: { experts: 2 } }, { weights: file, weightsPart: 'copies' })
      const error = await refusal(config, initialDetector(config, 1))
      expect(error.message).toContain(
        'missing from the file (4): head.classification_head.experts.0.cls_logits',
      )
    })

    it('are those of a run where a folder is named, which must have a checkpoint', async () => {
      const run = join(folder, 'run')
      mkdirSync(run)
      const config = detector({}, { weights: run })
      const initial = initialDetector(config, 1)
      expect((await refusal(config, initial)).message).toContain('expected a run with a checkpoint')
      writeCheckpoint(run, { step: 1, epoch: 1, batch: 0, config: 'x', state: plain, extra: null })
      const state = await withPublishedWeights(initial, config)
      for (const [name, tensor] of state) expect(same(tensor, plain.get(name)), name).toBe(true)
    })
  })

  it('are not asked for when the configuration names none', async () => {
    const initial = initialOf(model(), 1)
    expect(await withPublishedWeights(initial, model())).toEqual(initial)
  })

  it('that do not fit are listed by name: missing, not in the model, of another shape', async () => {
    const weights = published('odd', tensors => {
      tensors.delete('layer2.0.conv1.weight')
      tensors.delete('bn1.running_var')
      tensors.set('layer9.weight', floats([1], [0]))
      tensors.set('layer1.0.bn1.bias', floats([3], [0, 0, 0]))
    })
    const error = await refusal(model({ weights }))
    expect(error.kind).toBe('data')
    expect(error.where).toBe(weights)
    expect(error.message.split('\n').slice(1)).toEqual([
      '  missing from the file (2): layer2.0.conv1.weight, bn1.running_var',
      '  not in the model (1): layer9.weight',
      '  of another shape (1): layer1.0.bn1.bias: the model has [2], the file [3]',
    ])
  })

  it('of another element type say so', async () => {
    const weights = published('typed', tensors => {
      tensors.set('layer1.0.bn1.bias', { dtype: 'int64', shape: [2], data: BigInt64Array.of(0n, 0n) })
    })
    expect((await refusal(model({ weights }))).message).toContain(
      'layer1.0.bn1.bias: the model has float32 [2], the file int64 [2]',
    )
  })

  it('with other classes are refused as a whole, and the backbone is offered', async () => {
    const weights = published('classes')
    const config = model({ weights })
    const error = await refusal(config, initialOf(config, 1, 7))
    expect(error.message).toContain('fc.weight: the model has [7, 16], the file [5, 16]')
    expect(error.help).toContain('weightsPart=backbone')
  })

  it('of the backbone leave the classifier as it was', async () => {
    const weights = published('backbone')
    const config = model({ weights, weightsPart: 'backbone' })
    const initial = initialOf(config, 1, 7)
    const state = await withPublishedWeights(initial, config)
    const wanted = publishedTensors()
    for (const [name, tensor] of state) {
      const source = name.startsWith('fc.') || name.startsWith('optimizer.') ? initial : wanted
      expect(tensor.data, name).toEqual(source.get(name)!.data)
    }
  })

  it('of a backbone without a classifier fit too', async () => {
    const weights = published('headless', tensors => {
      tensors.delete('fc.weight')
      tensors.delete('fc.bias')
    })
    const config = model({ weights, weightsPart: 'backbone' })
    await expect(withPublishedWeights(initialOf(config, 1), config)).resolves.toBeDefined()
    expect((await refusal(model({ weights }))).message).toContain(
      'missing from the file (2): fc.weight, fc.bias',
    )
  })

  it.each([
    ['block', 4, /^layer4\./],
    ['resblock', 2, /^layer2\./],
    ['block', 0, /^stem\./],
    ['conv', 0, /^conv1\./],
    ['conv', 3, /^layer3\.1\.conv2\./],
  ] as const)(
    'of the backbone fill all but the classifier and what a %s mixture at position %i replaces',
    async (style, position, replaced) => {
      const weights = published(`mixture-${style}-${position}`)
      const config = model({ weights, weightsPart: 'backbone', moe: [mixture({ style, position })] })
      const initial = initialOf(config, 1)
      const state = await withPublishedWeights(initial, config)
      const wanted = publishedTensors()
      for (const [name, tensor] of state) {
        const isOwn = replaced.test(name) || name.startsWith('fc.') || name.startsWith('optimizer.')
        expect(tensor.data, name).toEqual((isOwn ? initial : wanted).get(name)!.data)
      }
    },
  )

  it('of the backbone must hold what is not replaced', async () => {
    const weights = published('holes', tensors => {
      tensors.delete('layer4.1.bn2.weight')
      tensors.delete('layer3.0.conv1.weight')
    })
    const config = (style: MoeLayerConfig['style']): ModelConfig =>
      model({ weights, weightsPart: 'backbone', moe: [mixture({ style })] })
    expect((await refusal(config('block'))).message).toContain(
      'missing from the file (1): layer3.0.conv1.weight',
    )
    expect((await refusal(config('conv'))).message).toContain(
      'missing from the file (2): layer3.0.conv1.weight, layer4.1.bn2.weight',
    )
  })

  it('that are not there, or no safetensors, name the file', async () => {
    const missing = await refusal(model({ weights: join(folder, 'nowhere.safetensors') }))
    expect([missing.kind, missing.where]).toEqual(['data', join(folder, 'nowhere.safetensors')])
    const damaged = join(folder, 'damaged.safetensors')
    writeFileSync(damaged, 'not a file of tensors')
    const error = await refusal(model({ weights: damaged }))
    expect(error.kind).toBe('data')
    expect(error.where).toContain(damaged)
  })
})
