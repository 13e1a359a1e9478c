import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Tensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { problemsOf, readOnnx } from '../../test/onnx-file.ts'
import {
  categories,
  type DetectorRunConfig,
  detectorFacts,
  detectorState,
  evaluatedDetector,
  expectSameDetections,
  runDetector,
  smallDetector,
} from '../../test/untrained-detector.ts'
import { normalised, planarPlace, randomPixels, writeRun } from '../../test/untrained-run.ts'
import type { State } from '../base/tensor.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { exportRun, readMetadata } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-export-detector-'))
afterAll(() => rmSync(folder, { recursive: true }))

const size = 64
const pixels = randomPixels(3, size)
const floats = normalised(pixels, size)
const first = (count: number): Float32Array => floats.slice(0, count * 3 * size * size)

let runs = 0
const newRun = (config: DetectorRunConfig, state: State): string =>
  writeRun(join(folder, `run-${runs++}`), config, { state, data: detectorFacts })

const mixture = { experts: 4, k: 2, constraint: { name: 'kl', weight: 0.25 } }
const detectors: Record<string, DetectorRunConfig> = {
  'plain heads': smallDetector(),
  'both heads, a gate each': smallDetector({ mixture }),
  'both heads, one gate': smallDetector({ mixture: { ...mixture, gates: 'shared' } }),
  'the last convolutions': smallDetector({ mixture: { ...mixture, part: 'last-conv' } }),
  'the regression head': smallDetector({ mixture: { ...mixture, heads: 'regression' } }),
  'the classification head, K = 1': smallDetector({
    mixture: { ...mixture, heads: 'classification', k: 1, weighting: 'softmax-before-top-k' },
  }),
  'a single expert': smallDetector({ mixture: { ...mixture, experts: 1, k: 1 } }),
  'a mixture in the backbone too, loss-free balancing': smallDetector(
    { mixture: { ...mixture, constraint: { name: 'loss-free', rate: 0.1 } } },
    { moe: [{ position: 4, experts: 3, k: 2 }] },
  ),
}

describe('an exported detector finds what the evaluation finds', () => {
  it.each(Object.entries(detectors))('%s', async (_name, config) => {
    const state = detectorState(config)
    const run = newRun(config, state)
    for (const routing of ['sparse', 'dense'] as const) {
      const { file, inputs } = await exportRun({ run, routing, batch: null })
      expect(inputs).toEqual([{ name: 'images', dtype: 'float32', shape: ['N', 3, size, size] }])
      expect(problemsOf(readOnnx(readFileSync(file)))).toEqual([])
      for (const count of [1, 3]) {
        const images = first(count)
        const expected = await evaluatedDetector(config, state, images)
        expect(expected.scores!.data.length).toBeGreaterThan(3 * count)
        expectSameDetections(
          await runDetector(file, { images: new Tensor('float32', images, [count, 3, size, size]) }),
          expected,
        )
      }
    }
  })
})

/** A program of its own, as the engine ends its whole process where it must not be asked: boxes found in 0, 2, 0 images. */
const countsBoxes = `
  const { InferenceSession, Tensor } = require('onnxruntime-node')
  const [size, ...files] = process.argv.slice(1)
  const boxesIn = async (session, count) => {
    const images = new Tensor('float32', new Float32Array(count * 3 * size * size), [count, 3, +size, +size])
    const { boxes, scores, labels, image, ...weights } = await session.run({ images })
    for (const { dims } of Object.values(weights)) if (dims[0] !== count) throw new Error(String(dims))
    for (const { dims } of [scores, labels, image]) if (dims[0] !== boxes.dims[0]) throw new Error(String(dims))
    return { images: count, boxes: boxes.dims[0] }
  }
  const all = []
  const main = async () => {
    for (const file of files) {
      const session = await InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 4 })
      const found = []
      for (const count of [0, 2, 0]) found.push(await boxesIn(session, count))
      all.push(found)
    }
    console.log(JSON.stringify(all))
  }
  main()`

describe('an exported detector', () => {
  const config = smallDetector({ mixture })
  const state = detectorState(config)
  const run = newRun(config, state)
  const feed = (images: Float32Array) => {
    const count = images.length / (3 * size * size)
    return { images: new Tensor('float32', images, [count, 3, size, size]) }
  }

  it.each(['disabled', 'basic', 'extended', 'all'] as const)(
    'runs whatever optimizations are on: %s',
    async level => {
      const { file } = await exportRun({ run, out: join(folder, `optimized-${level}.onnx`) })
      const found = await runDetector(file, feed(first(1)), level)
      expectSameDetections(found, await evaluatedDetector(config, state, first(1)))
    },
  )

  it('sends all levels of all images to one expert, and the others get none', async () => {
    const alone = { ...mixture, k: 1, weighting: 'softmax-before-top-k' }
    const one = smallDetector({ mixture: alone })
    const partial = detectorState(one)
    for (const head of ['classification', 'regression']) {
      const name = `head.${head}_head.gate.fc.bias`
      partial.set(name, { dtype: 'float32', shape: [4], data: Float32Array.of(0, 0, 1000, 0) })
    }
    const { file } = await exportRun({ run: newRun(one, partial) })
    const found = await runDetector(file, feed(floats))
    for (const head of ['classification', 'regression']) {
      const { dims, data } = found[`head.${head}_head.weights`]!
      expect(dims).toEqual([3, 5, 4])
      expect(data).toEqual(Array.from({ length: 60 }, (_, at) => Number(at % 4 === 2)))
    }
    expectSameDetections(found, await evaluatedDetector(one, partial, floats))
  })

  it('may find nothing, or nothing in one of the images', async () => {
    const { file } = await exportRun({ run: newRun(config, detectorState(config, -12)) })
    const found = await runDetector(file, feed(floats))
    expect(found.boxes).toEqual({ dims: [0, 4], data: [] })
    for (const name of ['scores', 'labels', 'image']) expect(found[name]).toEqual({ dims: [0], data: [] })
    expect(found['head.regression_head.weights']!.dims).toEqual([3, 5, 4])
  })

  it.each(['plain heads', 'both heads, a gate each', 'a mixture in the backbone too, loss-free balancing'])(
    'finds nothing in no images, and the process continues: %s',
    async name => {
      const own = detectors[name]!
      // So sure of the background that no box survives in images either.
      const silent = newRun(own, detectorState(own, -12))
      const files = await Promise.all(
        (['sparse', 'dense'] as const).map(async routing => {
          const out = join(folder, `${name.length}-${routing}.onnx`)
          return (await exportRun({ run: silent, routing, batch: null, out })).file
        }),
      )
      const { stdout } = await promisify(execFile)(process.execPath, [
        '-e',
        countsBoxes,
        String(size),
        ...files,
      ])
      expect(JSON.parse(stdout)).toEqual(
        files.map(() => [0, 2, 0].map(count => ({ images: count, boxes: 0 }))),
      )
    },
  )

  it('takes a given number of images, uint8 pixels, and channels last', async () => {
    const out = join(folder, 'form.onnx')
    const { file, inputs } = await exportRun({ run, batch: 2, uint8: true, channelsLast: true, out })
    expect(inputs).toEqual([{ name: 'images', dtype: 'uint8', shape: [2, size, size, 3] }])
    const count = 2 * size * size * 3
    const interleaved = pixels.slice(0, count).map((_, at) => pixels[planarPlace(at, size)]!)
    const images = new Tensor('uint8', interleaved, [2, size, size, 3])
    expectSameDetections(
      await runDetector(file, { images }),
      await evaluatedDetector(config, state, first(2)),
    )
  })

  it('has a file for each canvas, with its extents in the name', async () => {
    const wide = smallDetector({ mixture }, {}, { size: 90, shortest: 64 })
    const own = newRun(wide, state)
    const { file, inputs, others, metadata } = await exportRun({ run: own })
    expect([file, ...others.map(other => other.file)]).toEqual([
      join(own, 'model-64x96.onnx'),
      join(own, 'model-96x64.onnx'),
    ])
    expect([inputs, ...others.map(other => other.inputs)].map(([input]) => input!.shape)).toEqual([
      ['N', 3, 64, 96],
      ['N', 3, 96, 64],
    ])
    expect(metadata.input).toMatchObject({ size: 90, canvas: [64, 96] })
    expect(readMetadata(readFileSync(others[0]!.file)).input.canvas).toEqual([96, 64])
    const images = normalised(randomPixels(2, size), size)
    const tall = new Float32Array(2 * 3 * 96 * 64)
    tall.set(images, 1000)
    for (const [path, canvas] of [
      [file, [64, 96]],
      [others[0]!.file, [96, 64]],
    ] as const) {
      const given = new Tensor('float32', tall, [2, 3, ...canvas])
      expectSameDetections(
        await runDetector(path, { images: given }),
        await evaluatedDetector(wide, state, tall, canvas),
      )
    }
  })

  it('has the metadata of a detector', async () => {
    writeFileSync(join(run, 'metrics.jsonl'), `${JSON.stringify(tested)}\n`)
    const { file, metadata, batchNorms } = await exportRun({ run, hub: join(run, 'hub') })
    expect(batchNorms.left).toBe(0)
    const read = readMetadata(readFileSync(file))
    expect(read).toEqual(metadata)
    expect(read).toMatchObject({
      task: 'object-detection',
      input: { size: 64, canvas: [64, 64], batch: null },
      classes: categories,
      detection: {
        category_ids: [1, 17, 90],
        size_factor: 0.5,
        longest: 64,
        shortest: 64,
        score: 0.05,
        iou: 0.5,
        max_per_class: 100,
      },
      layers: ['classification_head', 'regression_head'].map(head => ({
        name: `head.${head}`,
        output: `head.${head}.weights`,
        position: null,
        levels: 5,
        style: 'head',
        experts: 4,
        k: 2,
        constraint: 'kl',
      })),
      coco_metrics: { AP: 0.25, AP50: 0.5, APs: null, AR100: 0.375 },
    })
    expect(read.accuracy).toBeUndefined()
  })

  it('has a folder for a hub with torchvision’s names for a RetinaNet, and a card of a detector', () => {
    const hub = join(run, 'hub')
    const bytes = readFileSync(join(hub, 'model.safetensors'))
    const names = [...decodeSafetensors(bytes, 'model').tensors.keys()]
    for (const name of [
      'backbone.body.conv1.weight',
      'backbone.body.layer4.1.bn2.running_var',
      'backbone.fpn.inner_blocks.0.0.weight',
      'backbone.fpn.extra_blocks.p7.bias',
      'head.classification_head.experts.3.cls_logits.weight',
      'head.regression_head.gate.fc.weight',
    ])
      expect(names).toContain(name)
    const card = readFileSync(join(hub, 'README.md'), 'utf8')
    expect(card).toContain('pipeline_tag: object-detection')
    expect(card).toMatch(/AP 25\.0 %/)
    expect(card).not.toMatch(/top-1|classes apart/)
    expect(JSON.parse(readFileSync(join(hub, 'config.json'), 'utf8'))).toMatchObject({
      task: 'object-detection',
      pretrained_cfg: { input_size: [3, 64, 64], first_conv: 'backbone.body.conv1' },
      detection: { category_ids: [1, 17, 90] },
    })
  })
})

/** A line of the log of the checkpoint's own step. */
const tested = {
  kind: 'epoch',
  split: 'test',
  epoch: 0,
  step: 7,
  loss: 1,
  AP: 0.25,
  AP50: 0.5,
  APs: null,
  AR100: 0.375,
}
