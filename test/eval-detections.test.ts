import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { moiety, newFolder } from './tiny.ts'

/** `moiety eval-detections` as a user meets it. The numbers are tested in detection-agreement.test.ts. */
const { cases } = z
  .object({
    cases: z.array(
      z.object({
        name: z.string(),
        annotations: z.object({ annotations: z.array(z.record(z.string(), z.unknown())) }).loose(),
        detections: z.array(z.unknown()),
        expected: z.object({ stats: z.record(z.string(), z.number().nullable()) }),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('./fixtures/detections/cases.json', import.meta.url), 'utf8')))

const folder = newFolder()
const [first] = cases
const { annotations, detections, expected } = first!

function written(name: string, value: unknown): string {
  const file = join(folder, name)
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  return file
}

const truth = written('truth.json', annotations)
const found = written('found.json', detections)

const output = z.object({
  stats: z.record(z.string(), z.number().nullable()),
  perIoU: z.array(z.object({ iou: z.number(), AP: z.number().nullable(), AR: z.number().nullable() })),
  perCategory: z.record(
    z.string(),
    z.object({ id: z.number(), name: z.string(), AP: z.number().nullable(), objects: z.number() }),
  ),
  counts: z.record(z.string(), z.number()),
})

describe('moiety eval-detections', () => {
  it('--json prints the twelve numbers, those of each category and of each IoU', async () => {
    const { code, stdout } = await moiety('eval-detections', truth, found, '--json')
    expect(code).toBe(0)
    const { stats, perIoU, perCategory, counts } = output.parse(JSON.parse(stdout))
    expect(Object.keys(stats)).toEqual(Object.keys(expected.stats))
    for (const [name, value] of Object.entries(expected.stats))
      expect(stats[name]).toBeCloseTo(value ?? -1, 9)
    expect(Object.keys(perCategory)).toEqual(['1', '3', '7', '44', '90'])
    expect(perCategory['7']).toMatchObject({ id: 7, name: 'category 7', AP: null, objects: 0 })
    expect(perIoU.map(({ iou }) => iou)).toEqual([0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
    expect(counts).toMatchObject({ images: 6, categories: 5, detections: detections.length })
  })

  it('prints them within 80 columns, a dash where there is nothing to measure', async () => {
    const { code, stdout } = await moiety(
      'eval-detections',
      truth,
      found,
      '--per-category',
      '--sort',
      'worst',
    )
    expect(code).toBe(0)
    for (const line of stdout.split('\n')) expect([...line].length, line).toBeLessThanOrEqual(80)
    expect(stdout).toMatch(/AP {5}0\.265 {2}█+/)
    expect(stdout).toMatch(/small, area up to 32²/)
    const lines = stdout.split('\n')
    const names = lines.flatMap(line => /^ +(category \d+)/.exec(line)?.[1] ?? [])
    expect(names).toHaveLength(5)
    expect(names[0]).toBe('category 1')
    expect(names.at(-1)).toBe('category 7')
    expect(lines.find(line => line.includes('category 7'))).toMatch(/0( +–){7}/)
  })

  it('warns of an annotation with the id 0, and takes a file without detections', async () => {
    const zero = cases.find(({ name }) => name === 'annotations numbered from 0')!
    const files = [
      written('zero.json', zero.annotations),
      written('zero-found.json', zero.detections),
    ] as const
    const warned = await moiety('eval-detections', ...files, '--json')
    expect(warned.code).toBe(0)
    expect(warned.stderr).toMatch(/has the id 0/)
    expect(output.parse(JSON.parse(warned.stdout)).stats.AP).toBeCloseTo(zero.expected.stats.AP ?? -1, 9)
    const none = await moiety('eval-detections', truth, written('none.json', []), '--json')
    expect(none.code).toBe(0)
    expect(output.parse(JSON.parse(none.stdout)).stats).toMatchObject({ AP: 0, AR100: 0 })
  })

  it.each<[string, string, string, RegExp]>([
    ['no such file', join(folder, 'nowhere.json'), found, /found none[\s\S]*at .*nowhere\.json/],
    ['a folder', folder, found, /a JSON file that can be read/],
    [
      'no JSON',
      written('text.json', 'hello'),
      found,
      /begins with \{ or \[, found "hello"[\s\S]*at .*text\.json/,
    ],
    ['files in the wrong order', found, truth, /found a list[\s\S]*pass the annotations first/],
    [
      'a file cut short',
      truth,
      written('cut.json', JSON.stringify(detections).slice(0, 2000)),
      /ends in the middle[\s\S]*at .*cut\.json, \[\d+\]/,
    ],
    [
      'a detection in an image that is not annotated',
      truth,
      written('image.json', [{ image_id: 4, category_id: 1, bbox: [0, 0, 1, 1], score: 1 }]),
      /an image listed in the annotations, got 4[\s\S]*at .*image\.json, \[0\]\.image_id/,
    ],
    [
      'a score that is not a number',
      truth,
      written('nan.json', '[{"image_id": 5, "category_id": 1, "bbox": [0, 0, 1, 1], "score": NaN}]'),
      /found NaN[\s\S]*at .*nan\.json, \[0\]/,
    ],
    [
      'an id twice',
      written('twice.json', {
        ...annotations,
        annotations: [...annotations.annotations, annotations.annotations[0]],
      }),
      found,
      /a second time[\s\S]*at .*twice\.json, annotations\[60\]\.id/,
    ],
  ])('refuses %s with exit code 3', async (_, one, other, message) => {
    const { code, stdout, stderr } = await moiety('eval-detections', one, other)
    expect(stderr).toMatch(message)
    expect([code, stdout]).toEqual([3, ''])
  })

  it.each([[['--sizes', '96,32']], [['--sizes', '1']], [['--sort', 'x']]])(
    'refuses %j with exit code 2',
    async words => {
      expect((await moiety('eval-detections', truth, found, ...words)).code).toBe(2)
    },
  )
})
