import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { failingDisk, observedDisk, smallDisk } from '../../test/fake-disks.ts'
import { problemsOf, readOnnx } from '../../test/onnx-file.ts'
import { writeTinyCifar } from '../../test/tiny.ts'
import {
  classes,
  dataFacts,
  evaluated,
  farthest,
  normalised,
  type Outputs,
  planarPlace,
  randomPixels,
  randomState,
  runModel,
  smallConfig,
  writeCaptions,
  writeRun,
} from '../../test/untrained-run.ts'
import { resolveConfig } from '../config/config.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import type { JsonObject } from '../files/json.ts'
import type { TrainEvent } from '../run/events.ts'
import { exportTo } from './export-run.ts'
import { type ExportOptions, exportRun, readMetadata } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-export-'))
afterAll(() => rmSync(folder, { recursive: true }))

const size = 16
const images = 5
const pixels = randomPixels(images, size)
const floats = normalised(pixels, size)

/** An exported model and the program that evaluates the same run. */
function compare(found: Outputs, expected: Outputs): number {
  const names = Object.keys(expected).filter(name => name === 'logits' || name.endsWith('.weights'))
  expect(Object.keys(found).sort()).toEqual(names.sort())
  const worst = names.map(name => {
    expect(found[name]!.dims).toEqual(expected[name]!.dims)
    return farthest(found[name]!.data, expected[name]!.data)
  })
  return Math.max(...worst)
}

const layer = { experts: 4, k: 2 }
const before = { k: 1, weighting: 'softmax-before-top-k' }
const models = {
  'no mixture of experts': [[]],
  'position 0, block': [[{ ...layer, position: 0, style: 'block' }]],
  'position 1, resblock': [[{ ...layer, position: 1 }]],
  'position 2, block': [[{ ...layer, position: 2, style: 'block' }]],
  'position 3, convolution': [[{ ...layer, position: 3, style: 'conv' }]],
  'position 0, convolution': [[{ ...layer, position: 0, style: 'conv' }]],
  'position 4, K = 1': [[{ ...layer, position: 4, ...before }]],
  'K = E': [[{ position: 4, experts: 3, k: 3 }]],
  'a single expert': [[{ position: 4, experts: 1, k: 1 }]],
  'a hard constraint': [[{ ...layer, position: 4, constraint: { name: 'relative' } }]],
  'loss-free balancing': [[{ ...layer, position: 4, constraint: { name: 'loss-free', rate: 0.1, lift: 3 } }]],
  'several layers and a gate with a convolution': [
    [
      { ...layer, position: 4, gate: 'conv-gap-fc', gateWidth: 5 },
      { position: 2, experts: 3, k: 1, weighting: 'softmax-before-top-k', style: 'block' },
      { ...layer, position: 0, style: 'conv', constraint: { name: 'mean' } },
    ],
  ],
  'bottlenecks behind the stem of ImageNet': [
    [{ ...layer, position: 4 }],
    { name: 'resnet50', stem: 'imagenet' },
  ],
} as const satisfies Record<string, readonly [readonly object[], object?]>

describe('an exported model gives the logits and weights of the evaluation', () => {
  it.each(Object.entries(models))('%s', async (name, [moe, model]) => {
    const config = smallConfig(moe, model)
    const state = randomState(config)
    const run = writeRun(join(folder, name), config, { state })
    const expected = await evaluated(config, state, floats)
    expect(Math.max(...expected.logits!.data.map(Math.abs))).toBeGreaterThan(0.1)
    const differences = []
    for (const routing of ['sparse', 'dense'] as const) {
      const { file, outputs } = await exportRun({ run, routing, batch: routing === 'dense' ? images : null })
      const count = routing === 'dense' ? images : 'N'
      expect(outputs[0]).toMatchObject({ name: 'logits', shape: [count, classes.length] })
      expect(problemsOf(readOnnx(readFileSync(file)))).toEqual([])
      const found = await runModel(file, { images: new Tensor('float32', floats, [images, 3, size, size]) })
      differences.push(compare(found, expected))
    }
    expect(Math.max(...differences)).toBeLessThan(1e-4)
  })
})

describe('a signal', () => {
  const config = smallConfig([{ ...layer, position: 4 }])
  const run = writeRun(join(folder, 'interrupted'), config)
  const before = readdirSync(run)

  it('before or during the export ends it with nothing written', async () => {
    const early = AbortSignal.abort('SIGINT')
    await expect(exportRun({ run, hub: join(run, 'hub'), signal: early })).rejects.toBe('SIGINT')
    const late = new AbortController()
    const exporting = exportRun({ run, hub: join(run, 'hub'), signal: late.signal })
    setImmediate(() => late.abort('SIGTERM'))
    await expect(exporting).rejects.toBe('SIGTERM')
    expect(readdirSync(run)).toEqual(before)
  })
})

describe('the form of an exported model', () => {
  const config = smallConfig([{ ...layer, position: 4 }])
  const state = randomState(config)
  const run = writeRun(join(folder, 'forms'), config, { state })
  const out = (name: string): string => join(folder, `${name}.onnx`)
  const exported = async (name: string, options: Omit<ExportOptions, 'run'>) => {
    const summary = await exportRun({ run, out: out(name), ...options })
    return { ...summary, onnx: readOnnx(readFileSync(summary.file)) }
  }

  it('takes uint8 pixels on request, planar or interleaved, and gives the same logits', async () => {
    const expected = await evaluated(config, state, floats)
    const planar = await exported('uint8', { uint8: true })
    const last = await exported('last', { uint8: true, channelsLast: true })
    const floatsLast = await exported('floats-last', { channelsLast: true })
    const nhwc = [images, size, size, 3]
    const differences = [
      await runModel(planar.file, { images: new Tensor('uint8', pixels, [images, 3, size, size]) }),
      await runModel(last.file, {
        images: new Tensor(
          'uint8',
          pixels.map((_, at) => pixels[planarPlace(at, size)]!),
          nhwc,
        ),
      }),
      await runModel(floatsLast.file, {
        images: new Tensor(
          'float32',
          floats.map((_, at) => floats[planarPlace(at, size)]!),
          nhwc,
        ),
      }),
    ].map(found => compare(found, expected))
    expect(Math.max(...differences)).toBeLessThan(1e-4)
    expect(planar.onnx.inputs).toEqual([{ name: 'images', type: 2, shape: ['N', 3, size, size] }])
    expect(last.onnx.inputs).toEqual([{ name: 'images', type: 2, shape: ['N', size, size, 3] }])
  })

  it('sparse: takes any number of images; an expert without images is no problem', async () => {
    const { file } = await exported('any', {})
    for (let image = 0; image < images; image++) {
      const own = floats.slice(image * 3 * size * size, (image + 1) * 3 * size * size)
      const found = await runModel(file, { images: new Tensor('float32', own, [1, 3, size, size]) })
      expect([...found['layer4.weights']!.data].filter(weight => weight > 0)).toHaveLength(2)
      expect(compare(found, await evaluated(config, state, own))).toBeLessThan(1e-4)
    }
  })

  it('sparse and dense: return nothing for no images, and the process continues', async () => {
    const empty = { images: new Tensor('float32', new Float32Array(0), [0, 3, size, size]) }
    for (const [name, options] of [
      ['none-sparse', {}],
      ['none-dense', { routing: 'dense', batch: null }],
    ] as const) {
      const { file } = await exported(name, options)
      const found = await runModel(file, empty)
      for (const { dims, data } of Object.values(found)) expect([dims[0], data.length]).toEqual([0, 0])
      const own = floats.slice(0, 3 * size * size)
      const one = await runModel(file, { images: new Tensor('float32', own, [1, 3, size, size]) })
      expect(compare(one, await evaluated(config, state, own))).toBeLessThan(1e-4)
    }
  })

  it.each(['disabled', 'basic', 'extended', 'all'] as const)(
    'sparse: runs whatever optimizations are on, with experts that no image has chosen: %s',
    async level => {
      const { file } = await exported('optimized', {})
      const own = floats.slice(0, 3 * size * size)
      const found = await runModel(file, { images: new Tensor('float32', own, [1, 3, size, size]) }, level)
      expect(compare(found, await evaluated(config, state, own))).toBeLessThan(1e-4)
    },
  )

  it('sparse: takes a given number of images', async () => {
    const { file, onnx } = await exported('three', { batch: 3 })
    expect(onnx.inputs[0]!.shape).toEqual([3, 3, size, size])
    const three = floats.slice(0, 3 * 3 * size * size)
    const found = await runModel(file, { images: new Tensor('float32', three, [3, 3, size, size]) })
    expect(compare(found, await evaluated(config, state, three))).toBeLessThan(1e-4)
  })

  it('is not one for no images, or half of one', async () => {
    for (const batch of [0, -1, 1.5, Number.NaN])
      await expect(exportRun({ run, batch })).rejects.toThrow('expected a whole number of images from 1')
  })

  it('dense: takes any number of images on request', async () => {
    const { file, onnx } = await exported('dense-any', { routing: 'dense', batch: null })
    expect(onnx.inputs[0]!.shape).toEqual(['N', 3, size, size])
    const found = await runModel(file, { images: new Tensor('float32', floats, [images, 3, size, size]) })
    expect(compare(found, await evaluated(config, state, floats))).toBeLessThan(1e-4)
  })

  it('dense: every shape is static, one image at a time by default', async () => {
    const { onnx } = await exported('static', { routing: 'dense', uint8: true })
    expect([...onnx.inputs, ...onnx.outputs].flatMap(({ shape }) => shape)).not.toContain('N')
    expect(onnx.inputs[0]!.shape).toEqual([1, 3, size, size])
    const dynamic = [
      'NonZero',
      'Gather',
      'Scatter',
      'ScatterND',
      'Shape',
      'Size',
      'Compress',
      'Range',
      'If',
      'Loop',
    ]
    expect(onnx.nodes.filter(({ op }) => dynamic.includes(op))).toEqual([])
    // A shape that an op is told is a constant.
    const constants = new Set(onnx.initializers.map(({ name }) => name))
    for (const { op, inputs } of onnx.nodes.filter(node => ['Reshape', 'Expand'].includes(node.op)))
      expect(constants, op).toContain(inputs[1])
  })

  it('has every BatchNorm that follows a convolution in that convolution, and no parameter that nothing reads', async () => {
    const { batchNorms, onnx } = await exported('folded', {})
    // The stem, 2 × 2 a stage with projections in stages 2 and 3, and in stage 4 a shortcut and 5 an expert.
    expect(batchNorms).toEqual({ folded: 1 + 4 + 5 + 5 + 1 + 4 * 6, left: 0 })
    expect(onnx.nodes.map(({ op }) => op)).not.toContain('BatchNormalization')
    expect(onnx.initializers.map(({ name }) => name)).not.toContain('layer4.gate.noise.weight')
  })

  it('leaves the BatchNorm behind a mixture of convolutions as it is', async () => {
    const mixture = smallConfig([{ ...layer, position: 0, style: 'conv' }])
    const { batchNorms, file } = await exportRun({ run: writeRun(join(folder, 'left'), mixture) })
    expect(batchNorms.left).toBe(1)
    const { nodes } = readOnnx(readFileSync(file))
    expect(nodes.filter(({ op }) => op === 'BatchNormalization')).toHaveLength(1)
  })

  it('has the expected operator set and file format', async () => {
    const { opset, irVersion, onnx } = await exported('versions', {})
    expect(onnx.opsets).toEqual([{ domain: '', version: opset }])
    expect(onnx.irVersion).toBe(irVersion)
    expect([opset, irVersion]).toEqual([18, 8])
  })
})

describe('the metadata of an exported model', () => {
  const config = smallConfig([
    { ...layer, position: 4, constraint: { name: 'kl' } },
    { ...layer, position: 0, style: 'conv', experts: 3 },
  ])
  const { mean: _mean, std: _std, superclasses: _names, superclassOf: _of, ...earlier } = dataFacts
  const newRun = (name: string, data?: JsonObject): string =>
    writeRun(join(folder, name), config, data === undefined ? {} : { data })
  const warnings = async (options: ExportOptions) => {
    const told: string[] = []
    const onEvent = (event: TrainEvent): void => void (event.kind === 'warning' && told.push(event.message))
    return { ...(await exportRun({ ...options, onEvent })), told }
  }

  it('is in the file: classes, superclasses, normalisation, recipe, layers in order, accuracy, configuration', async () => {
    const { file, metadata, told } = await warnings({ run: newRun('said') })
    const read = readMetadata(readFileSync(file))
    expect(read).toEqual(metadata)
    expect(read).toMatchObject({
      recipe: 'tiny',
      step: 7,
      routing: 'sparse',
      input: { name: 'images', dtype: 'float32', layout: 'NCHW', size, batch: null },
      normalisation: { mean: dataFacts.mean, std: dataFacts.std, inside: false },
      classes,
      superclasses: dataFacts.superclasses,
      superclass_of: dataFacts.superclassOf,
      layers: [
        {
          name: 'conv1',
          output: 'conv1.weights',
          position: 0,
          style: 'conv',
          experts: 3,
          constraint: 'none',
        },
        { name: 'layer4', output: 'layer4.weights', position: 4, experts: 4, k: 2, constraint: 'kl' },
      ],
      captions: {},
      accuracy: { top1: 0.25, top5: 0.75 },
    })
    expect(resolveConfig(read.config, 'metadata')).toEqual(config)
    expect(told).toEqual([])
  })

  it('has the captions of the report, if there is one; a damaged report is ignored with a warning', async () => {
    const run = newRun('captions')
    const experts = [{ caption: 'ants' }, { caption: null, more: 1 }, { caption: 'bees' }, { caption: '' }]
    writeCaptions(run, [{ name: 'layer4', experts }], { more: 1 })
    const { metadata } = await warnings({ run })
    expect(metadata.captions).toEqual({ layer4: ['ants', null, 'bees', ''] })
    writeCaptions(run, [{ name: 'layer4', experts }], { run: { checkpoint: 'c0ffee' } })
    const { metadata: stale, told: about } = await warnings({ run })
    expect(stale.captions).toEqual({})
    expect(about).toEqual([expect.stringMatching(/captions are left out: .* is about another checkpoint/)])
    writeCaptions(run, [{ name: 'layer4', experts }], { version: 2 })
    const { metadata: old, told: early } = await warnings({ run })
    expect(old.captions).toEqual({})
    expect(early).toEqual([expect.stringMatching(/captions are left out: .* of another version of Moiety/)])
    writeFileSync(join(run, 'report.json'), '{"layers": [{"na')
    const { metadata: without, told } = await warnings({ run })
    expect(without.captions).toEqual({})
    expect(told).toEqual([expect.stringMatching(/captions are left out: .*report\.json/)])
  })

  it('lacks superclasses and normalisation where an earlier version has trained and the data is gone', async () => {
    const run = newRun('earlier', earlier)
    const { metadata, told } = await warnings({ run })
    expect(metadata).toMatchObject({ classes, superclasses: undefined, normalisation: undefined })
    expect(told).toEqual([expect.stringMatching(/superclasses and normalisation are not known/)])
    await expect(exportRun({ run, uint8: true })).rejects.toThrow('cannot normalise images')
  })

  it('takes them from the data where an earlier version has trained and the data is there', async () => {
    const data = writeTinyCifar(join(folder, 'cifar'))
    const cifar = resolveConfig({ ...config, data: { name: 'cifar100', directory: data } }, 'test')
    const names = Array.from({ length: 100 }, (_, i) => `class${i}`)
    const state = randomState(cifar, 100)
    const run = writeRun(join(folder, 'with-data'), cifar, { state, data: { ...earlier, classes: names } })
    const { metadata, told } = await warnings({ run })
    expect(told).toEqual([])
    expect(metadata.superclasses).toHaveLength(20)
    expect(metadata.normalisation?.mean[0]).toBe(0.5071)
  })

  it('is not the accuracy of another step', async () => {
    const run = newRun('accuracy')
    const line = { kind: 'epoch', split: 'test', epoch: 0, step: 6, top1: 0.5, top5: 0.75 }
    writeFileSync(join(run, 'metrics.jsonl'), `${JSON.stringify(line)}\n`)
    expect((await exportRun({ run })).metadata.accuracy).toBeUndefined()
    rmSync(join(run, 'metrics.jsonl'))
    expect((await exportRun({ run })).metadata.accuracy).toBeUndefined()
  })

  it('has a warning if the configuration was changed since', async () => {
    const run = newRun('changed')
    const moe = config.model.moe.map(one => ({ ...one, k: 3 }))
    writeFileSync(join(run, 'config.json'), JSON.stringify({ ...config, model: { ...config.model, moe } }))
    const { told } = await warnings({ run })
    expect(told).toEqual([expect.stringMatching(/not the one that its checkpoint was trained with/)])
  })
})

describe('where the disk fails', () => {
  const config = smallConfig([])
  const run = writeRun(join(folder, 'faults'), config)
  const write = (disk: Disk) => exportTo(disk, { run, hub: join(run, 'hub') })

  it('there is the whole file of before or the whole new one, and a message with the path', async () => {
    const { file } = await exportRun({ run, routing: 'dense' })
    const [before, after] = [readFileSync(file), await exportRun({ run }).then(one => readFileSync(one.file))]
    let operations = 0
    await write(
      observedDisk(nodeDisk, () => {
        operations += 1
      }),
    )
    // Six a file, and the folder.
    expect(operations).toBeGreaterThanOrEqual(4 * 6 + 1)
    for (let at = 0; at < operations; at++) {
      writeFileSync(file, before)
      const failed = await write(failingDisk(nodeDisk, at, 'ENOSPC', false)).then(
        () => undefined,
        (error: unknown) => error,
      )
      const now = readFileSync(file)
      expect(
        [before, after].some(bytes => bytes.equals(now)),
        `operation ${at}`,
      ).toBe(true)
      expect(readdirSync(run).filter(name => name.startsWith('.writing-'))).toEqual([])
      if (failed !== undefined) {
        expect(failed).toMatchObject({ kind: 'disk', where: expect.stringContaining(run) })
        expect(String(failed)).toContain('ENOSPC')
      }
    }
  })

  it('full after some bytes: reports it, leaves nothing behind', async () => {
    const other = writeRun(join(folder, 'full'), config)
    await expect(exportTo(smallDisk(nodeDisk, 1000, 50_000), { run: other })).rejects.toThrow(
      /the disk is full \(ENOSPC\)/,
    )
    expect(readdirSync(other).sort()).toEqual([
      'checkpoints',
      'config.json',
      'environment.json',
      'metrics.jsonl',
    ])
  })
})
