import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect } from 'vitest'
import { draws } from '../src/base/random.ts'
import { type HostTensor, type State, sizeOf } from '../src/base/tensor.ts'
import { type Config, resolveConfig } from '../src/config/config.ts'
import { Graph } from '../src/graph/index.ts'
import { Scope } from '../src/nn/index.ts'
import { anchorsFor, type DetectorModelConfig, detectorOf } from '../src/tasks/detection/detector-of.ts'
import { detectorProgram } from '../src/tasks/detection/detector-program.ts'
import { dataFacts as classifierFacts, farthest } from './untrained-run.ts'

/** Detectors that were never trained but find something: random values, with biases that let some anchors through. */

export const categories = ['person', 'cat "x"', 'döner']

export const detectorFacts = {
  ...classifierFacts,
  classes: categories,
  superclasses: null,
  superclassOf: null,
  detection: { categoryIds: [1, 17, 90], sizeFactor: 0.5 },
} as const

export type DetectorRunConfig = Config & { readonly model: DetectorModelConfig }

/** A detector of a few thousand numbers on a canvas of 64 × 64; what is given replaces the defaults. */
export function smallDetector(
  detector: object = {},
  model: object = {},
  data: object = {},
): DetectorRunConfig {
  const config = resolveConfig(
    {
      data: { name: 'coco', directory: 'nowhere', size: 64, ...data },
      model: {
        name: 'resnet18',
        stem: 'strided',
        width: 4,
        ...model,
        detector: { channels: 8, headDepth: 2, ...detector },
      },
      training: { batch: 2 },
    },
    'test',
  )
  const { detector: part } = config.model
  if (part === null) throw new Error('a detector was expected')
  return { ...config, model: { ...config.model, detector: part } }
}

/**
 * Random values for all that the network declares.
 *
 * @param certainty - the bias of the classification: from about −4 there are few detections, from −9 there is none
 */
export function detectorState(
  { model }: DetectorRunConfig,
  certainty = -3.6,
  count = categories.length,
): Map<string, HostTensor> {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  detectorOf(model, { classes: count })(scope, graph.input('images', 'float32', [1, 3, 64, 64]))
  const state = scope.declarations.initialState(11)
  for (const [name, { shape, data }] of state) {
    const source = draws(3, name)
    const between = (low: number, high: number): HostTensor => ({
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: data.length }, () => source.between(low, high)),
    })
    if (name.endsWith('running_var')) state.set(name, between(0.3, 2))
    else if (name.endsWith('cls_logits.bias')) state.set(name, between(certainty - 1, certainty + 1))
    else if (shape.length === 1)
      state.set(name, name.endsWith('weight') ? between(0.5, 1.5) : between(-0.2, 0.2))
    else {
      // What the heads say should be neither certain nor all the same.
      const calm = /cls_logits|bbox_reg/.test(name) ? 0.1 : 1
      const bound = calm * Math.sqrt(3 / sizeOf(shape.slice(1)))
      state.set(name, between(-bound, bound))
    }
  }
  return state
}

export type DetectorOutputs = Readonly<
  Record<string, { readonly dims: readonly number[]; readonly data: readonly number[] }>
>

/** Runs a model in ONNX Runtime directly, without Moiety. */
export async function runDetector(
  model: Uint8Array | string,
  feeds: Readonly<Record<string, Tensor>>,
  graphOptimizationLevel: 'disabled' | 'basic' | 'extended' | 'all' = 'all',
): Promise<DetectorOutputs> {
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3, graphOptimizationLevel } as const
  const session =
    typeof model === 'string'
      ? await InferenceSession.create(model, options)
      : await InferenceSession.create(model, options)
  const results = await session.run(feeds)
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => {
      if (!(data instanceof Float32Array || data instanceof BigInt64Array))
        throw new Error(`${name}: ${data}`)
      return [name, { dims, data: Array.from(data, Number) }]
    }),
  )
}

/** What the program that evaluates a detector finds: the reference, independent of the export. */
export async function evaluatedDetector(
  { model }: DetectorRunConfig,
  state: State,
  images: Float32Array,
  [height, width]: readonly [height: number, width: number] = [64, 64],
): Promise<DetectorOutputs> {
  const count = images.length / (3 * height * width)
  const anchors = anchorsFor(model, [height, width])
  const total = anchors.boxes.length / 4
  const { program, layers } = detectorProgram({
    detector: detectorOf(model, { classes: categories.length }),
    anchors,
    form: { images: count, height, width },
    detections: model.detector.detections,
    boxWeight: model.detector.boxWeight,
    scoreClamp: model.detector.scoreClamp,
  })
  const feeds = program.inputs.map(({ name, shape }) => {
    if (name === 'images') return [name, new Tensor('float32', images, [count, 3, height, width])] as const
    if (name === 'classTargets')
      return [name, new Tensor('int64', new BigInt64Array(count * total), [count, total])] as const
    if (name === 'boxTargets')
      return [name, new Tensor('float32', new Float32Array(count * total * 4), [count, total, 4])] as const
    const { data } = state.get(name)!
    if (!(data instanceof Float32Array)) throw new Error(`${name} is not float32`)
    return [name, new Tensor('float32', data, shape.map(Number))] as const
  })
  const { loss: _, anchor: __, ...found } = await runDetector(program.model, Object.fromEntries(feeds))
  const weights = layers.map(({ name, inputs, experts }) => {
    const rows = found[`${name}.weights`]!
    if (inputs === 1) return [`${name}.weights`, rows] as const
    // Row = input · N + image there, [N, inputs, E] in a file.
    const data = Array.from({ length: count * inputs * experts }, (_, at) => {
      const [image, input] = [Math.floor(at / (inputs * experts)), Math.floor(at / experts) % inputs]
      return rows.data[(input * count + image) * experts + (at % experts)]!
    })
    return [`${name}.weights`, { dims: [count, inputs, experts], data }] as const
  })
  const named = ['boxes', 'scores', 'labels', 'image'].map(name => [name, found[name]!] as const)
  return Object.fromEntries([...named, ...weights])
}

/**
 * The same detections to 1e-4, and the same weights. Two detections of a class in an image whose scores are equal but for
 * rounding may have changed places.
 */
export function expectSameDetections(found: DetectorOutputs, expected: DetectorOutputs): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected))
  for (const [name, { dims, data }] of Object.entries(expected)) {
    expect(found[name]!.dims, name).toEqual(dims)
    if (name !== 'boxes') expect(farthest(found[name]!.data, data), name).toBeLessThan(1e-4)
  }
  const taken = new Set<number>()
  for (const [m, score] of expected.scores!.data.entries()) {
    const distance = (other: number): number =>
      Math.max(
        Math.abs(found.scores!.data[other]! - score),
        ...[0, 1, 2, 3].map(i =>
          Math.abs(found.boxes!.data[4 * other + i]! - expected.boxes!.data[4 * m + i]!),
        ),
      )
    const others = [m, m - 1, m + 1, m - 2, m + 2].filter(at => !taken.has(at))
    const same = others.find(at => distance(at) < 1e-4)
    expect(same, `detection ${m}, score ${score}, distance ${distance(m)}`).toBeDefined()
    taken.add(same!)
  }
}
