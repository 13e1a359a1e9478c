import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { configHash } from '../run/run-folder.ts'
import { identityOf } from '../sweep/identity.ts'
import {
  applyOverrides,
  configDifferences,
  resolveConfig,
  safeToChange,
  unsafeDifferences,
  withoutSafeKeys,
} from './config.ts'

/** The error of a configuration or override that must be refused, as a person reads it. */
function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    expect(error.kind).toBe('usage')
    return error.describe()
  }
  throw new Error('was accepted')
}

const refused = (input: unknown) => refusal(() => resolveConfig(input, 'test.json'))
const layer = (fields: object) => ({ model: { moe: [{ position: 4, ...fields }] } })

describe('resolveConfig', () => {
  it('makes every default explicit', () => {
    const config = resolveConfig(layer({ constraint: { name: 'importance' } }), 'test')
    expect(config.seed).toBe(42)
    expect(config.data).toEqual({
      name: 'sample',
      directory: null,
      size: 32,
      shortest: 32,
      unreadable: 'stop',
      followLinks: false,
      cache: 'auto',
      cacheLimit: 50,
      implausibleBoxes: 'stop',
      annotations: null,
      images: null,
      strict: false,
      limit: { train: null, test: null },
    })
    expect(config.model.moe[0]).toEqual({
      position: 4,
      style: 'resblock',
      experts: 4,
      k: 2,
      expertWidth: 180,
      gate: 'gap-fc',
      gateWidth: 256,
      noise: true,
      weighting: 'softmax-after-top-k',
      dispatch: 'sparse',
      constraint: { name: 'importance', weight: 0.5, lift: null },
    })
  })

  it('says of each change of images why it is not for boxes, or only for boxes', () => {
    const detector = { data: { name: 'scenes' }, model: { name: 'resnet18', detector: {} } }
    const several = { data: { name: 'multi-label', directory: 'x' } }
    const cases: readonly (readonly [object, string])[] = [
      [{ ...detector, augmentation: { mixup: {} } }, 'half there'],
      [{ ...detector, augmentation: { cutmix: {} } }, 'would hide parts of objects'],
      [{ ...detector, training: { classWeights: 'balanced' } }, 'the focal loss'],
      [{ ...several, data: { ...several.data, sampling: 'balanced' } }, 'training.classWeights=balanced'],
      [{ augmentation: { mosaic: {} } }, 'augmentation.mosaic'],
      [{ ...several, augmentation: { scaleJitter: {} } }, 'random-resized-crop'],
    ]
    for (const [input, reason] of cases) expect(refused(input)).toContain(reason)
    const accepted = [
      { ...detector, augmentation: { mosaic: {}, scaleJitter: {} } },
      { ...several, augmentation: { mixup: {}, cutmix: {} }, training: { classWeights: 'balanced' } },
    ]
    for (const input of accepted) expect(() => resolveConfig(input, 'test')).not.toThrow()
    expect(resolveConfig(accepted[0], 'test').augmentation).toMatchObject({
      mosaic: { probability: 0.5 },
      scaleJitter: { least: 0.1, most: 2 },
    })
  })

  it('leaves a resolved configuration as it is', () => {
    const config = resolveConfig(
      {
        ...layer({ constraint: { name: 'mean' } }),
        schedule: { name: 'cosine', warmup: { epochs: 2 } },
        augmentation: { crop: {}, jitter: {} },
      },
      'test',
    )
    expect(resolveConfig(JSON.parse(JSON.stringify(config)), 'again')).toEqual(config)
  })

  it('gives soft constraints noise and hard ones none, unless told', () => {
    const noise = (fields: object) => resolveConfig(layer(fields), 'test').model.moe[0]?.noise
    const names = ['none', 'importance', 'kl', 'load', 'switch', 'z-loss']
    for (const name of names) expect(noise({ constraint: { name } })).toBe(true)
    for (const name of ['relative', 'mean', 'entropy', 'loss-free'])
      expect(noise({ constraint: { name } })).toBe(false)
    expect(noise({ constraint: { name: 'relative' }, noise: true })).toBe(true)
    expect(noise({ experts: 1, k: 1 })).toBe(false)
  })

  it("takes the paper's widths of experts, and none where an expert is one convolution", () => {
    const width = (fields: object, model: object = {}) =>
      resolveConfig({ model: { ...model, moe: [fields] } }, 'test').model.moe[0]?.expertWidth
    expect([1, 2, 3, 4].map(position => width({ position }))).toEqual([25, 50, 90, 180])
    expect(width({ position: 4, expertWidth: 7 })).toBe(7)
    expect(width({ position: 4 }, { width: 16 })).toBe(45)
    expect(width({ position: 4, style: 'conv' })).toBeNull()
    expect(width({ position: 0, style: 'block' })).toBeNull()
  })

  it('says how a warm-up ends: at the base rate', () => {
    const input = { optimizer: { name: 'sgd', learningRate: 0.4 }, schedule: { name: 'constant' } }
    const config = resolveConfig({ ...input, schedule: { ...input.schedule, warmup: { epochs: 1 } } }, 'test')
    expect(config.schedule.warmup).toEqual({ epochs: 1, from: 0, to: 0.4, by: 'step' })
  })

  it('suggests the nearest key with its whole path', () => {
    expect(refused({ training: { epoch: 3 } })).toBe(
      'error: training has no key "epoch"\n  at training.epoch in test.json\n  help: did you mean training.epochs?',
    )
    expect(refused({ trainig: {} })).toContain('did you mean training?')
    expect(refused(layer({ expert: 4 }))).toContain('did you mean model.moe.0.experts?')
    expect(refused(layer({ constraint: { name: 'kl', wieght: 1 } }))).toContain(
      'did you mean model.moe.0.constraint.weight?',
    )
  })

  it('names the keys of the chosen form when none is near', () => {
    expect(refused({ optimizer: { name: 'sgd', betas: [0.9, 0.99] } })).toContain(
      'its keys are name, learningRate, momentum, nesterov, weightDecay',
    )
  })

  it('suggests the nearest name of a choice', () => {
    expect(refused({ optimizer: { name: 'sdg' } })).toContain('did you mean "sgd"?')
    expect(refused({ model: { name: 'resnet19' } })).toContain('did you mean "resnet18"?')
    expect(refused(layer({ constraint: { name: 'importence' } }))).toContain('did you mean "importance"?')
    expect(refused(layer({ constraint: 'kl' }))).toContain('set model.moe.0.constraint.name to "kl"')
  })

  it('says in plain English what it expected and what came', () => {
    const cases: [object, string][] = [
      [{ seed: '4' }, 'expected a whole number from 0 to 4294967295, came "4"'],
      [{ seed: 1.5 }, 'came 1.5'],
      [{ seed: 1e300 }, 'came 1e+300'],
      [{ seed: -1 }, 'came -1'],
      [{ training: { epochs: 1e9 } }, 'expected a whole number from 1 to 1000000, came 1000000000'],
      [{ training: { labelSmoothing: Number.NaN } }, 'expected a number from 0 below 1, came NaN'],
      [JSON.parse('{"optimizer":{"name":"adam","learningRate":1e999}}'), 'came Infinity'],
      [{ optimizer: { name: 'adam', learningRate: 0 } }, 'expected a number above 0 and up to 1000, came 0'],
      [{ optimizer: { name: 'adam', betas: [0.9] } }, 'expected a list of 2'],
      [{ data: { directory: 5 } }, 'expected text or null, came 5'],
      [{ data: 3 }, 'expected an object, came 3'],
      [{ model: { moe: {} } }, 'expected a list, came an object'],
      [
        { schedule: { name: 'step', milestones: [] } },
        'expected a list that is not empty, came an empty list',
      ],
      [{ augmentation: { flip: null } }, 'expected a number from 0 to 1, came null'],
      [layer({ noise: 'yes' }), 'expected true, false or null, came "yes"'],
      [
        { training: { metrics: [{ name: 'f2' }] } },
        'expected one of macro-f1, balanced-accuracy, ece, came "f2"\n  at training.metrics.0.name in test.json\n  help: take one of these; one of your own is loaded by --use FILE',
      ],
      [
        { training: { loss: { name: 'f2' } } },
        'expected the name of a component that --use loads, came "f2"\n  at training.loss.name in test.json\n  help: load the file that defines it by --use FILE, or by "use" in the recipe',
      ],
      [
        { model: { network: { width: 3 } } },
        'expected the name of a component that --use loads, came nothing',
      ],
      [{ optimizer: { learningRate: 0.1 } }, 'set it too, for example to adam: optimizer.name decides'],
    ]
    for (const [input, message] of cases) expect(refused(input)).toContain(message)
  })

  it('refuses what is not an object', () => {
    for (const input of [null, undefined, [], 'model', 3, true])
      expect(refused(input)).toContain('a configuration is an object')
  })

  it('refuses inherited and prototype names like any unknown key', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(refused(JSON.parse(`{"${key}": {"seed": 1}}`))).toContain(`has no key "${key}"`)
      expect(refused(JSON.parse(`{"model": {"${key}": 1}}`))).toContain(`model has no key "${key}"`)
    }
    expect(refused(JSON.parse('{"optimizer": {"__proto__": {"name": "adam"}}}'))).toContain('optimizer')
    expect(Object.hasOwn(Object.prototype, 'seed')).toBe(false)
  })

  it('lists several mistakes at once', () => {
    const text = refused({ seed: 'x', trainig: {}, model: { moe: [{ position: 7 }] } })
    expect(text).toContain('3 mistakes')
    for (const path of ['seed:', 'trainig:', 'model.moe.0.position:']) expect(text).toContain(path)
  })

  it('lists each of them on a line of its own in a terminal, whatever a key is called', () => {
    const text = refusal(() => resolveConfig({ 'a\nb': 1, seed: 'x' }, 'file.json'))
    const [first, ...lines] = text.split('\n')
    expect(first).toBe('error: the configuration has 2 mistakes:')
    expect(lines.filter(line => line.startsWith('  - '))).toHaveLength(2)
    expect(lines).toHaveLength(3)
  })
})

describe('rules between keys', () => {
  it('refuses impossible models', () => {
    expect(refused({ model: { moe: [{ position: 7 }] } })).toContain('0 is the stem, 1 to 4 are the stages')
    expect(refused(layer({ k: 5 }))).toContain('(K > E)')
    expect(refused({ model: { moe: [{ position: 3 }, { position: 3 }] } })).toContain(
      'position 3 already has the layer model.moe.0',
    )
    expect(refused({ model: { moe: [{ position: 0 }] } })).toContain('no shortcut')
    expect(refused(layer({ style: 'conv', expertWidth: 8 }))).toContain('no inner one')
  })

  it('refuses K = 1 behind softmax-after-top-k because the gate would never learn', () => {
    expect(refused(layer({ k: 1 }))).toContain('constantly 1')
    expect(resolveConfig(layer({ k: 1, weighting: 'softmax-before-top-k' }), 't').model.moe[0]?.k).toBe(1)
    expect(resolveConfig(layer({ k: 1, experts: 1 }), 't').model.moe[0]?.k).toBe(1)
  })

  it('refuses constraints that could not do anything', () => {
    for (const name of ['loss-free', 'switch', 'load'])
      expect(refused(layer({ k: 4, constraint: { name } }))).toContain('all of them always are')
    expect(refused(layer({ noise: false, constraint: { name: 'load' } }))).toContain('noise on the logits')
    expect(resolveConfig(layer({ k: 4, constraint: { name: 'importance' } }), 't').model.moe).toHaveLength(1)
  })

  it('refuses a convolutional gate on a map smaller than its kernel', () => {
    const gate = { gate: 'conv-gap-fc' }
    expect(refused({ model: { stem: 'imagenet', moe: [{ position: 4, ...gate }] } })).toContain('2×2')
    expect(resolveConfig(layer(gate), 'test').model.moe[0]?.gateWidth).toBe(256)
    expect(
      refused({
        data: { name: 'folder', size: 8 },
        model: { moe: [{ position: 4, style: 'conv', ...gate }] },
      }),
    ).toContain('1×1')
  })

  it('has the hash of before where a key that came later changes nothing', () => {
    const resolved = resolveConfig({}, 'test')
    const { training: now, optimizer: nowOptimizer, data: nowData, model: nowModel, ...rest } = resolved
    const { weightsEntry, freeze, copyNoise, ...model } = nowModel
    expect([weightsEntry, freeze, copyNoise]).toEqual([null, null, 0])
    const { replicas, resizing, ...training } = now
    const { groups, ...optimizer } = nowOptimizer
    const { implausibleBoxes, annotations, images, strict, followLinks, ...data } = nowData
    expect([replicas, resizing, groups, implausibleBoxes, followLinks]).toEqual([
      1,
      null,
      null,
      'stop',
      false,
    ])
    expect([annotations, images, strict]).toEqual([null, null, false])
    const before = { ...rest, training, optimizer, data, model }
    const after = resolved
    const hash = (config: object) => configHash(withoutSafeKeys(config))
    expect(hash(after)).toBe(hash(before))
    expect(hash({ ...after, training: { ...now, replicas: 2 } })).not.toBe(hash(after))
    expect(identityOf(after)).toEqual(before)
  })

  it('has the hash of before where a key of a detector that came later changes nothing', () => {
    const resolved = (detector: object) =>
      resolveConfig({ data: { name: 'scenes' }, model: { stem: 'strided', detector } }, 'test')
    const now = resolved({})
    const { scoreClamp, initialisation, ...detector } = now.model.detector!
    const { leastSide, ...matching } = detector.matching
    expect([scoreClamp, initialisation, leastSide]).toEqual([null, 'torchvision', 0])
    const before = { ...now, model: { ...now.model, detector: { ...detector, matching } } }
    const hash = (config: object) => configHash(withoutSafeKeys(config))
    expect(hash(now)).toBe(hash(before))
    for (const change of [
      { scoreClamp: 1e-4 },
      { initialisation: 'original' },
      { matching: { leastSide: 1 } },
    ])
      expect(hash(resolved(change))).not.toBe(hash(now))
  })

  it('refuses to make images larger, to make them smaller to the end, and to do so with boxes', () => {
    const training = (...resizing: object[]) => ({ training: { epochs: 4, resizing } })
    const half = { epochs: 3, size: 16 }
    expect(resolveConfig(training(half), 'test').training.resizing).toEqual([half])
    expect(refused(training(half, { epochs: 1, size: 24 }))).toContain('none is left for their own size')
    expect(refused(training({ epochs: 1, size: 32 }))).toContain('training.resizing.0.size')
    expect(refused(training({ epochs: 1, size: 4 }))).toContain('training.resizing.0.size')
    expect(refused(training())).toContain('training.resizing')
    expect(refused({ ...training(half), data: { name: 'scenes' }, model: { detector: {} } })).toContain(
      'only images of a classifier',
    )
    // Of 8 pixels 2×2 enter position 4.
    expect(
      refused({
        ...training({ epochs: 1, size: 8 }),
        model: { moe: [{ position: 4, gate: 'conv-gap-fc', constraint: { name: 'none' } }] },
      }),
    ).toContain('while images are of 8 pixels')
  })

  it('refuses schedules and optimizers that contradict themselves', () => {
    expect(refused({ schedule: { name: 'step', milestones: [5, 5] } })).toContain('must increase')
    expect(
      refused({ schedule: { name: 'constant', warmup: { epochs: 3 } }, training: { epochs: 2 } }),
    ).toContain('longer than the training')
    expect(refused({ training: { batch: 5, replicas: 3 } })).toContain('cannot be divided into 3 parts')
    expect(refused({ optimizer: { name: 'sgd', momentum: 0 } })).toContain('without momentum there is none')
  })

  it('refuses a size that the data set does not have, and padding as large as an image', () => {
    expect(refused({ data: { name: 'cifar100', size: 64 } })).toContain('are 32×32')
    expect(resolveConfig({ data: { name: 'folder', size: 64 } }, 'test').data.size).toBe(64)
    expect(resolveConfig({ data: { name: 'folder' }, model: { stem: 'imagenet' } }, 'test').data.size).toBe(
      224,
    )
    expect(refused({ augmentation: { crop: { padding: 32 } } })).toContain('smaller than the image')
  })
})

describe('applyOverrides', () => {
  it('refuses a value with a key twice, or nested without end, as a recipe that holds it', () => {
    const twice = 'model.moe=[{"position": 4, "position": 3}]'
    expect(refusal(() => applyOverrides({}, [twice]))).toContain('has the key "position" twice')
    expect(refusal(() => applyOverrides({}, [`model.moe=${'['.repeat(9999)}${']'.repeat(9999)}`]))).toContain(
      'nested too deep',
    )
    expect(refusal(() => applyOverrides({}, ['model={"__proto__": {}}']))).toContain('"__proto__"')
  })

  it('sets keys in objects and lists without touching its input', () => {
    const input = { model: { moe: [{ position: 4, k: 2 }] } }
    const changed = applyOverrides(input, ['model.moe.0.k=1', 'model.moe[1].position=2', 'training.epochs=3'])
    expect(changed).toEqual({
      model: { moe: [{ position: 4, k: 1 }, { position: 2 }] },
      training: { epochs: 3 },
    })
    expect(input).toEqual({ model: { moe: [{ position: 4, k: 2 }] } })
  })

  it('reads values as JSON and words as text', () => {
    expect(
      applyOverrides({}, [
        'seed=7',
        'optimizer.name=sgd',
        'data.directory=2024',
        'schedule.milestones=[1,2]',
      ]),
    ).toEqual({
      seed: 7,
      optimizer: { name: 'sgd' },
      data: { directory: '2024' },
      schedule: { milestones: [1, 2] },
    })
    expect(applyOverrides({ data: { directory: 'x' } }, ['data.directory=null'])).toEqual({
      data: { directory: null },
    })
  })

  it('begins another choice with its defaults', () => {
    expect(
      applyOverrides({ optimizer: { name: 'adam', learningRate: 1, betas: [0, 0] } }, ['optimizer.name=sgd']),
    ).toEqual({ optimizer: { name: 'sgd' } })
    expect(applyOverrides({ optimizer: { learningRate: 1 } }, ['optimizer.name=sgd'])).toEqual({
      optimizer: { learningRate: 1, name: 'sgd' },
    })
  })

  it('sets single options of a data set, whatever they are', () => {
    const set = ['data.options.count=30', 'data.options.noise.kind=white', 'data.options.noise.sizes=[1, 2]']
    expect(applyOverrides({ data: { options: { classes: 3 } } }, set)).toEqual({
      data: { options: { classes: 3, count: 30, noise: { kind: 'white', sizes: [1, 2] } } },
    })
    const refusedIn = (input: object, text: string) => refusal(() => applyOverrides(input, [text]))
    for (const path of ['data.options.__proto__', 'data.options.a.__proto__.b'])
      expect(refusedIn({}, `${path}=1`)).toContain('__proto__')
    expect(refusedIn({ data: { options: { sizes: [1] } } }, 'data.options.sizes.x=1')).toContain('is a list')
  })

  it('suggests the nearest path, and refuses prototype names', () => {
    const set = (text: string) => refusal(() => applyOverrides({}, [text]))
    expect(set('training.epoch=3')).toContain('did you mean training.epochs?')
    expect(set('model.moe.x.k=1')).toContain('is a list')
    expect(set('model.moe.3.k=1')).toContain('model.moe has 0 elements')
    expect(set('seed.x=1')).toContain('single value')
    expect(set('epochs')).toContain('expected path=value')
    for (const path of ['__proto__.x', 'model.__proto__.x', 'constructor.prototype.x'])
      expect(set(`${path}=1`)).toContain('has no key')
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
  })
})

describe('configDifferences', () => {
  const base = resolveConfig(layer({}), 'test')

  it('lists every key that differs, before and after', () => {
    const other = resolveConfig(
      { ...layer({ k: 3 }), seed: 1, augmentation: { crop: { padding: 4 } } },
      'test',
    )
    expect(configDifferences(base, other)).toEqual([
      { path: 'seed', before: 42, after: 1 },
      { path: 'augmentation.crop', before: null, after: { padding: 4, mode: 'zero' } },
      { path: 'model.moe.0.k', before: 2, after: 3 },
    ])
    expect(configDifferences(base, base)).toEqual([])
  })

  it('lets a resume change what does not change the training, and nothing else', () => {
    const unsafe = (changes: string[]) =>
      unsafeDifferences(
        configDifferences(
          base,
          resolveConfig(applyOverrides(JSON.parse(JSON.stringify(base)), changes), 'test'),
        ),
      ).map(({ path }) => path)
    expect(
      unsafe(['training.epochs=20', 'engine.threads=1', 'training.keepCheckpoints=5', 'data.directory=x']),
    ).toEqual([])
    expect(unsafe(['training.checkpointEvery.steps=10', 'training.collapse=0'])).toEqual([])
    expect(
      unsafe(['training.epochs=5', 'seed=1', 'training.batch=64', 'model.moe.0.dispatch=dense']),
    ).toEqual(['seed', 'model.moe.0.dispatch', 'training.epochs', 'training.batch'])
    expect(unsafe(['model.moe.0.dispatch=capacity', 'model.moe.0.capacityFactor=3'])).toEqual([
      'model.moe.0.dispatch',
    ])
  })
})

describe('what decides the numbers of a training', () => {
  it('is everything but the keys that are safe to change', () => {
    const config = resolveConfig({}, 'test')
    const kept = JSON.stringify(withoutSafeKeys(config))
    const changes = [
      'training.epochs=99',
      'engine.threads=7',
      'data.directory=elsewhere',
      'training.keepCheckpoints=9',
    ]
    const changed = resolveConfig(applyOverrides({}, changes), 'test')
    expect(JSON.stringify(withoutSafeKeys(changed))).toBe(kept)
    for (const change of [
      'seed=7',
      'training.batch=3',
      'model.width=8',
      'optimizer={"name":"sgd","learningRate":0.5}',
      'data.name=folder',
    ]) {
      const other = resolveConfig(applyOverrides({}, [change]), 'test')
      expect(JSON.stringify(withoutSafeKeys(other))).not.toBe(kept)
    }
    const layer = (factor: object) =>
      JSON.stringify(
        withoutSafeKeys(
          resolveConfig({ model: { moe: [{ position: 4, dispatch: 'capacity', ...factor }] } }, 'test'),
        ),
      )
    expect(layer({ capacityFactor: 3 })).toBe(layer({}))
    expect(layer({ experts: 3 })).not.toBe(layer({}))
    for (const { path } of safeToChange) expect(kept).not.toContain(`"${path.split('.').at(-1)}"`)
  })
})

describe('the configuration of a detector', () => {
  const detector = (fields: object = {}, rest: object = {}) => ({
    data: { name: 'scenes' },
    model: { stem: 'strided', detector: fields, ...rest },
  })

  it('makes every default explicit, and resolves to itself', () => {
    const config = resolveConfig(detector({ mixture: { constraint: { name: 'relative' } } }), 'test')
    expect(config.data).toMatchObject({ name: 'scenes', size: 128, shortest: 128 })
    expect(config.model.detector).toMatchObject({
      channels: 256,
      headDepth: 4,
      anchors: { size: 4, ratios: [0.5, 1, 2] },
      matching: { foreground: 0.5, background: 0.4, lowQuality: false },
      freeze: 'nothing',
      mixture: { heads: 'both', gates: 'own', experts: 4, k: 2, noise: false, priorBias: true },
      detections: { score: 0.05, iou: 0.5, maxPerClass: 100 },
    })
    expect(resolveConfig(JSON.parse(JSON.stringify(config)), 'test')).toEqual(config)
  })

  it("has METHOD.md's canvas for COCO, and a square one where one side is said", () => {
    const sides = (data: object) => {
      const { size, shortest } = resolveConfig(
        { ...detector(), data: { name: 'coco', ...data } },
        'test',
      ).data
      return [size, shortest]
    }
    expect(sides({})).toEqual([1024, 608])
    expect(sides({ size: 320 })).toEqual([320, 320])
    expect(sides({ size: 320, shortest: 256 })).toEqual([320, 256])
  })

  it.each<[string, object]>([
    ['scenes has boxes and no single class an image', { data: { name: 'scenes' } }],
    ['a detector learns from boxes, and sample has none', { model: { detector: {} } }],
    ['images of sample are square', { data: { shortest: 16 } }],
    ['copies are what experts', { model: { weights: 'x', weightsPart: 'copies' } }],
    ['noise is added to experts that begin as copies', { model: { weights: 'x', copyNoise: 0.1 } }],
    [
      'the shortcut around a mixture at position 1 is the input',
      { model: { weights: 'x', weightsPart: 'copies', moe: [{ position: 1 }] } },
    ],
    ['is not a stage to which experts can be added', { model: { moe: [{ position: 0, style: 'shared' }] } }],
    [
      'the shorter side, 400, cannot be longer',
      { ...detector(), data: { name: 'coco', size: 320, shortest: 400 } },
    ],
    ['scenes are square', { ...detector(), data: { name: 'scenes', shortest: 64 } }],
    ['scenes are drawn at 128 to 160 pixels', { ...detector(), data: { name: 'scenes', size: 64 } }],
    ['crop is for classifiers', { ...detector(), augmentation: { crop: {} } }],
    ['jitter is for classifiers', { ...detector(), augmentation: { jitter: {} } }],
    ['no label to smooth', { ...detector(), training: { labelSmoothing: 0.1 } }],
    ['background and of an object at once', detector({ matching: { background: 0.6 } })],
    ['with the trunk frozen only experts', detector({ freeze: 'trunk' })],
    ['names nothing that it has learned', detector({ freeze: 'trunk', mixture: {} })],
    [
      'a mixture of experts in it would never learn',
      detector({ freeze: 'trunk', mixture: {} }, { moe: [{ position: 4 }] }),
    ],
    [
      'freeze early-stages leaves position 3 of the backbone unchanged',
      detector(
        { freeze: 'early-stages' },
        { weights: 'x', weightsPart: 'trunk', moe: [{ position: 4 }, { position: 3 }] },
      ),
    ],
    ['freeze early-stages keeps first values', detector({ freeze: 'early-stages' })],
    ['freeze features keeps first values', detector({ freeze: 'features', mixture: {} })],
    [
      'weightsPart backbone leaves pyramid and heads at random, and freeze features would keep the pyramid so',
      detector({ freeze: 'features' }, { weights: 'x', weightsPart: 'backbone' }),
    ],
    [
      'weightsPart features leaves the heads at random, and freeze trunk would keep them so',
      detector({ freeze: 'trunk', mixture: {} }, { weights: 'x', weightsPart: 'features' }),
    ],
    ['features is a part of a detector', { model: { weights: 'x', weightsPart: 'features' } }],
    ['scoreClamp', detector({ scoreClamp: 0.5 })],
    ['copies are what experts', detector({}, { weights: 'x', weightsPart: 'copies' })],
    ['(K > E)', detector({ mixture: { k: 5 } })],
    ['the smallest level has 2', detector({ mixture: { gate: 'conv-gap-fc' } })],
  ])('refuses what does not fit: %s', (message, input) => {
    expect(refusal(() => resolveConfig(input, 'test'))).toContain(message)
  })
})
