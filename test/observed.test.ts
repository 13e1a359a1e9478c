import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readMetrics } from '../src/run/metrics-log.ts'
import {
  fingerprint,
  moiety,
  command as moietyFile,
  newFolder,
  start,
  tinyConfig,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/** What a run's folder tells of a training, and what a start that failed leaves behind. */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'))
const recipe = writeRecipe(
  folder,
  tinyConfig(data, [
    { constraint: { name: 'relative', threshold: 0.1 } },
    { constraint: { name: 'loss-free' } },
  ]),
)
const run = join(folder, 'run')
const words = ['train', recipe, '--out', run, '--set', 'training.epochs=1']
const json = (file: string): unknown => JSON.parse(readFileSync(join(run, file), 'utf8'))

describe('a training', () => {
  let warnings = ''
  beforeAll(async () => {
    const { code, stderr } = await moiety(...words, '--set', 'training.collapse=0.9')
    expect(code, stderr).toBe(0)
    warnings = stderr
  })

  it('alarms on the terminal and in the log when experts have too little to do', () => {
    expect(warnings).toMatch(/warning: layer3: 4 of 4 experts have at most 90\.0 %/)
    const alarms = readMetrics(join(run, 'metrics.jsonl')).filter(({ kind }) => kind === 'alarm')
    expect(alarms.map(({ layer, epoch, starved }) => ({ layer, epoch, starved }))).toEqual([
      { layer: 'layer3', epoch: 0, starved: [0, 1, 2, 3] },
      { layer: 'layer4', epoch: 0, starved: [0, 1, 2, 3] },
    ])
  })

  it('alarms after an epoch without a test too, by how training used the experts', async () => {
    const out = join(folder, 'seldom tested')
    const keys = ['training.epochs=2', 'training.evaluateEvery=2', 'training.collapse=0.9']
    const { code, stderr } = await moiety(
      'train',
      recipe,
      '--out',
      out,
      ...keys.flatMap(key => ['--set', key]),
    )
    expect(code, stderr).toBe(0)
    const lines = readMetrics(join(out, 'metrics.jsonl'))
    const tested = lines.filter(({ kind, split }) => kind === 'epoch' && split === 'test')
    expect(tested.map(({ epoch }) => epoch)).toEqual([1])
    const alarms = lines.filter(({ kind }) => kind === 'alarm')
    expect(alarms.map(({ layer, epoch }) => [layer, epoch])).toEqual([
      ['layer3', 0],
      ['layer4', 0],
      ['layer3', 1],
      ['layer4', 1],
    ])
  })

  it('reports the counters of its constraints, in training and in the test that follows', () => {
    const lines = readMetrics(join(run, 'metrics.jsonl')).filter(({ kind }) => kind === 'epoch')
    const counters = lines.map(line =>
      (line.layers as { counters: Record<string, number[]> }[]).map(l => l.counters),
    )
    expect(Object.keys(counters[0]![0]!)).toEqual(['r'])
    expect(Object.keys(counters[0]![1]!)).toEqual(['b'])
    expect(counters[0]![0]!.r).toHaveLength(4)
    expect(counters[0]![0]!.r!.some(value => value !== 0)).toBe(true)
    expect(counters[0]![0]!.r!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 4)
    expect(counters[1]).toEqual(counters[0])
  })

  it('keeps options changed on resuming for the next resume', async () => {
    const before = (json('summary.json') as { seconds: number }).seconds
    expect((await moiety('train', '--resume', '--out', run, '--set', 'training.epochs=2')).code).toBe(0)
    expect(json('config.json')).toMatchObject({ training: { epochs: 2 } })
    const after = (json('summary.json') as { seconds: number }).seconds
    expect(after).toBeGreaterThan(before)
    expect((await moiety('train', '--resume', '--out', run)).code).toBe(0)
    expect(fingerprint(run).step).toBe(12)
    expect((json('summary.json') as { seconds: number }).seconds).toBeGreaterThan(before)
  })

  it('does not go on with other images', async () => {
    const other = writeTinyCifar(join(folder, 'other'), { train: 80 })
    const { code, stderr } = await moiety('train', '--resume', '--out', run, '--data', other)
    expect(code).toBe(3)
    expect(stderr).toContain(
      'the run began with 96 images to train and 32 to test on, but now there are 80 images to train and 32 to test on',
    )
    const relabelled = writeTinyCifar(join(folder, 'relabelled'), { classes: 3 })
    const again = await moiety('train', '--resume', '--out', run, '--data', relabelled)
    expect(again.code).toBe(3)
    expect(again.stderr).toContain('as many as now, but of other classes or in another order')
    expect(json('config.json')).toMatchObject({ data: { directory: data } })
    expect((await moiety('train', '--resume', '--out', run)).code).toBe(0)
  })
})

describe('a start that fails', () => {
  it('leaves a folder in which the same command works once the data has been put right', async () => {
    const broken = writeTinyCifar(join(folder, 'broken'))
    truncateSync(join(broken, 'train.bin'), 1000)
    const out = join(folder, 'second try')
    const command = ['train', recipe, '--data', broken, '--out', out, '--set', 'training.epochs=1']
    expect((await moiety(...command)).code).toBe(3)
    expect(existsSync(join(out, 'config.json'))).toBe(false)
    expect(readdirSync(out)).toEqual([])
    writeTinyCifar(broken)
    const { code, stderr } = await moiety(...command)
    expect(code, stderr).toBe(0)
  })

  it('leaves no folder that it has named itself', async () => {
    const broken = writeTinyCifar(join(folder, 'also broken'))
    truncateSync(join(broken, 'train.bin'), 1000)
    const here = join(folder, 'here')
    mkdirSync(here)
    const { code } = await start(
      ['train', recipe, '--data', broken],
      process.execPath,
      [moietyFile],
      {},
      here,
    ).ended
    expect(code).toBe(3)
    expect(readdirSync(join(here, 'runs'))).toEqual([])
  })
})
