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
const compared = async (runs: readonly string[], checkpoint?: 'best') => {
  const warnings: string[] = []
  const result = await compareRuns({
    runs,
    checkpoint,
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
  })

  it('are not averaged with one that was extended, whose learning rates were others', async () => {
    const { result, warnings } = await compared([whole, other, extended])
    expect(groupsOf(result).map(({ runs }) => runs.map(({ run }) => run))).toEqual([
      ['whole', 'other'],
      ['extended'],
    ])
    expect(warnings.join()).toMatch(/^extended was extended: up to step \d+ .* of a training of 1 epoch;/)
  })

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
  })

  it('are looked at with their best checkpoints, at whatever step, and say which; other reports stay', async () => {
    const runs = await Promise.all(
      [4, 5].map(async seed => {
        const run = join(folder, `best-${seed}`)
        const own = config(2, seed)
        // The largest loss is one of any step, as seeds will have it.
        const training = { ...own.training, best: { measure: 'loss', mode: 'max' as const } }
        await train({ config: { ...own, training }, run, recipe: 'test', resume: false })
        return run
      }),
    )
    const { result: last } = await compared(runs)
    const newest = readFileSync(join(runs[0]!, 'report.json'), 'utf8')
    const { result, warnings } = await compared(runs, 'best')
    for (const [i, { checkpoint, step }] of result.entries()) {
      expect(checkpoint).toMatch(new RegExp(`^step ${step} \\(best so far: loss `))
      const better = JSON.stringify(result[i]!.measures) !== JSON.stringify(last[i]!.measures)
      expect(better).toBe(step !== last[i]!.step)
    }
    expect(groupsOf(result)).toHaveLength(1)
    expect(readFileSync(join(runs[0]!, 'report.json'), 'utf8')).toBe(newest)
    const kept = result.filter(({ step }, i) => step !== last[i]!.step).length
    expect(warnings.filter(one => one.includes('is about the checkpoint at step'))).toHaveLength(kept)
  })
})
