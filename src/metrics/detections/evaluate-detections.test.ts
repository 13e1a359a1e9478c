import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { measured } from '../../../test/detection-definition.ts'
import type { CocoAnnotation } from '../../data/coco/annotations.ts'
import type { Box } from '../../data/coco/record.ts'
import type { Detection } from '../../data/coco/results.ts'
import {
  areaNames,
  type DetectionEvaluation,
  evaluateDetections,
  type GroundTruth,
  iouThresholds,
  maxDetections,
  precisionAt,
  recallAt,
  recallThresholds,
} from './index.ts'

/** A truth of so many images and categories, whose ids have gaps and fall. */
function truthOf(annotations: readonly CocoAnnotation[], images = 3, categories = 3): GroundTruth {
  return {
    images: Array.from({ length: images }, (_, i) => ({ id: 10 * (images - i) })),
    categories: Array.from({ length: categories }, (_, k) => ({
      id: 7 * (categories - k),
      name: `category ${k}`,
    })),
    annotations,
  }
}

const imageId = fc.constantFrom(10, 20, 30)
const categoryId = fc.constantFrom(7, 14, 21)
// Few places and sides, so that boxes coincide, overlap on thresholds, and lie on the limits between sizes.
const box: fc.Arbitrary<Box> = fc.tuple(
  fc.integer({ min: -2, max: 6 }).map(x => 8 * x),
  fc.constantFrom(0, 4, 100),
  fc.constantFrom(0, 5, 16, 32, 64, 96, 120),
  fc.constantFrom(10, 16, 32, 96, 120),
)
const annotations = fc
  .array(
    fc.record({
      imageId,
      categoryId,
      box,
      crowd: fc.nat(5).map(n => n === 0),
      part: fc.constantFrom(0.5, 0.9, 1),
    }),
    { maxLength: 14 },
  )
  .map(list =>
    list.map(({ part, ...one }, i) => ({ ...one, id: i + 1, area: part * one.box[2] * one.box[3] })),
  )
const detections: fc.Arbitrary<Detection[]> = fc.array(
  fc.record({ imageId, categoryId, box, score: fc.integer({ min: 0, max: 6 }).map(n => n / 6) }),
  { maxLength: 30 },
)

/** Mean precision over recalls, and recall, at one place; null where nothing was measured. */
function cell({ curves }: DetectionEvaluation, t: number, k: number, a: number, m: number) {
  const sum = Array.from(recallThresholds.keys()).reduce(
    (total, r) => total + curves.precision[precisionAt(curves, t, r, k, a, m)]!,
    0,
  )
  const recall = curves.recall[recallAt(curves, t, k, a, m)]!
  return recall < 0 ? { precision: null, recall: null } : { precision: sum / recallThresholds.length, recall }
}

function expectSame(value: number | null, expected: number | null, what: string): void {
  if (value === null || expected === null) expect(value, what).toBe(expected)
  else expect(Math.abs(value - expected), what).toBeLessThan(1e-12)
}

const nowhere = Object.fromEntries(
  ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl'].map(name => [
    name,
    null,
  ]),
)

describe('the evaluation of detections', () => {
  it('is what its definition says, at every IoU, category, area and number of detections', () => {
    fc.assert(
      fc.property(annotations, detections, (objects, found) => {
        const truth = truthOf(objects)
        const result = evaluateDetections(truth, found)
        for (const [t, threshold] of iouThresholds.entries()) {
          if (t % 3 !== 0) continue
          for (const [k, category] of [7, 14, 21].entries()) {
            for (const [a, range] of areaNames.entries()) {
              for (const [m, most] of maxDetections.entries()) {
                const got = cell(result, t, k, a, m)
                const expected = measured(truth, found, category, { threshold, range, most })
                const what = `IoU ${threshold}, category ${category}, ${range}, ${most}`
                expectSame(got.precision, expected.precision, what)
                expectSame(got.recall, expected.recall, what)
              }
            }
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('does not depend on the order of images, categories and annotations', () => {
    fc.assert(
      fc.property(annotations, detections, fc.nat(), (objects, found, seed) => {
        // Equal overlaps are decided by the order of annotations, so no two boxes have the same edges or sides here.
        const distinct = objects.map((one, i): CocoAnnotation => {
          const [x, y, width, height] = one.box
          return { ...one, box: [x + i / 1024, y + (i * i) / 4096, width + i / 512, height] }
        })
        const truth = truthOf(distinct)
        const shuffled = {
          images: truth.images.toReversed(),
          categories: truth.categories.toSorted(
            (a, b) => ((a.id * (seed % 5)) % 4) - ((b.id * (seed % 5)) % 4),
          ),
          annotations: distinct.toSorted((a, b) => ((a.id * 7 + seed) % 11) - ((b.id * 7 + seed) % 11)),
        }
        const { stats, perCategory } = evaluateDetections(truth, found)
        expect(evaluateDetections(shuffled, found)).toMatchObject({ stats, perCategory })
      }),
    )
  })

  it('depends on the order of scores alone', () => {
    fc.assert(
      fc.property(annotations, detections, (objects, found) => {
        const other = found.map(one => ({ ...one, score: one.score ** 3 * 50 - 20 }))
        expect(evaluateDetections(truthOf(objects), other).stats).toEqual(
          evaluateDetections(truthOf(objects), found).stats,
        )
      }),
    )
  })

  it('never gives more recall for an object more that nothing has found', () => {
    fc.assert(
      fc.property(annotations, detections, categoryId, (objects, found, category) => {
        const missed = {
          id: 1000,
          imageId: 10,
          categoryId: category,
          box: [900, 900, 40, 40],
          area: 1500,
          crowd: false,
        } as const
        const before = evaluateDetections(truthOf(objects), found).perCategory
        const after = evaluateDetections(truthOf([...objects, missed]), found).perCategory
        for (const [k, one] of after.entries()) {
          for (const name of ['AR1', 'AR10', 'AR100', 'ARm'] as const) {
            expect(one[name] ?? 0).toBeLessThanOrEqual(before[k]![name] ?? 1)
          }
        }
      }),
    )
  })

  it('gives numbers from 0 to 1, and more for more detections or a lower IoU', () => {
    fc.assert(
      fc.property(annotations, detections, (objects, found) => {
        const { stats, perIoU } = evaluateDetections(truthOf(objects), found)
        for (const value of Object.values<number | null>({ ...stats })) {
          expect(value ?? 0).toBeGreaterThanOrEqual(0)
          expect(value ?? 0).toBeLessThanOrEqual(1)
        }
        expect(stats.AR1 ?? 0).toBeLessThanOrEqual(stats.AR10 ?? 0)
        expect(stats.AR10 ?? 0).toBeLessThanOrEqual(stats.AR100 ?? 0)
        for (const [i, { AR }] of perIoU.entries()) {
          if (i > 0) expect(AR ?? 0).toBeLessThanOrEqual((perIoU[i - 1]!.AR ?? 0) + 1e-12)
        }
      }),
    )
  })

  it('is 1 for detections that are the objects, however they are scored', () => {
    const spread = fc
      .array(
        fc.record({
          imageId,
          categoryId,
          side: fc.integer({ min: 1, max: 150 }),
          score: fc.double({ noNaN: true, min: 0, max: 1 }),
        }),
        {
          minLength: 1,
          maxLength: 25,
        },
      )
      .map(list =>
        list.map((one, i) => ({
          ...one,
          id: i + 1,
          crowd: false,
          area: one.side ** 2,
          box: [200 * i, 0, one.side, one.side] as const,
        })),
      )
    fc.assert(
      fc.property(spread, objects => {
        const { stats } = evaluateDetections(truthOf(objects), objects)
        for (const name of [
          'AP',
          'AP50',
          'AP75',
          'APs',
          'APm',
          'APl',
          'AR100',
          'ARs',
          'ARm',
          'ARl',
        ] as const) {
          expect(stats[name] ?? 1, name).toBeCloseTo(1, 12)
        }
      }),
    )
  })

  it('is 0 where nothing is detected, and null where nothing was to be found', () => {
    const one: CocoAnnotation = {
      id: 1,
      imageId: 10,
      categoryId: 14,
      box: [0, 0, 50, 50],
      area: 2500,
      crowd: false,
    }
    const { stats, perCategory, counts } = evaluateDetections(truthOf([one]), [])
    expect(stats).toMatchObject({ AP: 0, APs: null, APm: 0, APl: null, AR100: 0, ARs: null })
    expect(perCategory.map(({ id, AP }) => [id, AP])).toEqual([
      [7, null],
      [14, 0],
      [21, null],
    ])
    expect(counts).toEqual({ images: 3, categories: 3, objects: 1, crowds: 0, detections: 0 })
    expect(evaluateDetections(truthOf([{ ...one, crowd: true }]), []).stats).toEqual(nowhere)
    expect(evaluateDetections(truthOf([], 0, 0), []).stats).toEqual(nowhere)
  })

  it('takes other limits between sizes', () => {
    const small = { id: 1, imageId: 10, categoryId: 7, box: [0, 0, 20, 20], area: 400, crowd: false } as const
    const { stats } = evaluateDetections(truthOf([small]), [{ ...small, score: 1 }], { sizes: [10, 30] })
    expect(stats).toMatchObject({ APs: null, APl: null })
    expect(stats.APm).toBeCloseTo(1, 12)
  })

  it('has places for hundreds of thousands of objects in one image', () => {
    const many = Array.from(
      { length: 200_000 },
      (_, i): CocoAnnotation => ({
        id: i + 1,
        imageId: 10,
        categoryId: 7,
        box: [i, 0, 1, 1],
        area: 1,
        crowd: false,
      }),
    )
    const { stats } = evaluateDetections(
      truthOf(many),
      many.slice(0, 150).map(one => ({ ...one, score: 1 })),
    )
    expect(stats.AR100).toBeCloseTo(100 / 200_000, 12)
  })

  const fine: Detection = { imageId: 10, categoryId: 7, box: [0, 0, 1, 1], score: 0.5 }
  it.each<[string, Partial<Detection>]>([
    ['expected a finite score or area, got NaN', { score: Number.NaN }],
    ['expected a finite score or area, got Infinity', { score: Number.POSITIVE_INFINITY }],
    ['expected a box of four finite numbers', { box: [0, Number.NaN, 1, 1] }],
    ['expected a width and a height from 0', { box: [0, 0, -1, 1] }],
    ['expected the id of an image of the truth, got 11', { imageId: 11 }],
    ['expected the id of a category of the truth, got 8', { categoryId: 8 }],
  ])('%s: names the detection', (message, wrong) => {
    expect(() => evaluateDetections(truthOf([]), [fine, { ...fine, ...wrong }])).toThrow(
      expect.objectContaining({
        kind: 'data',
        where: 'detections[1]',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('refuses sizes that do not rise', () => {
    expect(() => evaluateDetections(truthOf([]), [], { sizes: [96, 32] })).toThrow(/sizes that rise/)
  })
})
