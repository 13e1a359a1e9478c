import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { detectorFacts, detectorState, smallDetector } from '../../test/untrained-detector.ts'
import { dataFacts, randomState, smallConfig, writeRun } from '../../test/untrained-run.ts'
import { draws } from '../base/random.ts'
import type { TrainEvent } from '../run/events.ts'
import type { ClassPrediction } from './classification-predictor.ts'
import { predictRun } from './predict-run.ts'
import { mostPictures, type PredictedImage, type Predictions } from './predictor.ts'
import type { Prediction } from './predictors.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-predict-'))
afterAll(() => rmSync(folder, { recursive: true }))

const classes = ['ant', 'bee', 'cat']
const data = join(folder, 'data')
const photos = join(folder, 'photos')
const batch = 4
let classifier = ''
let detector = ''

/** Noise in which the left half is darker than the right one, so that turning it makes a difference. */
async function picture(path: string, seed: number, options: { orientation?: number } = {}): Promise<void> {
  const [width, height] = [24, 16]
  const source = draws(seed, 'picture')
  const bytes = Uint8Array.from({ length: 3 * width * height }, (_, at) => {
    const isLeft = Math.floor(at / 3) % width < width / 2
    return (isLeft ? 20 : 150) + source.below(60)
  })
  const image = sharp(bytes, { raw: { width, height, channels: 3 } })
  await (options.orientation === undefined ? image : image.withMetadata(options)).png().toFile(path)
}

beforeAll(async () => {
  for (const [c, name] of classes.entries())
    for (const split of ['train', 'test']) {
      mkdirSync(join(data, split, name), { recursive: true })
      for (let i = 0; i < 2; i++) await picture(join(data, split, name, `${i}.png`), 10 * c + i)
    }
  mkdirSync(join(photos, 'deeper'), { recursive: true })
  for (let i = 0; i < 6; i++) await picture(join(photos, `${i}.png`), i)
  for (const junk of ['._0.png', '.DS_Store', 'Thumbs.db', 'notes.txt'])
    writeFileSync(join(photos, junk), 'not an image')
  const layer = { style: 'resblock', experts: 3, k: 2 }
  const small = smallConfig([3, 4].map(position => ({ ...layer, position })))
  const config = {
    ...small,
    data: { ...small.data, directory: data },
    training: { ...small.training, batch },
    engine: { ...small.engine, threads: 1 },
  }
  classifier = writeRun(join(folder, 'classifier'), config, {
    state: randomState(config, classes.length),
    data: { ...dataFacts, classes },
  })
  const found = smallDetector({ mixture: { experts: 4, k: 2, constraint: { name: 'kl', weight: 0.25 } } })
  detector = writeRun(join(folder, 'detector'), found, { state: detectorState(found), data: detectorFacts })
})

/** Predictions with all events. */
async function predicted(run: string, images: readonly string[], more: object = {}) {
  const events: TrainEvent[] = []
  const result = await predictRun({
    ...{ run, images, neighbours: run === classifier ? 0 : undefined, threads: 1, ...more },
    onEvent: event => events.push(event),
  })
  return { result, events }
}

const probabilities = ({ prediction }: PredictedImage<Prediction>): number[] =>
  (prediction as ClassPrediction).classes
    .toSorted((a, b) => a.class - b.class)
    .map(({ probability }) => probability)

const farthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))

describe('predicting', () => {
  it('takes the images of a folder by name, without junk and folders', async () => {
    for (const run of [classifier, detector]) {
      const { result } = await predicted(run, [photos])
      expect(result.images.map(({ path }) => basename(path))).toEqual([0, 1, 2, 3, 4, 5].map(i => `${i}.png`))
      expect(result.images[0]).toMatchObject({ width: 24, height: 16 })
      for (const { routing } of result.images)
        expect(routing.map(inputs => inputs.length)).toEqual(result.layers.map(({ inputs }) => inputs))
    }
  })

  it('takes patterns, through folders too, each file once, and names that look like patterns', async () => {
    const tree = join(folder, 'tree')
    mkdirSync(join(tree, 'a', 'b'), { recursive: true })
    const bytes = readFileSync(join(photos, '0.png'))
    for (const name of ['1.png', 'a/2.PNG', 'a/b/3.png', 'a/[4].png']) writeFileSync(join(tree, name), bytes)
    writeFileSync(join(tree, 'a', 'notes.txt'), 'not an image')
    const shown = async (...images: string[]) =>
      (await predicted(classifier, images)).result.images.map(({ path }) => relative(tree, path))
    expect(await shown(join(tree, '**'))).toEqual(['1.png', 'a/2.PNG', 'a/[4].png', 'a/b/3.png'])
    expect(await shown(join(tree, '*', '*.{png,PNG}'), tree, join(tree, '1.png'))).toEqual([
      ...['a/2.PNG', 'a/[4].png', '1.png'],
    ])
    expect(await shown(join(tree, 'a', '[4].png'))).toEqual(['a/[4].png'])
    await expect(predictRun({ run: classifier, images: [join(tree, '*.jpg')] })).rejects.toMatchObject({
      ...{ kind: 'data', message: expect.stringContaining('no file matches') },
    })
    await expect(predictRun({ run: classifier, images: [join(tree, 'a', '*.txt')] })).rejects.toThrow(
      'cannot be read',
    )
  })

  it('leaves out what cannot be read where that is asked for, counts and names it', async () => {
    const mixed = join(folder, 'mixed')
    mkdirSync(mixed)
    for (const name of ['0.png', '2.png']) writeFileSync(join(mixed, name), readFileSync(join(photos, name)))
    writeFileSync(join(mixed, '1.png'), 'not an image')
    for (const run of [classifier, detector]) {
      const { result, events } = await predicted(run, [mixed], { unreadable: 'skip' })
      expect(result.images.map(({ path }) => basename(path))).toEqual(['0.png', '2.png'])
      expect(result.skipped).toEqual([
        { path: join(mixed, '1.png'), reason: expect.stringContaining('not a JPEG') },
      ])
      expect(events).toContainEqual({
        kind: 'warning',
        message: expect.stringMatching(/left out a file that cannot be read: .*1\.png \(not a JPEG/),
      })
    }
    const nothing = predictRun({ run: classifier, images: [join(mixed, '1.png')], unreadable: 'skip' })
    await expect(nothing).rejects.toMatchObject({ kind: 'data', where: join(mixed, '1.png') })
  })

  it('gives each image of several batches what it gives the image alone', async () => {
    const { result, events } = await predicted(classifier, [photos], { top: classes.length })
    expect(result.images.length).toBeGreaterThan(batch)
    const done = events.flatMap(one => (one.kind === 'progress' && one.what === 'predicting' ? one.done : []))
    expect(done).toEqual([1, 2, 3, 4, 5, 6])
    const all: number[][] = []
    for (const image of result.images) {
      const { result: alone } = await predicted(classifier, [image.path], { top: classes.length })
      expect(farthest(probabilities(image), probabilities(alone.images[0]!))).toBeLessThan(1e-5)
      const logits = ({ routing }: PredictedImage<Prediction>) => routing.flat().flatMap(one => one.logits)
      expect(farthest(logits(image), logits(alone.images[0]!))).toBeLessThan(1e-4)
      all.push(probabilities(image))
    }
    expect(farthest(all[0]!, all[5]!), 'images that differ').toBeGreaterThan(1e-3)
  })

  it('turns images upright for a classifier, and leaves them as they are stored for a detector, which is said', async () => {
    const [stored, turned, upright] = ['stored', 'turned', 'upright'].map(name => join(folder, `${name}.png`))
    await picture(stored!, 3)
    await picture(turned!, 3, { orientation: 3 })
    await sharp(stored).rotate(180).toFile(upright!)
    const { result: said, events: none } = await predicted(classifier, [stored!, turned!, upright!], {
      top: classes.length,
    })
    const [a, b, c] = said.images.map(probabilities)
    expect(farthest(b!, c!)).toBeLessThan(1e-5)
    expect(farthest(a!, c!)).toBeGreaterThan(1e-3)
    expect(none.filter(({ kind }) => kind === 'warning')).toEqual([])
    const { result, events } = await predicted(detector, [stored!, turned!, upright!], { score: 0.05 })
    const [first, second, third] = result.images.map(({ prediction, routing }) => [
      'objects' in prediction && prediction.objects,
      routing,
    ])
    expect(second).toEqual(first)
    expect(third).not.toEqual(first)
    expect(events).toContainEqual({
      kind: 'warning',
      message: expect.stringMatching(/an image is stored turned or mirrored, first .*turned\.png/),
    })
  })

  it('has pictures of neighbours for as many images as a page shows', async () => {
    const many = join(folder, 'many')
    mkdirSync(many)
    const bytes = readFileSync(join(photos, '0.png'))
    for (let i = 0; i <= mostPictures; i++) writeFileSync(join(many, `${1000 + i}.png`), bytes)
    const { result } = await predicted(classifier, [many], { neighbours: 2 })
    const has = ({ prediction }: PredictedImage<Prediction>) =>
      'neighbours' in prediction && prediction.neighbours.map(({ png }) => png !== null)
    expect(result.images.slice(0, mostPictures).map(has)).toEqual(
      Array.from({ length: mostPictures }, () => [true, true]),
    )
    expect(has(result.images[mostPictures]!)).toEqual([false, false])
  })
})

describe('predicting refuses', () => {
  it('images that cannot be decoded, all by name, though their beginnings are whole, before anything is computed', async () => {
    const [cut, text] = [join(folder, 'cut.jpg'), join(folder, 'text.png')]
    const noise = Uint8Array.from({ length: 3 * 256 * 256 }, (_, i) => (i * 7919) % 251)
    const whole = await sharp(noise, { raw: { width: 256, height: 256, channels: 3 } })
      .jpeg()
      .toBuffer()
    writeFileSync(cut, whole.subarray(0, whole.length / 2))
    writeFileSync(text, 'not an image')
    for (const run of [classifier, detector]) {
      const events: TrainEvent[] = []
      const predicting = predictRun({
        ...{ run, images: [join(photos, '0.png'), cut, text], onEvent: event => events.push(event) },
      })
      await expect(predicting).rejects.toMatchObject({
        ...{ kind: 'data', where: cut },
        message: expect.stringMatching(/cannot be read.*and 1 more:\n {2}.*text\.png: not a JPEG/),
      })
      const counted = events.flatMap(one => (one.kind === 'progress' ? one.what : []))
      expect(new Set(counted)).toEqual(new Set(['checking images']))
    }
  })

  it('options that mean nothing for the task, before images are read', async () => {
    const refused = async (run: string, options: object, message: RegExp) =>
      await expect(predictRun({ run, images: ['absent.png'], ...options })).rejects.toMatchObject({
        ...{ kind: 'usage', message: expect.stringMatching(message) },
      })
    await refused(classifier, { score: 0.5 }, /score means nothing for a run of the task classification/)
    await refused(classifier, { coco: true }, /coco means nothing/)
    await refused(detector, { top: 3 }, /top means nothing for a run of the task detection/)
    await refused(detector, { neighbours: 0 }, /neighbours means nothing/)
    await refused(detector, { data: { name: 'folder', directory: data } }, /data means nothing/)
  })

  it('to go on after a signal', async () => {
    const controller = new AbortController()
    const onEvent = (event: TrainEvent): void => {
      if (event.kind === 'progress' && event.what === 'predicting') controller.abort(new Error('enough'))
    }
    const predicting: Promise<Predictions<Prediction>> = predictRun({
      ...{ run: classifier, images: [photos], neighbours: 0, signal: controller.signal, onEvent },
    })
    await expect(predicting).rejects.toThrow('enough')
  })
})
