import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import { resolveConfig } from '../config/config.ts'
import { train } from '../train/train.ts'
import { type CompareOptions, compareRuns } from './compare-runs.ts'
import { groupsOf } from './comparison.ts'
import { explainRun } from './explain-run.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const config = (epochs: number, seed: number) =>
  resolveConfig(
    {
      ...tinyConfig(join(folder, 'data'), []),
      seed,
      schedule: { name: 'one-cycle' },
      training: { epochs, batch: 16 },
    },
    'test',
  )
const trained = async (name: string, epochs: number, seed: number, resume = false) => {
  const run = join(folder, name)
  await train({ config: config(epochs, seed), run, recipe: 'test', resume })
  return run
}
const keep: NonNullable<CompareOptions['onExplained']> = async (run, { findings }) =>
  writeFileSync(join(run, 'report.json'), JSON.stringify(findings))
const compared = async (runs: readonly string[]) => {
  const warnings: string[] = []
  const result = await compareRuns({
    runs,
    onExplained: keep,
    onEvent: event => {
      if (event.kind === 'warning') warnings.push(event.message)
    },
  })
  return { result, warnings }
}

describe('runs side by side', () => {
  let [whole, other, extended] = ['', '', '']
  beforeAll(async () => {
    writeTinyCifar(join(folder, 'data'))
    whole = await trained('whole', 2, 1)
    other = await trained('other', 2, 2)
    await trained('extended', 1, 3)
    extended = await trained('extended', 2, 3, true)
  }, 60_000)

  it('are not averaged with one that was extended, whose learning rates were others', async () => {
    const { result, warnings } = await compared([whole, other, extended])
    expect(groupsOf(result).map(({ runs }) => runs.map(({ run }) => run))).toEqual([
      ['whole', 'other'],
      ['extended'],
    ])
    expect(warnings.join()).toMatch(/^extended was extended: up to step \d+ .* of a training of 1 epoch;/)
  }, 60_000)

  it('are looked at on held-out images, and a report about another split stays', async () => {
    const { findings } = await explainRun({ run: whole, split: 'train', permutations: 1 })
    const report = join(whole, 'report.json')
    writeFileSync(report, JSON.stringify(findings))
    const { result, warnings } = await compared([whole])
    expect(result[0]!.data.images).not.toBe(findings.data.images)
    expect(JSON.parse(readFileSync(report, 'utf8'))).toEqual(findings)
    expect(warnings.join()).toContain('report.json is about the train split and is left unchanged')
    // One of an earlier checkpoint is out of date.
    writeFileSync(report, JSON.stringify({ ...findings, run: { ...findings.run, checkpoint: 'before' } }))
    expect((await compared([whole])).warnings).toEqual([])
    expect(JSON.parse(readFileSync(report, 'utf8')).data.split).toBe('test')
  }, 60_000)
})
