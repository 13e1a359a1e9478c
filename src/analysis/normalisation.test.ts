import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluated, randomState, smallConfig, writeRun } from '../../test/untrained-run.ts'
import { MoietyError } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { Config } from '../config/config.ts'
import { openDataset } from '../data/index.ts'
import type { JsonObject } from '../files/json.ts'
import { predictRun } from '../predict/predict-run.ts'
import { evaluateRun } from '../tasks/evaluate-run.ts'
import { openTrainedRun } from '../tasks/open-run.ts'
import { agreementOf } from './agreement.ts'
import { explainRun } from './explain-run.ts'
import { groupingOf } from './findings.ts'

/** A network sees other images as it saw its own: normalised by the mean and standard deviation of its training. */

const folder = mkdtempSync(join(tmpdir(), 'moiety-normalisation-'))
afterAll(() => rmSync(folder, { recursive: true }))

const names = ['ant', 'bee', 'cat']
const size = 16
const mean = [0.2, 0.3, 0.4] as const
const std = [0.15, 0.2, 0.1] as const

/** Images around a grey, of each class in a split of its own. */
async function writeImages(name: string, grey: number): Promise<string> {
  const directory = join(folder, name)
  for (const split of ['train', 'test'])
    for (const [c, className] of names.entries()) {
      mkdirSync(join(directory, split, className), { recursive: true })
      for (let i = 0; i < 4; i++) {
        const source = draws(grey, `${split} ${c}`, i)
        const pixels = Uint8Array.from({ length: 3 * size * size }, () => grey + source.below(40))
        await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
          .png()
          .toFile(join(directory, split, className, `${i}.png`))
      }
    }
  return directory
}

let config: Config
let state: Map<string, HostTensor>
let bright = ''
let run = ''
const facts = (more: JsonObject): JsonObject => ({
  classes: names,
  train: 12,
  test: 12,
  labels: 'not looked at',
  superclasses: null,
  superclassOf: null,
  ...more,
})

beforeAll(async () => {
  const dark = await writeImages('dark', 30)
  bright = await writeImages('bright', 180)
  const layer = { position: 3, style: 'resblock', experts: 3, k: 2 }
  const small = smallConfig([layer])
  config = { ...small, data: { ...small.data, directory: dark }, engine: { ...small.engine, threads: 1 } }
  state = randomState(config, names.length)
  run = writeRun(join(folder, 'run'), config, { state, data: facts({ mean, std }) })
})

const choice = () => ({ name: 'folder', directory: bright }) as const
const quick = { permutations: 5, mapped: 5, threads: 1 }

/** Cross-entropy of the bright test images, normalised as told, by an engine of its own. */
async function expectedLoss(by: { readonly mean: readonly number[]; readonly std: readonly number[] }) {
  const { test } = await openDataset({ ...config.data, directory: bright })
  const pixels = await test.load(Array.from({ length: test.length }, (_, i) => i))
  const images = Float32Array.from(pixels, (value, at) => {
    const channel = Math.floor(at / size ** 2) % 3
    return (value / 255 - by.mean[channel]!) / by.std[channel]!
  })
  const logits = (await evaluated(config, state, images, names.length)).logits!.data
  const losses = Array.from(test.labels, (label, n) => {
    const row = Array.from(logits.subarray(n * names.length, (n + 1) * names.length))
    const most = Math.max(...row)
    return most + Math.log(row.reduce((sum, z) => sum + Math.exp(z - most), 0)) - row[label]!
  })
  return losses.reduce((a, b) => a + b, 0) / losses.length
}

describe('with --data, a classifier is normalised as in its training', () => {
  it('by eval and explain', async () => {
    const other = await openDataset({ ...config.data, directory: bright })
    const expected = await expectedLoss({ mean, std })
    expect(Math.abs(expected - (await expectedLoss(other))), 'the data sets differ').toBeGreaterThan(0.01)
    const { loss } = await evaluateRun({ run, data: choice() })
    expect(loss).toBeCloseTo(expected, 4)
    const { findings } = await explainRun({ run, data: choice(), ...quick })
    expect(findings.loss).toBeCloseTo(expected, 4)
  })

  it('without --data too, though the images have changed since', async () => {
    const moved: Config = { ...config, data: { ...config.data, directory: bright } }
    const own = writeRun(join(folder, 'moved'), moved, { state, data: facts({ mean, std }) })
    expect((await evaluateRun({ run: own })).loss).toBeCloseTo(await expectedLoss({ mean, std }), 4)
  })

  it('by predict, which says the same with and without the data', async () => {
    const images = [join(bright, 'test', 'bee', '1.png')]
    const alone = await predictRun({ run, images, neighbours: 0, threads: 1 })
    const beside = await predictRun({ run, images, neighbours: 2, data: choice(), threads: 1 })
    const [first, second] = [alone, beside].map(of => of.images[0]!.prediction)
    if (!('classes' in first!) || !('classes' in second!)) throw new Error('expected classes')
    expect(second.classes).toEqual(first.classes)
    expect(second.neighbours).toHaveLength(2)
  })

  it('each by its own, where two runs are compared on the same images', async () => {
    const second = writeRun(join(folder, 'second'), config, {
      state,
      data: facts({ mean: [0.6, 0.1, 0.9], std: [0.3, 0.1, 0.4] }),
    })
    const { findings } = await explainRun({ run, against: second, data: choice(), ...quick })
    const { findings: theirs } = await explainRun({ run: second, data: choice(), ...quick })
    const [mine, other] = [findings.layers[0]!, theirs.layers[0]!]
    expect(groupingOf(other, 'class')!.affinity.weight, 'they route differently').not.toEqual(
      groupingOf(mine, 'class')!.affinity.weight,
    )
    const expected = agreementOf(
      groupingOf(mine, 'class')!.affinity.weight,
      groupingOf(other, 'class')!.affinity.weight,
      {
        against: 'second',
        seed: 0,
        permutations: 200,
      },
    )
    expect(mine.agreement).toEqual(expected)
  })

  it('by the data that it was trained on, where an old checkpoint does not say it', async () => {
    const old = writeRun(join(folder, 'old'), config, { state, data: facts({}) })
    const own = await openDataset(config.data)
    expect((await evaluateRun({ run: old, data: choice() })).loss).toBeCloseTo(await expectedLoss(own), 4)
    const lost: Config = { ...config, data: { ...config.data, directory: join(folder, 'nowhere') } }
    const stray = writeRun(join(folder, 'stray'), lost, { state, data: facts({}) })
    const opening = openTrainedRun(stray, { split: 'test', data: choice() })
    await expect(opening).rejects.toThrow(MoietyError)
    await expect(opening).rejects.toThrow(/the mean and standard deviation by which images .* are not known/)
  })
})
