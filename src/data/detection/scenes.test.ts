import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../../base/errors.ts'
import { splitFamilies } from '../artwork.ts'
import type { Progress } from '../dataset.ts'
import type { DetectionDataset } from './detection-dataset.ts'
import { detectionBatches, makeDetectionBatch, openDetectionDataset } from './index.ts'
import { findSceneArtwork, sceneClasses } from './scene-classes.ts'
import { openScenes } from './scenes.ts'

let cache = ''
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'moiety-scenes-'))
})
afterEach(() => rm(cache, { recursive: true }))

const limit = { train: 3, test: 1 }

async function opened(changes: object = {}): Promise<{ dataset: DetectionDataset; drawn: boolean }> {
  const seen: Progress[] = []
  const options = { name: 'scenes', cacheDirectory: cache, limit, ...changes } as const
  const dataset = await openDetectionDataset(options, p => seen.push(p))
  return { dataset, drawn: seen.some(({ what }) => what.startsWith('drawing')) }
}

async function contents({ train, test }: DetectionDataset) {
  const all = await Promise.all([train, test].map(split => split.load([...split.scenes.keys()])))
  return {
    pixels: all.flat().map(({ pixels }) => createHash('sha256').update(pixels).digest('hex')),
    scenes: [train.scenes, test.scenes],
  }
}

describe('openScenes', () => {
  let dataset: DetectionDataset
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'moiety-scenes-'))
    dataset = await openScenes({ cacheDirectory: folder, limit: { train: 80, test: 10 } })
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('has 8 classes in 4 superclasses, and the title “scenes of drawings”', () => {
    expect([dataset.name, dataset.title]).toEqual([
      'scenes',
      'scenes of drawings, of which 80 training and 10 test images are used',
    ])
    expect(dataset.classes).toEqual(sceneClasses.map(({ name }) => name))
    expect([dataset.classes.length, dataset.superclasses?.length]).toEqual([8, 4])
    expect(dataset.categoryIds).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    const hand = dataset.classes.indexOf('hand')
    expect(dataset.superclasses?.[dataset.superclassOf![hand]!]).toBe('People & Body')
    expect([dataset.canvases, dataset.sizeFactor]).toEqual([[[128, 128]], 0.5])
    expect([dataset.train.length, dataset.test.length]).toEqual([80, 10])
  })

  it('has 1 to 8 objects in each scene, of every class and of each of the sizes that the factor gives', () => {
    const { scenes } = dataset.train
    const counts = scenes.map(({ objects }) => objects.length)
    expect([Math.min(...counts), Math.max(...counts)]).toEqual([1, 8])
    const objects = scenes.flatMap(scene => scene.objects)
    expect(new Set(objects.map(({ label }) => label)).size).toBe(8)
    const [small, medium] = [32, 96].map(limit => (limit * dataset.sizeFactor) ** 2)
    const share = (from: number, to: number): number =>
      objects.filter(({ area }) => area >= from && area < to).length / objects.length
    expect(share(0, small!)).toBeGreaterThan(0.25)
    expect(share(small!, medium!)).toBeGreaterThan(0.3)
    expect(share(medium!, Infinity)).toBeGreaterThan(0.08)
    const ids = objects.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(Math.min(...ids)).toBe(1)
  })

  it('has whole boxes within the scene', () => {
    for (const { objects, width, height } of [...dataset.train.scenes, ...dataset.test.scenes]) {
      for (const { box, area, crowd } of objects) {
        const [left, top, across, down] = box
        expect(box.every(Number.isInteger)).toBe(true)
        expect(left >= 0 && top >= 0 && left + across <= width && top + down <= height).toBe(true)
        expect(area).toBeLessThanOrEqual(across * down)
        expect(crowd).toBe(false)
      }
    }
  })

  it('makes batches normalised by its own mean and deviation', async () => {
    const [first] = detectionBatches(dataset, dataset.train, 80, 'in order')
    const { images, objects, sizes } = await makeDetectionBatch(dataset, dataset.train, first!, 'unchanged')
    expect(images.shape).toEqual([80, 3, 128, 128])
    let [sum, squares] = [0, 0]
    for (const value of images.data) {
      sum += Number(value)
      squares += Number(value) ** 2
    }
    expect(sum / images.data.length).toBeCloseTo(0, 4)
    expect(squares / images.data.length).toBeCloseTo(1, 3)
    expect(sizes).toEqual(Array(80).fill([128, 128]))
    const [left, top, width, height] = dataset.train.scenes[0]!.objects[0]!.box
    expect([...objects[0]!.boxes.subarray(0, 4)]).toEqual([left, top, left + width, top + height])
  })

  it('returns copies of pixels', async () => {
    const [one] = await dataset.train.load([0])
    one!.pixels.fill(0)
    const [other] = await dataset.train.load([0])
    expect(other!.pixels.some(value => value > 0)).toBe(true)
  })
})

describe('cached scenes', () => {
  it('are drawn once, then read, and the same either way', async () => {
    const first = await opened()
    const second = await opened()
    expect([first.drawn, second.drawn]).toEqual([true, false])
    expect(await contents(second.dataset)).toEqual(await contents(first.dataset))
  })

  it('are others for another seed, size and side, and the same whatever the limit', async () => {
    const { pixels } = await contents((await opened()).dataset)
    const fewer = await contents((await opened({ limit: { train: 2, test: 1 } })).dataset)
    expect(fewer.pixels).toEqual([pixels[0], pixels[1], pixels[3]])
    const reseeded = await contents((await opened({ seed: 1 })).dataset)
    expect(reseeded.pixels.some(each => pixels.includes(each))).toBe(false)
    const { dataset } = await opened({ size: 140 })
    expect([dataset.canvases, dataset.train.scenes[0]!.width]).toEqual([[[160, 160]], 140])
    const batch = await makeDetectionBatch(dataset, dataset.train, [0], 'unchanged')
    expect([batch.images.shape, batch.sizes]).toEqual([[1, 3, 160, 160], [[140, 140]]])
    expect(new Set(pixels).size).toBe(4)
  })

  it('are drawn and cached again if the cache is damaged or truncated', async () => {
    const first = await opened()
    const name = (await readdir(cache)).find(each => each.includes('train'))!
    const kept = await readFile(join(cache, name))
    const changed = (at: number): Uint8Array =>
      Uint8Array.from(kept, (byte, i) => (i === at ? byte ^ 1 : byte))
    // In the digest, in the boxes, in the pixels.
    for (const damaged of [
      changed(3),
      changed(40),
      changed(50_000),
      kept.subarray(0, 9000),
      new Uint8Array(),
    ]) {
      await writeFile(join(cache, name), damaged)
      const again = await opened()
      expect(again.drawn).toBe(true)
      expect(await contents(again.dataset)).toEqual(await contents(first.dataset))
      expect(kept.equals(await readFile(join(cache, name)))).toBe(true)
    }
  })

  it('are used uncached if the cache fails, which is reported', async () => {
    await writeFile(join(cache, 'file'), '')
    const seen: Progress[] = []
    const options = { cacheDirectory: join(cache, 'file', 'in'), limit: { train: 1, test: 1 } }
    const { train } = await openScenes(options, p => seen.push(p))
    expect(train.length).toBe(1)
    expect(seen.at(-1)?.what).toMatch(/^the drawings could not be cached: /)
  })
})

describe('options of scenes', () => {
  it.each([
    [{ size: 64 }, 'data.size'],
    [{ size: 161 }, 'data.size'],
    [{ size: 130.5 }, 'data.size'],
    [{ shortest: 96 }, 'data.shortest'],
    [{ limit: { train: 0 } }, 'data.limit.train'],
  ])('that are impossible are refused: %j', async (changes, where) => {
    const error = await opened(changes).catch((cause: unknown) => cause)
    if (!(error instanceof MoietyError)) throw error
    expect([error.kind, error.where]).toEqual(['usage', where])
  })

  it('may have a shorter side that is none', async () => {
    expect((await opened({ shortest: 128, limit: { train: 1, test: 1 } })).dataset.canvases).toEqual([
      [128, 128],
    ])
  })

  it('report which package to install if the artwork is missing', async () => {
    const error = await openScenes({ cacheDirectory: cache, findPackage: () => undefined }).catch(
      (e: unknown) => e,
    )
    if (!(error instanceof MoietyError)) throw error
    expect([error.exitCode, error.where]).toEqual([3, 'data.name: scenes'])
    expect(error.describe()).toContain('npm install @moiety/artwork')
  })
})

describe('the split of the glyphs of scenes', () => {
  /** What is shown, without skin tone, gender, joiner or variation selector; a person in a role by the role. */
  function shown(code: string): string {
    const points = code.split('-').filter(point => !/^(1f3f[b-f]|200d|fe0f|2640|2642)$/.test(point))
    const isPerson = /^(1f468|1f469|1f9d1)$/.test(points[0]!)
    return isPerson ? `person ${points[1]}` : points[0]!
  }

  it('has no glyph on both sides, in any skin tone, gender or colour, and enough of each class on both', async () => {
    const { families } = await findSceneArtwork()
    for (const seed of [0, 1, 2]) {
      const sides = families.map((each, label) => splitFamilies(each, seed, label))
      const train = new Set(sides.flatMap(side => side.train.flat()).map(shown))
      const test = new Set(sides.flatMap(side => side.test.flat()).map(shown))
      expect([...test].filter(code => train.has(code))).toEqual([])
      expect(Math.min(...sides.map(side => side.test.length))).toBeGreaterThanOrEqual(5)
      expect(Math.min(...sides.map(side => side.train.length))).toBeGreaterThanOrEqual(15)
    }
  })

  it('has no glyph in two classes, and none of the exceptions', async () => {
    const { families } = await findSceneArtwork()
    const codes = families.map(own => new Set(own.flat()))
    const all = codes.flatMap(own => [...own])
    expect(new Set(all).size).toBe(all.length)
    for (const [label, { except = [] }] of sceneClasses.entries()) {
      for (const code of except) expect(codes[label]!.has(code)).toBe(false)
    }
  })
})
