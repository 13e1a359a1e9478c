import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { detectionGolden } from '../../../test/detection-golden.ts'
import { expectEngineAgrees, type OracleCase } from '../../../test/oracle.ts'
import { Engine } from '../../runtime/index.ts'
import { Graph, interpret, nonMaxSuppression, type SuppressionOptions } from '../index.ts'

const usual: SuppressionOptions = { maxPerClass: 100, iou: 0.5, score: 0.05, count: 'detections' }

/** `boxes` [N][A][4], `scores` [N][C][A]. */
function suppression(
  boxes: readonly (readonly (readonly number[])[])[],
  scores: readonly (readonly (readonly number[])[])[],
  options: Partial<SuppressionOptions> = {},
): OracleCase {
  const [images, anchors, classes] = [boxes.length, boxes[0]!.length, scores[0]!.length]
  return {
    inputs: {
      boxes: { shape: [images, anchors, 4], values: boxes.flat(2).map(Math.fround) },
      scores: { shape: [images, classes, anchors], values: scores.flat(2).map(Math.fround) },
    },
    build: given => nonMaxSuppression(given.boxes!, given.scores!, { ...usual, ...options }),
    wrt: [],
  }
}

/** The rows [image, class, box] that the interpreter keeps. */
function kept({ inputs, build }: OracleCase): number[][] {
  const graph = new Graph()
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]) => [name, graph.input(name, 'float32', shape)]),
  )
  const feeds = new Map(
    Object.entries(inputs).map(([name, { shape, values }]) => [
      name,
      { shape, data: Float64Array.from(values!) },
    ]),
  )
  const made = build(tensors)
  const [rows] = interpret(Array.isArray(made) ? made : [made], feeds)
  expect(rows!.shape[1]).toBe(3)
  return Array.from({ length: rows!.shape[0]! }, (_, m) => [...rows!.data.subarray(3 * m, 3 * m + 3)])
}

const left = [0, 0, 10, 10]
/** Its intersection over union with `left` is 80 / 120. */
const near = [2, 0, 12, 10]
/** With `left` 0, with `near` 10 / 190. */
const right = [11, 0, 21, 10]

const cases: Record<string, { readonly item: OracleCase; readonly rows: readonly number[][] }> = {
  'of two boxes that overlap by more than the threshold the better one': {
    item: suppression([[left, near, right]], [[[0.6, 0.9, 0.3]]]),
    rows: [
      [0, 0, 1],
      [0, 0, 2],
    ],
  },
  'both, where their overlap is the threshold': {
    // Intersection 50, union 100.
    item: suppression(
      [
        [
          [0, 0, 10, 10],
          [0, 0, 10, 5],
        ],
      ],
      [[[0.6, 0.9]]],
    ),
    rows: [
      [0, 0, 1],
      [0, 0, 0],
    ],
  },
  'a box that only a suppressed one overlaps': {
    item: suppression([[left, near, [4, 0, 14, 10]]], [[[0.9, 0.8, 0.7]]]),
    rows: [
      [0, 0, 0],
      [0, 0, 2],
    ],
  },
  'classes and images by themselves, in order': {
    item: suppression(
      [
        [left, near],
        [right, left],
      ],
      [
        [
          [0.6, 0.9],
          [0.7, 0.2],
        ],
        [
          [0.1, 0.2],
          [0.01, 0.9],
        ],
      ],
    ),
    rows: [
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 1],
      [1, 0, 0],
      [1, 1, 1],
    ],
  },
  'no box whose score is not above the threshold': {
    item: suppression([[left, right]], [[[0.05, 0.0501]]]),
    rows: [[0, 0, 1]],
  },
  nothing: { item: suppression([[left, right]], [[[0.01, 0.02]]]), rows: [] },
  'at most so many of a class': {
    item: suppression(
      [[left, right, [30, 0, 40, 10]]],
      [
        [
          [0.5, 0.6, 0.7],
          [0.9, 0.8, 0.7],
        ],
      ],
      { maxPerClass: 2 },
    ),
    rows: [
      [0, 0, 2],
      [0, 0, 1],
      [0, 1, 0],
      [0, 1, 1],
    ],
  },
  'of equal scores the smaller index first': {
    item: suppression([[right, near, left, left]], [[[0.5, 0.5, 0.5, 0.5]]]),
    rows: [
      [0, 0, 0],
      [0, 0, 1],
    ],
  },
  'corners in any order': {
    item: suppression([[[10, 10, 0, 0], [12, 0, 2, 10], right]], [[[0.9, 0.6, 0.3]]]),
    rows: [
      [0, 0, 0],
      [0, 0, 2],
    ],
  },
  'boxes without an area, which overlap nothing': {
    item: suppression([[[5, 5, 5, 5], [5, 5, 5, 5], left]], [[[0.9, 0.8, 0.7]]]),
    rows: [
      [0, 0, 0],
      [0, 0, 1],
      [0, 0, 2],
    ],
  },
}

describe('non-maximum suppression keeps', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  it.each(Object.entries(cases))('%s', async (_name, { item, rows }) => {
    expect(kept(item)).toEqual(rows)
    await expectEngineAgrees(engine, item)
  })

  it('what the reference of ONNX keeps, ties included', async () => {
    const { boxes, scores, options, rows } = detectionGolden.suppression
    const item: OracleCase = {
      inputs: {
        boxes: { shape: [2, 40, 4], values: boxes.map(Math.fround) },
        scores: { shape: [2, 3, 40], values: scores.map(Math.fround) },
      },
      build: given => nonMaxSuppression(given.boxes!, given.scores!, { ...options, count: 'detections' }),
      wrt: [],
    }
    expect(kept(item)).toEqual(rows)
    await expectEngineAgrees(engine, item)
  })
})

describe('non-maximum suppression refuses', () => {
  const graph = new Graph()
  const boxes = graph.input('boxes', 'float32', [2, 5, 4])

  it('scores with their classes last, and no box a class', () => {
    const scores = graph.input('scores', 'float32', [2, 5, 3])
    expect(() => nonMaxSuppression(boxes, scores, usual)).toThrow('scores [N, C, A]')
    const right = graph.input('right', 'float32', [2, 3, 5])
    expect(() => nonMaxSuppression(boxes, right, { ...usual, maxPerClass: 0 })).toThrow('got 0')
  })
})
