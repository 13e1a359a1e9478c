import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newFolder, tinyConfig } from '../../test/tiny.ts'
import { explainRun } from '../analysis/explain-run.ts'
import { resolveConfig } from '../config/config.ts'
import type { Dataset } from '../data/index.ts'
import { readRun } from '../export/run-facts.ts'
import type { TrainEvent, TrainSummary } from '../run/events.ts'
import { metricsPath, readMetrics } from '../run/metrics-log.ts'
import { identityOf, refuseOtherData, usualSplit } from '../tasks/data-identity.ts'
import { evaluateRun } from '../tasks/evaluate-run.ts'
import { train } from './train.ts'

const folder = newFolder()
const directory = join(folder, 'data')
afterAll(() => rmSync(folder, { recursive: true }))

/** Reds and blues; in the test split each is named by the other's class, so that what was tested on shows. */
async function images(split: string, count: number, classes = ['red', 'blue']): Promise<void> {
  for (const [label, name] of classes.entries()) {
    mkdirSync(join(directory, split, name), { recursive: true })
    for (let i = 0; i < count; i++) {
      const background = label === 0 ? { r: 255 - i, g: i, b: 0 } : { r: 0, g: i, b: 255 - i }
      const picture = sharp({ create: { width: 8, height: 8, channels: 3, background } })
      writeFileSync(join(directory, split, name, `${i}.png`), await picture.png().toBuffer())
    }
  }
}

describe('a training on a folder with train, val and test', () => {
  const run = join(folder, 'run')
  const base = tinyConfig(directory, [])
  const config = resolveConfig(
    {
      ...base,
      data: { name: 'folder', directory, size: 32 },
      training: { epochs: 6, batch: 8, evaluateEvery: 3 },
    },
    'test',
  )
  const events: TrainEvent[] = []
  let summary: TrainSummary | undefined
  const onEvent = (event: TrainEvent) => events.push(event)
  beforeAll(async () => {
    await images('Training', 16)
    await images('valid', 6)
    await images('test', 5, ['blue', 'red'])
    summary = await train({ config, run, recipe: 'test', resume: false, onEvent })
  })

  it('is tested on val, as the log, the events and the summary say, and says what it is on', async () => {
    const lines = readMetrics(metricsPath(run)).filter(({ kind }) => kind === 'epoch')
    const splits = lines.map(({ epoch, split }) => `${epoch} ${split}`)
    expect(splits.filter(each => !each.endsWith('train'))).toEqual(['2 val', '5 val'])
    const start = events.find(event => event.kind === 'start')
    expect(start?.data).toBe(
      'images of the folder data: 2 classes, 32 training, 12 validation and 10 test images',
    )
    expect([summary?.split, summary?.measures.top1]).toEqual(['val', lines.at(-1)?.top1])
    const { accuracy } = await readRun(run, onEvent)
    expect(accuracy?.top1).toBe(lines.at(-1)?.top1)
  })

  it('leaves test to those who ask for it, and evaluates and explains val otherwise', async () => {
    const usual = await evaluateRun({ run })
    expect([usual.split, usual.images, usual.measures.top1]).toEqual(['val', 12, 1])
    const test = await evaluateRun({ run, split: 'test' })
    expect([test.split, test.images, test.measures.top1]).toEqual(['test', 10, 0])
    expect((await evaluateRun({ run, split: 'train' })).images).toBe(32)
    const explained = await explainRun({ run, permutations: 1 })
    expect([explained.findings.data.split, explained.findings.measures.top1]).toEqual(['val', 1])
    expect((await explainRun({ run, permutations: 1, split: 'test' })).findings.measures.top1).toBe(0)
  })

  const resume = async (): Promise<unknown> =>
    train({ config, run, recipe: 'test', resume: true }).catch((error: unknown) => error)

  it('is not gone on with when an image was replaced under its name, or two were swapped', async () => {
    const red = join(directory, 'Training', 'red')
    const [first, second] = [join(red, '0.png'), join(red, '1.png')]
    const [one, two] = [readFileSync(first), readFileSync(second)]
    const refusal =
      'began with other image files: as many and labelled alike, but files were replaced or swapped'
    writeFileSync(first, two)
    expect(String(await resume())).toContain(refusal)
    writeFileSync(second, one)
    expect(String(await resume())).toContain(refusal)
    writeFileSync(first, one)
    writeFileSync(second, two)
    expect(await resume()).toMatchObject({ interrupted: false })
  })

  it('is not gone on with when a split went or changed its role', async () => {
    renameSync(join(directory, 'test'), join(folder, 'away'))
    expect(String(await resume())).toContain(
      'began with 32 images to train, 12 to validate and 10 to test on, but now there are 32 images to train, 12 to validate and 0 to test on',
    )
    await expect(evaluateRun({ run, split: 'test' })).rejects.toThrow('the test split has no image')
    renameSync(join(directory, 'valid'), join(directory, 'test'))
    expect(String(await resume())).toContain('now there are 32 images to train and 12 to test on')
    await expect(evaluateRun({ run })).rejects.toThrow('the val split has no image')
  })
})

describe('a run of an earlier version', () => {
  const split = (...labels: number[]) => ({
    length: labels.length,
    labels: Int32Array.from(labels),
    coarse: undefined,
    load: () => Promise.resolve(new Uint8Array()),
  })
  const dataset: Dataset = {
    ...{ name: 'folder', title: 'images', size: 8, classes: ['a', 'b'] },
    ...{ superclasses: undefined, superclassOf: undefined, mean: [0, 0, 0], std: [1, 1, 1] },
    ...{ train: split(0, 1), test: split(1, 1, 0), skipped: [] },
  }
  const { val: _, ...before } = identityOf(dataset)
  const validated = { ...dataset, val: dataset.test, test: split() }

  it('continues whatever the content of its files is, where its checkpoint does not say', () => {
    const now = identityOf({ ...dataset, content: 'abc' })
    expect(() => refuseOtherData({ data: before }, now, 'images')).not.toThrow()
    expect(() => refuseOtherData({ data: { ...before, content: 'abc' } }, now, 'images')).not.toThrow()
    expect(() => refuseOtherData({ data: { ...before, content: 'abd' } }, now, 'images')).toThrow(
      'other image files',
    )
  })

  it('continues with the same images, also where they are called val now', () => {
    for (const now of [dataset, validated])
      expect(() => refuseOtherData({ data: before }, identityOf(now), 'images')).not.toThrow()
    expect(usualSplit({ data: before }, validated)).toBe('val')
    expect(usualSplit({ data: before }, dataset)).toBe('test')
  })

  it('does not go on where there is another split beside them', () => {
    const more = { ...validated, test: split(0) }
    expect(() => refuseOtherData({ data: before }, identityOf(more), 'images')).toThrow(
      'but now there are 2 images to train, 3 to validate and 1 to test on',
    )
  })

  it('is looked at on test by one of today that was tested on it, whatever came since', () => {
    expect(usualSplit({ data: identityOf(dataset) }, { ...dataset, val: dataset.test })).toBe('test')
    expect(usualSplit(undefined, { ...dataset, val: dataset.test })).toBe('val')
  })
})
