import { describe, expect, it } from 'vitest'
import { detectionGolden, expectValues } from '../../../test/detection-golden.ts'
import { Graph, interpret } from '../../graph/index.ts'
import { anchorConstant, decodeBoxes, decodedBoxes, encodeBox } from './box-coding.ts'

describe('the code of a box', () => {
  it('is its shift in tenths of the anchor and the logarithm of its growth in fifths, by hand', () => {
    const code = new Float64Array(5)
    encodeBox([0, 0, 9, 9, 12, 10, 32, 15], 1, [10, 10, 20, 20], 0, code, 1)
    // Centre (22, 12.5) against (15, 15), sides 20 and 5 against 10.
    expectValues(code, [0, 7, -2.5, Math.log(2) / 0.2, -Math.log(2) / 0.2], 1e-14, 'code')
  })

  it('counts sides of less than a pixel as one where the original does, about the same centre', () => {
    const { boxes, anchor, codes } = detectionGolden.original
    const got = new Float64Array(12)
    for (const i of [0, 1, 2]) encodeBox(boxes, i, anchor, 0, got, 4 * i, 1)
    expectValues(got, codes, 1e-9, 'codes')
    const unchanged = new Float64Array(4)
    encodeBox(boxes, 0, anchor, 0, unchanged, 0)
    // A quarter of a pixel against 8, four pixels against 16.
    expectValues(unchanged, [0.15625, -0.625, Math.log(1 / 32) / 0.2, Math.log(1 / 4) / 0.2], 1e-14, 'code')
  })

  it('of an anchor itself is 0', () => {
    const code = new Float64Array(4).fill(9)
    encodeBox([3, 4, 10, 20], 0, [3, 4, 10, 20], 0, code, 0)
    expect([...code]).toEqual([0, 0, 0, 0])
  })

  it('gives the box back', () => {
    const boxes = [5.5, 2, 31, 17.25, 0, 0, 64, 48]
    const anchors = [8, 0, 24, 16, 10, 10, 20, 40]
    const codes = new Float64Array(8)
    for (const i of [0, 1]) encodeBox(boxes, i, anchors, i, codes, 4 * i)
    expectValues(decodedBoxes(codes, anchors, [48, 64]), boxes, 1e-14, 'boxes')
  })
})

describe('decoding', () => {
  const { canvas, anchors, codes, boxes } = detectionGolden.decoding

  it('shifts, grows up to a limit and clips to the canvas as numpy does', () => {
    expectValues(decodedBoxes(codes, anchors, canvas), boxes, 1e-10, 'boxes')
  })

  it('is the same in a graph, for every image', () => {
    const graph = new Graph()
    const given = graph.input('codes', 'float32', [2, codes.length / 4, 4])
    const decoded = decodeBoxes(given, anchorConstant(graph, Float32Array.from(anchors)), canvas)
    const feeds = { shape: [2, codes.length / 4, 4], data: Float64Array.from([...codes, ...codes]) }
    const [values] = interpret([decoded], new Map([['codes', feeds]]))
    expectValues(values!.data, [...boxes, ...boxes], 1e-6, 'boxes')
  })
})
