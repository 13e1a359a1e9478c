import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { floats, type HostTensor, sizeOf } from '../src/base/tensor.ts'
import { resolveConfig } from '../src/config/config.ts'
import { encodeSafetensors } from '../src/files/safetensors.ts'
import { Graph, lower } from '../src/graph/index.ts'
import { anchorConstant, detections } from '../src/models/index.ts'
import { Scope } from '../src/nn/index.ts'
import { Engine } from '../src/runtime/index.ts'
import { anchorsFor, detectionsOf, detectorOf, isDetector } from '../src/tasks/detection/detector-of.ts'
import { withModelFrom } from '../src/train/model-from.ts'
import { withPublishedWeights } from '../src/train/pretrained.ts'

/** What torchvision finds, see golden_torchvision.py. */
const golden = JSON.parse(
  readFileSync(new URL('./fixtures/torchvision-retinanet.json', import.meta.url), 'utf8'),
) as {
  height: number
  width: number
  anchors: number[][]
  places: number[]
  logits: number[][]
  codes: number[][]
  boxes: number[][]
  scores: number[]
  labels: number[]
}
const { height, width } = golden
const folder = mkdtempSync(join(tmpdir(), 'moiety-torchvision-'))

/** `fraction` of golden_torchvision.py. */
function fraction(name: string, count: number): Float64Array {
  let seed = 2166136261
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 16777619)
  const values = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 2654435761) + seed) >>> 0
    for (let round = 0; round < 2; round++) x = Math.imul(x ^ (x >>> 16), 0x45d9f3b) >>> 0
    values[i] = ((x ^ (x >>> 16)) >>> 0) / 2 ** 32
  }
  return values
}

/** `first` of golden_torchvision.py. */
function first(name: string, shape: readonly number[]): HostTensor {
  const u = fraction(name, sizeOf(shape))
  const isLogits = name.includes('cls_logits')
  const value = (): ((part: number) => number) => {
    if (name.endsWith('running_var')) return part => 0.5 + part
    if (name.endsWith('weight') && shape.length === 1)
      return part => (name.includes('.bn3.') ? 0.3 : 1) * (0.75 + part / 2)
    if (shape.length === 1) return part => (part - 0.5) / 5 - (isLogits ? 7.3 : 0)
    const variance = isLogits ? 0.03 : name.includes('bbox_reg') ? 0.02 : name.includes('fpn') ? 1 : 2
    const bound = Math.sqrt((3 * variance) / sizeOf(shape.slice(1)))
    return part => (2 * part - 1) * bound
  }
  const of = value()
  return { dtype: 'float32', shape, data: Float32Array.from(u, of) }
}

/** torchvision's name of a tensor. */
function theirs(name: string): string {
  if (name.startsWith('head.')) return name
  return name.startsWith('fpn.') ? `backbone.${name}` : `backbone.body.${name}`
}

const resolved = (input: unknown) => {
  const { model } = resolveConfig(input, 'test')
  return isDetector(model) ? model : expect.unreachable('it is a detector')
}

function initial(model: ReturnType<typeof resolved>, classes: number): Map<string, HostTensor> {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  detectorOf(model, { classes })(scope, graph.input('images', 'float32', [1, 3, height, width]))
  // Random values of 34 million numbers would take seconds.
  const shapes = scope.declarations
    .all()
    .map(({ name, shape }) => [name, floats(shape, new Float32Array(sizeOf(shape)))] as const)
  return new Map(shapes)
}

describe("torchvision's retinanet_resnet50_fpn", () => {
  const file = join(folder, 'retinanet.safetensors')
  const small = join(folder, 'small.safetensors')
  const input = (from: string, extra: object = {}) => ({
    data: { name: 'coco' },
    model: { from, detector: { detections: { maxPerClass: 1000 } }, ...extra },
  })
  const torchvision = (fields: object = {}, sizes: object = {}) =>
    resolved({
      data: { name: 'coco' },
      model: {
        ...{ name: 'resnet50', stem: 'imagenet', ...fields },
        detector: { conventions: 'torchvision', ...sizes },
      },
    })

  beforeAll(() => {
    const write = (path: string, model: ReturnType<typeof resolved>): void => {
      const tensors = [...initial(model, 91)].map(
        ([name, { shape }]) => [theirs(name), first(theirs(name), shape)] as const,
      )
      writeFileSync(path, encodeSafetensors(new Map(tensors)))
    }
    write(file, torchvision())
    write(small, torchvision({ name: 'resnet18', width: 2 }, { channels: 4 }))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('has its anchors', () => {
    const { boxes } = anchorsFor(torchvision(), [height, width])
    const at = (i: number) => Array.from(boxes.subarray(4 * i, 4 * i + 4))
    const last = boxes.length / 4 - 1
    expect([0, 1, 8, 9, 500, 2000, last].map(at)).toEqual(golden.anchors)
  })

  it('is found in the file, and finds what torchvision finds', async () => {
    const { input: configured, notes } = await withModelFrom(input(file))
    expect(notes[0]).toContain('model.name=resnet50 model.stem=imagenet')
    expect(notes[0]).toContain('model.detector.conventions=torchvision')
    const model = resolved(configured)
    const state = await withPublishedWeights(initial(model, 91), model)
    const graph = new Graph()
    const images = graph.input('images', 'float32', [1, 3, height, width])
    const said = detectorOf(model, { classes: 91 })(Scope.root(graph, { training: false }), images)
    const anchors = anchorConstant(graph, anchorsFor(model, [height, width]).boxes)
    const found = detections(said.classes, said.boxes, anchors, [height, width], detectionsOf(model.detector))
    const engine = await Engine.start({ threads: 2 })
    try {
      await engine.setState(state)
      const program = await engine.load(
        lower(new Map(Object.entries({ ...found, logits: said.classes.value, codes: said.boxes }))),
      )
      const pixels = fraction('pixels', 3 * height * width).map(part => 3 * (part - 0.5))
      const outputs = await program.run(new Map([['images', floats([1, 3, height, width], pixels)]]))
      const values = (name: string): number[] => Array.from(outputs.get(name)!.data, Number)
      const [boxes, scores, labels] = ['boxes', 'scores', 'labels'].map(values)
      const [logits, codes] = ['logits', 'codes'].map(values)
      for (const [i, place] of golden.places.entries()) {
        for (const [k, value] of golden.logits[i]!.entries())
          expect(logits![91 * place + k], `logit ${k} of anchor ${place}`).toBeCloseTo(value, 3)
        for (const [k, value] of golden.codes[i]!.entries())
          expect(codes![4 * place + k], `code ${k} of anchor ${place}`).toBeCloseTo(value, 3)
      }
      expect(scores).toHaveLength(golden.scores.length)
      const order = scores!.map((_, i) => i).toSorted((a, b) => scores![b]! - scores![a]!)
      for (const [rank, i] of order.entries()) {
        expect(scores![i], `score ${rank}`).toBeCloseTo(golden.scores[rank]!, 4)
        expect(labels![i], `label ${rank}`).toBe(golden.labels[rank])
        for (const side of [0, 1, 2, 3])
          expect(boxes![4 * i + side], `box ${rank}`).toBeCloseTo(golden.boxes[rank]![side]!, 2)
      }
    } finally {
      await engine.stop()
    }
  })

  it('keeps all but the outputs for classes, of any number of classes (all-but-classes)', async () => {
    const { input: configured } = await withModelFrom(input(small, { weightsPart: 'all-but-classes' }))
    const model = resolved(configured)
    const before = initial(model, 3)
    const state = await withPublishedWeights(before, model)
    for (const [name, { data, shape }] of state)
      if (name.includes('cls_logits')) expect(data, name).toEqual(before.get(name)!.data)
      else expect(data, name).toEqual(first(theirs(name), shape).data)
  })

  it("gives COCO's 80 categories the outputs of their ids", async () => {
    const unused = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83])
    const categoryIds = Array.from({ length: 90 }, (_, i) => i + 1).filter(id => !unused.has(id))
    const { input: configured } = await withModelFrom(input(small))
    const model = resolved(configured)
    const notes: string[] = []
    const state = await withPublishedWeights(initial(model, 80), model, note => notes.push(note), {
      categoryIds,
    })
    const name = 'head.classification_head.cls_logits.bias'
    const all = first(name, [9 * 91]).data
    const own = state.get(name)!.data
    expect([own[0], own[11], own[80 + 79]]).toEqual([all[1], all[13], all[91 + 90]])
    expect(notes[0]).toContain('the 80 of this data are taken')
    const other = await withPublishedWeights(initial(model, 80), model, note => notes.push(note), {
      categoryIds: categoryIds.map(id => id + 1000),
    })
    expect(notes.at(-1)).toContain('begins at random: the weights have 819 outputs')
    expect(other.get(name)!.data[0]).not.toBe(all[1])
  })
})
