import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readCocoAnnotations, readCocoResults } from '../src/data/index.ts'
import {
  type DetectionEvaluation,
  evaluateDetections,
  type GroundTruth,
  precisionAt,
  recallAt,
  recallThresholds,
} from '../src/metrics/detections/index.ts'

/**
 * Agreement with pycocotools: on small cases whose expected values are committed (fixtures/detections/make.py), and on
 * whatever `COCO_EVAL_DIR` holds, or a folder beside the repository: folders of gt.json, dt.json and expected.json.
 */
const tolerance = 1e-9

const number = z.number().nullable()
const numbers = z.record(z.string(), number)
const four = z.array(z.array(z.array(z.array(number))))
const fixture = z.object({
  cases: z.array(
    z.object({
      name: z.string(),
      annotations: z.unknown(),
      detections: z.unknown(),
      expected: z.object({
        stats: numbers,
        perCategory: z.record(z.string(), numbers),
        precision: four,
        recall: four,
      }),
    }),
  ),
})
/** Made with pycocotools by hand, where −1 stands for nothing. */
const outside = z.object({
  stats: numbers,
  per_category: z.record(z.string(), numbers),
  AP_by_iou: numbers,
})

const { cases } = fixture.parse(
  JSON.parse(readFileSync(new URL('./fixtures/detections/cases.json', import.meta.url), 'utf8')),
)
const folder = mkdtempSync(join(tmpdir(), 'moiety-agreement-'))

function evaluated(truthFile: string, detectionFile: string): DetectionEvaluation {
  const truth = readCocoAnnotations(truthFile)
  return evaluateDetections(truth, readCocoResults(detectionFile, truth))
}

function expectNear(value: unknown, expected: number | null | undefined, what: string): void {
  const wanted = expected === -1 ? null : expected
  if (typeof value !== 'number' || typeof wanted !== 'number') expect(value, what).toBe(wanted)
  else expect(Math.abs(value - wanted), what).toBeLessThan(tolerance)
}

function expectAll(values: object, expected: Readonly<Record<string, number | null>>, what: string): void {
  const got = new Map<string, unknown>(Object.entries(values))
  for (const [name, value] of Object.entries(expected)) expectNear(got.get(name), value, `${name} of ${what}`)
}

function expectCategories(
  { perCategory }: DetectionEvaluation,
  expected: Readonly<Record<string, Readonly<Record<string, number | null>>>>,
): void {
  expect(perCategory.map(({ id }) => String(id))).toEqual(Object.keys(expected))
  for (const one of perCategory) expectAll(one, expected[one.id] ?? {}, `category ${one.id}`)
}

/** Single matches add up to the recalls at an IoU of 0.5 that pycocotools gives, and each right detection finds one object. */
function expectMatches({ matches, curves, perCategory }: DetectionEvaluation, truth: GroundTruth): void {
  const right = matches.verdicts.filter(value => value === 1).length
  // COCO's range of all areas ends at 1e10.
  const objects = perCategory.map(
    ({ id }) =>
      truth.annotations.filter(
        one => one.categoryId === id && !one.crowd && one.area >= 0 && one.area <= 1e10,
      ).length,
  )
  const recalled = objects.reduce(
    (sum, count, k) => sum + (count === 0 ? 0 : count * curves.recall[recallAt(curves, 0, k, 0, 2)]!),
    0,
  )
  expectNear(right, recalled, 'right detections')
  const finders = matches.foundBy.filter(by => by >= 0)
  expect(new Set(finders).size).toBe(finders.length)
}

describe('the numbers of pycocotools come out', () => {
  it.each(cases)('for $name', ({ name, annotations, detections, expected }) => {
    const files = [join(folder, 'annotations.json'), join(folder, 'detections.json')] as const
    writeFileSync(files[0], JSON.stringify(annotations))
    writeFileSync(files[1], JSON.stringify(detections))
    const result = evaluated(...files)
    expectAll(result.stats, expected.stats, name)
    expectCategories(result, expected.perCategory)
    expectMatches(result, readCocoAnnotations(files[0]))
    const { curves } = result
    for (const [t, ofThreshold] of expected.precision.entries()) {
      for (const [k, ofCategory] of ofThreshold.entries()) {
        for (const [a, ofArea] of ofCategory.entries()) {
          for (const [m, precision] of ofArea.entries()) {
            const mean =
              Array.from(recallThresholds.keys()).reduce(
                (sum, r) => sum + curves.precision[precisionAt(curves, t, r, k, a, m)]!,
                0,
              ) / recallThresholds.length
            expectNear(mean < 0 ? null : mean, precision, `precision at ${[t, k, a, m]}`)
            const recall = curves.recall[recallAt(curves, t, k, a, m)]!
            expectNear(
              recall < 0 ? null : recall,
              expected.recall[t]?.[k]?.[a]?.[m],
              `recall at ${[t, k, a, m]}`,
            )
          }
        }
      }
    }
  })

  const place =
    process.env.COCO_EVAL_DIR ?? fileURLToPath(new URL('../../shared/data/coco-eval', import.meta.url))
  const found = existsSync(place)
    ? readdirSync(place).filter(name => existsSync(join(place, name, 'gt.json')))
    : []

  it.skipIf(found.length === 0)(`for the files of COCO_EVAL_DIR: ${found.join(', ') || 'none here'}`, () => {
    for (const name of found) {
      const at = (file: string): string => join(place, name, file)
      const expected = outside.parse(JSON.parse(readFileSync(at('expected.json'), 'utf8')))
      const result = evaluated(at('gt.json'), at('dt.json'))
      expectAll(result.stats, expected.stats, name)
      expectCategories(result, expected.per_category)
      for (const { iou, AP } of result.perIoU)
        expectNear(AP, expected.AP_by_iou[iou.toFixed(2)], `IoU ${iou}`)
    }
  })
})
