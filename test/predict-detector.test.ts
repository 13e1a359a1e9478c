import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openDetectionDataset } from '../src/data/detection/index.ts'
import { expertShades } from '../src/report/palette.ts'
import { Engine } from '../src/runtime/index.ts'
import { DetectorEvaluator } from '../src/tasks/detection/evaluate-detector.ts'
import type { DetectorRecords } from '../src/tasks/detection/records.ts'
import { moiety, newFolder } from './tiny.ts'
import { detectorFacts, detectorState, smallDetector } from './untrained-detector.ts'
import { smallConfig, writeRun } from './untrained-run.ts'

/** `moiety predict` of a detector as a person meets it, and that it finds what the run's evaluation finds. */
const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const mixture = { experts: 4, k: 2, constraint: { name: 'kl', weight: 0.25 } }
const config = smallDetector({ mixture }, {}, { size: 90, shortest: 64 })
const state = detectorState(config)
const run = writeRun(join(folder, 'run'), config, { state, data: detectorFacts })
const sizes = { '000000000139.png': [120, 80], '7.png': [50, 100], '000000000285.jpg': [64, 64] } as const
const images = join(folder, 'images')
const names = Object.keys(sizes).sort()

/** An image of noise, which an untrained detector finds something in. */
async function picture(width: number, height: number, path: string): Promise<void> {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7919 + (i % 13) * 613) % 256)
  await sharp(data, { raw: { width, height, channels: 3 } }).toFile(path)
}

beforeAll(async () => {
  mkdirSync(images, { recursive: true })
  for (const [name, [width, height]] of Object.entries(sizes))
    await picture(width, height, join(images, name))
})

/** What the evaluation of the run finds in the same images, as a data set in COCO's format. */
async function evaluated(): Promise<DetectorRecords> {
  const annotated = (names: readonly string[]) => ({
    images: names.map(name => {
      const [width, height] = sizes[name as keyof typeof sizes]
      return { id: Number(name.slice(0, -4)), file_name: name, width, height }
    }),
    categories: detectorFacts.classes.map((name, label) => ({
      id: detectorFacts.detection.categoryIds[label],
      name,
    })),
    annotations: [],
  })
  const data = join(folder, 'coco')
  mkdirSync(join(data, 'images', 'train'), { recursive: true })
  for (const name of names) writeFileSync(join(data, 'images', name), readFileSync(join(images, name)))
  await picture(64, 64, join(data, 'images', 'train', '1.png'))
  const train = { ...annotated([]), images: [{ id: 1, file_name: 'train/1.png', width: 64, height: 64 }] }
  writeFileSync(join(data, 'instances_train.json'), JSON.stringify(train))
  writeFileSync(join(data, 'instances_val.json'), JSON.stringify(annotated(names)))
  const dataset = await openDetectionDataset({ name: 'coco', directory: data, size: 90, shortest: 64 })
  const { mean, std } = detectorFacts
  const engine = await Engine.start({ threads: 1 })
  try {
    await engine.setState(state)
    const evaluator = new DetectorEvaluator([engine], config.model, {
      ...dataset,
      mean: [...mean],
      std: [...std],
    })
    return (await evaluator.evaluate({ split: dataset.val!, batch: 2 }))!
  } finally {
    await engine.stop()
  }
}

const json = z.object({
  task: z.literal('detection'),
  settings: z.object({ score: z.number() }),
  layers: z.array(z.object({ name: z.string(), experts: z.number(), inputs: z.number() })),
  images: z.array(
    z.object({
      path: z.string(),
      width: z.number(),
      height: z.number(),
      input: z.object({ width: z.number(), height: z.number() }),
      picture: z.string().nullable(),
      prediction: z.object({
        id: z.number(),
        objects: z.array(
          z.object({
            name: z.string(),
            categoryId: z.number(),
            score: z.number(),
            box: z.array(z.number()),
            level: z.number(),
          }),
        ),
      }),
      routing: z.array(
        z.array(
          z.object({
            experts: z.array(z.object({ expert: z.number(), weight: z.number() })),
            logits: z.array(z.number()),
          }),
        ),
      ),
    }),
  ),
})
const results = z.array(
  z.object({ image_id: z.number(), category_id: z.number(), bbox: z.array(z.number()), score: z.number() }),
)

describe('moiety predict of a detector', () => {
  const out = join(folder, 'seen', 'page.html')
  const coco = join(folder, 'seen', 'detections.json')
  let seen: z.infer<typeof json>['images']

  it('finds what the evaluation of the run finds, and writes it as COCO results', async () => {
    const { code, stdout } = await moiety(
      ...['predict', run, images, '--out', out, '--coco', coco, '--score', '0.06', '--json'],
    )
    expect(code).toBe(0)
    const written = results.parse(JSON.parse(readFileSync(coco, 'utf8')))
    const { found } = await evaluated()
    const order = (one: { image: number; category: number; score: number }): number =>
      one.image * 1e6 + one.category * 1e3 - one.score
    const plain = (list: { image: number; category: number; score: number; box: readonly number[] }[]) =>
      list.toSorted((a, b) => order(a) - order(b))
    const got = plain(
      written.map(d => ({ image: d.image_id, category: d.category_id, score: d.score, box: d.bbox })),
    )
    const wanted = plain(
      found.map(d => ({ image: d.imageId, category: d.categoryId, score: d.score, box: d.box })),
    )
    expect(got.length).toBeGreaterThan(10)
    expect(got.map(d => [d.image, d.category])).toEqual(wanted.map(d => [d.image, d.category]))
    for (const [i, { score, box }] of wanted.entries()) {
      expect(got[i]!.score).toBeCloseTo(score, 4)
      for (const [side, value] of box.entries()) expect(got[i]!.box[side]).toBeCloseTo(value, 2)
    }
    const said = json.parse(JSON.parse(stdout))
    seen = said.images
    expect(said.layers).toEqual([
      { name: 'head.classification_head', experts: 4, inputs: 5 },
      { name: 'head.regression_head', experts: 4, inputs: 5 },
    ])
    expect(said.images.map(({ prediction, width, height }) => [prediction.id, width, height])).toEqual([
      [139, 120, 80],
      [285, 64, 64],
      [7, 50, 100],
    ])
    expect(said.images[0]!.input).toEqual({ width: 90, height: 60 })
    const objects = said.images.flatMap(({ prediction }) => prediction.objects)
    expect(objects.length).toBe(written.filter(({ score }) => score > 0.06).length)
    for (const { score } of objects) expect(score).toBeGreaterThan(0.06)
    for (const { routing } of said.images) {
      expect(routing.map(levels => levels.length)).toEqual([5, 5])
      for (const { experts, logits } of routing.flat()) {
        expect([experts.length, logits.length]).toEqual([2, 4])
        expect(experts[0]!.weight + experts[1]!.weight).toBeCloseTo(1, 5)
      }
    }
  })

  it('draws each image, and shows them on a page that loads nothing', async () => {
    const drawn = readdirSync(join(folder, 'seen', 'page')).sort()
    expect(drawn).toEqual(['1-000000000139.png', '2-000000000285.png', '3-7.png'])
    const { width, height } = await sharp(join(folder, 'seen', 'page', drawn[0]!)).metadata()
    expect([width, height]).toEqual([480, 320])
    const page = readFileSync(out, 'utf8')
    expect(page.match(/src="data:image\/png;base64,/g)).toHaveLength(3)
    expect(page).toContain('cat &quot;x&quot;')
    expect(page).not.toMatch(/https?:/)
  })

  it('draws boxes in the colours of the experts that weighed most, and in no other expert’s', async () => {
    const names = readdirSync(join(folder, 'seen', 'page')).sort()
    const used = new Set<number>()
    for (const [i, name] of names.entries()) {
      const file = sharp(join(folder, 'seen', 'page', name))
        .removeAlpha()
        .raw()
      const { data, info } = await file.toBuffer({ resolveWithObject: true })
      expect(info.channels).toBe(3)
      const colours = new Set<string>()
      for (let at = 0; at < data.length; at += 3) colours.add(data.subarray(at, at + 3).toString('hex'))
      const { prediction, routing } = seen[i]!
      const first = prediction.objects.map(({ level }) => routing[0]![level - 3]!.experts[0]!.expert)
      for (const [expert, { light }] of expertShades.slice(0, 4).entries())
        expect(colours.has(light.slice(1)), `${name}, expert ${expert}`).toBe(first.includes(expert))
      for (const expert of first) used.add(expert)
    }
    // Were all one expert's, any colour would do.
    expect(used.size).toBeGreaterThan(1)
  })

  it('gives moiety eval-detections what it reads', async () => {
    const truth = join(folder, 'coco', 'instances_val.json')
    const { code, stdout } = await moiety('eval-detections', truth, coco, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ counts: { images: 3, objects: 0 } })
  })

  it('says what it found in tables, and numbers images whose names are no numbers', async () => {
    const other = join(folder, 'other.png')
    await picture(64, 48, other)
    const file = join(folder, 'other.json')
    const { code, stdout } = await moiety(
      'predict',
      run,
      join(images, '7.png'),
      other,
      '--score',
      '0.05',
      '--coco',
      file,
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/7\.png {3}50×100/)
    expect(stdout).toMatch(/class +score +x +y +width +height +level +classification +regression/)
    expect(stdout).toMatch(/P[3-7] +e[0-3] \d/)
    expect(stdout).toContain(join(run, 'prediction.html'))
    const ids = results.parse(JSON.parse(readFileSync(file, 'utf8'))).map(one => one.image_id)
    expect([...new Set(ids)].sort()).toEqual([1, 2])
    const nothing = await moiety('predict', run, other, '--score', '0.99')
    expect(nothing.stdout).toContain('nothing with a score above 0.99')
  })
})

describe('moiety predict of a detector refuses', () => {
  const fails = async (...words: string[]) => {
    const { code, stdout, stderr } = await moiety('predict', ...words)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^error: /m)
    expect(stderr).not.toMatch(/bug in Moiety/)
    return { code, stderr }
  }

  it('what is no image, a folder without one, and an image that is too large', async () => {
    const text = join(folder, 'text.png')
    writeFileSync(text, 'not an image')
    const gone = join(folder, 'gone.jpg')
    const none = await fails(run, text, gone)
    expect(none).toEqual({
      code: 3,
      stderr: expect.stringMatching(/not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image; and 1 more/),
    })
    expect(none.stderr).toContain(gone)
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    expect(await fails(run, empty)).toEqual({
      code: 3,
      stderr: expect.stringContaining('got no file that ends in'),
    })
    const huge = join(folder, 'huge.png')
    await sharp({ create: { width: 9000, height: 6000, channels: 3, background: '#fff' } })
      .png()
      .toFile(huge)
    expect(await fails(run, huge)).toEqual({
      code: 3,
      stderr: expect.stringContaining('exceeds pixel limit'),
    })
  })

  it('pictures in the place of images that are read', async () => {
    const place = join(folder, 'place')
    mkdirSync(place)
    for (const name of ['a.png', '1-a.png'])
      writeFileSync(join(place, name), readFileSync(join(images, '7.png')))
    const words = [join(place, 'a.png'), join(place, '1-a.png'), '--out', `${place}.html`]
    expect(await fails(run, ...words)).toEqual({
      code: 2,
      stderr: expect.stringContaining('expected another file than one that is read'),
    })
    expect(readFileSync(join(place, '1-a.png'))).toEqual(readFileSync(join(images, '7.png')))
  })

  it.skipIf(process.platform === 'win32')('a folder for pictures that leads out of the run', async () => {
    const foreign = writeRun(join(folder, 'foreign'), config, { state, data: detectorFacts })
    const outside = join(folder, 'outside')
    mkdirSync(outside)
    symlinkSync(outside, join(foreign, 'prediction'))
    const { code, stderr } = await fails(foreign, images)
    expect([code, stderr]).toEqual([2, expect.stringContaining('found a link that leads out of it')])
    expect(readdirSync(outside)).toEqual([])
  })

  it('a folder that is no run, scores that are none, and flags of the other kind of run', async () => {
    const image = join(images, '7.png')
    expect((await fails(folder, image)).code).toBe(2)
    for (const score of ['1', '-0.1', 'high', ''])
      expect(await fails(run, image, `--score=${score}`)).toEqual({
        code: 2,
        stderr: expect.stringContaining(`came "${score}"`),
      })
    expect((await fails(run, image, '--top', '3')).stderr).toContain(
      'top means nothing for a run of the task detection',
    )
    const classifier = writeRun(join(folder, 'classifier'), smallConfig([]))
    expect((await fails(classifier, image, '--coco', join(folder, 'x.json'))).stderr).toContain(
      'coco means nothing for a run of the task classification',
    )
  })
})
