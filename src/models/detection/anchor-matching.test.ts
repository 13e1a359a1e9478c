import { describe, expect, it } from 'vitest'
import { detectionGolden, expectValues } from '../../../test/detection-golden.ts'
import { anchorTargets, defaultMatching, matchAnchors } from './anchor-matching.ts'
import { anchorsOf, pyramidStrides } from './anchors.ts'
import { decodedBoxes } from './box-coding.ts'

const lowQuality = { ...defaultMatching, lowQuality: true }
/** Four anchors of 10 × 10 in a row, 10 apart. */
const row = Float32Array.from([0, 10, 20, 30].flatMap(x => [x, 0, x + 10, 10]))

describe('an anchor', () => {
  it('is of the object that it overlaps by half and more, of the background below 0.4, else ignored', () => {
    // 10 × 5 in the first: ½. 4.5 of the second's 10 columns: 0.45. 3.9 of the third's: 0.39.
    expect([...matchAnchors(row, [0, 0, 10, 5, 10, 0, 14.5, 10, 20, 0, 23.9, 10])]).toEqual([0, -2, -1, -1])
  })

  it('is of the object that it overlaps most, and of the first of equals', () => {
    const boxes = [0, 0, 8, 10, 0, 0, 9, 10, 20, 0, 29, 10, 21, 0, 30, 10]
    expect([...matchAnchors(row, boxes)]).toEqual([1, -1, 2, -1])
  })

  it('is of the background where there is no object, or one without an area', () => {
    expect([...matchAnchors(row, [])]).toEqual([-1, -1, -1, -1])
    expect([...matchAnchors(row, [5, 5, 5, 5, 10, 0, 10, 10], lowQuality)]).toEqual([-1, -1, -1, -1])
  })

  it('may be of an object that it hardly overlaps, if none overlaps that one more: all of equals', () => {
    const boxes = [8, 0, 12, 10]
    expect([...matchAnchors(row, boxes)]).toEqual([-1, -1, -1, -1])
    expect([...matchAnchors(row, boxes, lowQuality)]).toEqual([0, 0, -1, -1])
    expect([...matchAnchors(row, [100, 0, 110, 10], lowQuality)]).toEqual([-1, -1, -1, -1])
  })

  it('is matched as by the intersections over union of pycocotools', () => {
    const { anchors, boxes, match, lowQuality: low } = detectionGolden.matching
    const given = Float32Array.from(anchors)
    expect([...matchAnchors(given, boxes)]).toEqual(match)
    expect([...matchAnchors(given, boxes, lowQuality)]).toEqual(low)
  })
})

describe('targets', () => {
  it('are category and code of the object, C for the background, −1 for the ignored', () => {
    const { classes, boxes } = anchorTargets(
      row,
      [
        { boxes: [0, 0, 10, 5, 10, 0, 14.5, 10], categories: [6, 2] },
        { boxes: [], categories: [] },
        { boxes: [31, 0, 41, 10], categories: [0] },
      ],
      7,
    )
    expect([...classes].map(Number)).toEqual([...[6, -1, 7, 7], ...[7, 7, 7, 7], ...[7, 7, 7, 0]])
    const wanted = new Float32Array(48)
    wanted.set([0, -2.5, 0, Math.log(0.5) / 0.2], 0)
    wanted.set([1, 0, 0, 0], 44)
    expectValues(boxes, wanted, 1e-6, 'codes')
  })

  it('have the codes that numpy gives', () => {
    const { anchors, boxes, codes } = detectionGolden.matching
    const images = [{ boxes, categories: [0, 0, 0, 0, 0] }]
    const targets = anchorTargets(Float32Array.from(anchors), images, 1)
    const positive = [...targets.classes.keys()].filter(a => targets.classes[a] === 0n)
    const own = positive.flatMap(a => [...targets.boxes.subarray(4 * a, 4 * a + 4)])
    expectValues(own, codes, 1e-6, 'codes')
  })

  it('of a box with sides of less than a pixel have sides of one where asked, and the same anchors', () => {
    const anchors = Float32Array.of(0, 0, 1, 1, 0, 0, 0.5, 1, 8, 8, 10, 10)
    const image = { boxes: [0.1, 0, 0.5, 1, 8, 8, 10, 10], categories: [1, 0] }
    const [plain, wide] = [0, 1].map(leastSide =>
      anchorTargets(anchors, [image], 2, { ...defaultMatching, leastSide }),
    )
    // IoU of the narrow box with the anchors: 0.4 and 0.8. Were it widened first it would be 0.7 and 0.36.
    expect([...plain!.classes].map(Number)).toEqual([-1, 1, 0])
    expect(wide!.classes).toEqual(plain!.classes)
    expectValues(
      plain!.boxes,
      [0, 0, 0, 0, 1, 0, Math.log(0.8) / 0.2, 0, 0, 0, 0, 0],
      1e-6,
      'codes of the box as it is',
    )
    expectValues(
      wide!.boxes,
      [0, 0, 0, 0, 1, 0, Math.log(2) / 0.2, 0, 0, 0, 0, 0],
      1e-6,
      'codes of a box one pixel wide',
    )
  })

  it('of a scene, decoded, are its boxes', () => {
    const canvas = [96, 128] as const
    const { boxes: anchors } = anchorsOf(canvas, pyramidStrides('strided'))
    const scene = [10, 12, 26, 30, 40, 8, 120, 90, 70, 50, 90, 68]
    const { classes, boxes } = anchorTargets(anchors, [{ boxes: scene, categories: [0, 1, 2] }], 3)
    const decoded = decodedBoxes(boxes, anchors, canvas)
    const seen = new Set<bigint>()
    for (const [a, category] of classes.entries()) {
      if (category < 0n || category === 3n) continue
      seen.add(category)
      const object = 4 * Number(category)
      expectValues(decoded.subarray(4 * a, 4 * a + 4), scene.slice(object, object + 4), 1e-6, `anchor ${a}`)
    }
    expect([...seen].sort()).toEqual([0n, 1n, 2n])
  })
})

describe('objects that cannot be', () => {
  const targets = (boxes: readonly number[], categories: readonly number[]) => () =>
    anchorTargets(
      Float32Array.of(0, 0, 8, 8),
      [
        { boxes: [0, 0, 8, 8], categories: [1] },
        { boxes, categories },
      ],
      2,
    )

  it.each([
    ['a category that is none', [0, 0, 8, 8], [2], 'expected a category from 0 to 1, but got 2'],
    ['−1', [0, 0, 8, 8], [-1], 'but got -1'],
    ['a fraction', [0, 0, 8, 8], [0.5], 'but got 0.5'],
    ['NaN', [0, 0, 8, 8], [Number.NaN], 'but got NaN'],
    ['a box with NaN', [0, 0, Number.NaN, 8], [0], 'but got [0, 0, NaN, 8]'],
    ['an infinite box', [0, 0, Infinity, 8], [0], 'but got [0, 0, Infinity, 8]'],
    ['a box of negative sides', [8, 0, 4, 8], [0], 'with x1 ≤ x2 and y1 ≤ y2, but got [8, 0, 4, 8]'],
  ])('are refused: %s', (_, box, categories, message) => {
    expect(targets([1, 1, 2, 2, ...box], [0, ...categories])).toThrow(message)
    expect(targets([1, 1, 2, 2, ...box], [0, ...categories])).toThrow(
      expect.objectContaining({ kind: 'data', where: 'object 1 of image 1 of the batch' }),
    )
  })

  it('are refused where there are more boxes than categories, or fewer', () => {
    for (const boxes of [[], [0, 0, 1], [0, 0, 1, 1, 0, 0, 1, 1]])
      expect(targets(boxes, [0])).toThrow(`for each of 1 categories, but got ${boxes.length}`)
    expect(targets([2, 2, 2, 2], [0])).not.toThrow()
  })
})
