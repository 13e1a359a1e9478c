import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectValues } from '../../../test/detection-golden.ts'
import { floats, type HostTensor } from '../../base/tensor.ts'
import { Graph, interpret, lower, type NdArray } from '../../graph/index.ts'
import { Engine } from '../../runtime/index.ts'
import { anchorTargets, type ImageObjects } from './anchor-matching.ts'
import { anchorsOf, pyramidStrides } from './anchors.ts'
import { anchorConstant } from './box-coding.ts'
import { type DetectionsOptions, defaultDetections, detections } from './decode-detections.ts'
import type { ClassScores } from './losses.ts'

const canvas = [64, 96] as const
const categories = 3
const { boxes: anchors } = anchorsOf(canvas, pyramidStrides('strided'))
const total = anchors.length / 4

const scenes: readonly ImageObjects[] = [
  { boxes: [8, 10, 30, 34, 40, 6, 92, 60, 50, 20, 66, 36], categories: [2, 0, 2] },
  { boxes: [], categories: [] },
  { boxes: [20, 20, 44, 44], categories: [1] },
]

/** Scores and codes of a detector that is right: 0.9 at positive anchors, less for those further down. */
function rightAnswers(images: readonly ImageObjects[]): {
  readonly scores: Float32Array
  readonly codes: Float32Array
} {
  const targets = anchorTargets(anchors, images, categories)
  const scores = new Float32Array(images.length * total * categories).fill(0.01)
  for (const [at, target] of targets.classes.entries())
    if (target >= 0n && target < 3n) scores[at * categories + Number(target)] = 0.9 - (at % total) / 1e5
  return { scores, codes: targets.boxes }
}

const logit = (p: number): number => Math.log(p / (1 - p))

interface Found {
  readonly boxes: readonly number[]
  readonly scores: readonly number[]
  readonly labels: readonly number[]
  readonly image: readonly number[]
  readonly anchor: readonly number[]
}

describe('detections', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  /** On the engine, after a comparison with the interpreter. */
  async function found(
    images: readonly ImageObjects[],
    options: DetectionsOptions = defaultDetections,
    kind: ClassScores['kind'] = 'probabilities',
  ): Promise<Found> {
    const graph = new Graph()
    const shape = [images.length, total, categories]
    const value = graph.input('given scores', 'float32', shape)
    const codes = graph.input('given codes', 'float32', [images.length, total, 4])
    const result = detections({ kind, value }, codes, anchorConstant(graph, anchors), canvas, options)
    const answers = rightAnswers(images)
    const scores = kind === 'logits' ? answers.scores.map(logit) : answers.scores
    const feeds = new Map<string, HostTensor>([
      ['given scores', floats(shape, scores)],
      ['given codes', floats([images.length, total, 4], answers.codes)],
    ])
    const outputs = new Map(Object.entries(result))
    const program = await engine.load(lower(outputs))
    const got = await program.run(feeds)
    await program.release()
    const exact = new Map(
      [...feeds].map(([name, t]): [string, NdArray] => [
        name,
        { shape: t.shape, data: Float64Array.from(t.data, Number) },
      ]),
    )
    const wanted = interpret([...outputs.values()], exact)
    for (const [i, name] of [...outputs.keys()].entries()) {
      expect(got.get(name)!.shape, name).toEqual(wanted[i]!.shape)
      expectValues(Array.from(got.get(name)!.data, Number), wanted[i]!.data, 1e-5, name)
    }
    const values = (name: keyof Found): number[] => Array.from(got.get(name)!.data, Number)
    return {
      boxes: values('boxes'),
      scores: values('scores'),
      labels: values('labels'),
      image: values('image'),
      anchor: values('anchor'),
    }
  }

  it('of right answers are the boxes of the scenes, each once', async () => {
    const got = await found(scenes)
    expect(got.image).toEqual([0, 0, 0, 2])
    expect(got.labels).toEqual([0, 2, 2, 1])
    const [first, second] = got.boxes[4]! < 20 ? [0, 8] : [8, 0]
    const { boxes } = scenes[0]!
    const wanted = [
      4,
      5,
      6,
      7,
      first,
      first + 1,
      first + 2,
      first + 3,
      second,
      second + 1,
      second + 2,
      second + 3,
    ]
    expectValues(got.boxes, [...wanted.map(i => boxes[i]!), 20, 20, 44, 44], 1e-5, 'boxes')
    for (const score of got.scores) expect(score).toBeGreaterThan(0.85)
    expect(got.anchor.every(a => a >= 0 && a < total)).toBe(true)
  })

  it('are the same from logits', async () => {
    const [direct, round] = [await found(scenes), await found(scenes, defaultDetections, 'logits')]
    expect([round.labels, round.image, round.anchor]).toEqual([direct.labels, direct.image, direct.anchor])
    expectValues(round.scores, direct.scores, 1e-5, 'scores')
  })

  it('may be none at all', async () => {
    expect(await found([scenes[1]!])).toEqual({ boxes: [], scores: [], labels: [], image: [], anchor: [] })
  })

  it('are at most so many of a category', async () => {
    const got = await found(scenes, { ...defaultDetections, maxPerClass: 1 })
    expect(got.labels).toEqual([0, 2, 1])
  })
})
