import { describe, expect, it } from 'vitest'
import { loadRecipe } from '../config/recipe-files.ts'
import type { Outcome } from './outcome.ts'
import { planSweep } from './plan-sweep.ts'
import { parseSweep } from './sweep-file.ts'
import { recordOf } from './sweep-folder.ts'
import { sweepTable } from './sweep-table.ts'
import { tableText } from './table-formats.ts'
import { measureNamed } from './table-values.ts'

const recipe = await loadRecipe('cifar100-small')
const outcome: Outcome = { status: 'done', measures: { top1: 0.5, top5: 1 }, seconds: 1, layers: [] }

/** Time of this process only, because others may use the machine. */
const cpuSeconds = (): number => process.cpuUsage().user / 1e6

/** Plans so many runs, ten seeds of each combination, and lays them out; the processor's seconds of both. */
async function secondsFor(runs: number): Promise<{ plan: number; table: number }> {
  const learningRate = { from: 0.001, to: 0.1, steps: runs / 10 }
  const content = {
    name: 'large',
    title: 'Large',
    recipe: recipe.name,
    grid: { 'optimizer.learningRate': learningRate },
    seeds: Array.from({ length: 10 }, (_, seed) => seed),
  }
  const sweep = parseSweep(content, 'large.json')
  const begin = cpuSeconds()
  const plan = await planSweep({ sweep, recipe, overrides: [], source: 'large.json' })
  const planned = cpuSeconds()
  const record = recordOf(sweep, recipe, plan)
  const outcomes = new Map(plan.runs.map(({ name }) => [name, outcome]))
  const table = sweepTable(record, outcomes, { measure: measureNamed('top1', outcomes.values()) })
  expect([plan.runs.length, table.planned, table.rows.length]).toEqual([runs, runs, runs / 10])
  expect(tableText(table, 'Large')).toContain('50.0')
  return { plan: planned - begin, table: cpuSeconds() - planned }
}

describe('ten times as many runs', () => {
  // Never how long it takes, only how it grows: as ten sweeps of a tenth in the ideal, ten times that where each run looks at all.
  it('take about ten times as long to plan and to lay out', async () => {
    const times = async (count: number, runs: number) => {
      const all: Awaited<ReturnType<typeof secondsFor>>[] = []
      for (let i = 0; i < count; i++) all.push(await secondsFor(runs))
      const sum = (part: 'plan' | 'table') => all.reduce((total, time) => total + time[part], 0)
      return { plan: sum('plan'), table: sum('table') }
    }
    await times(3, 1000)
    const turns = []
    for (let i = 0; i < 3; i++) turns.push({ small: await times(10, 1000), large: await times(1, 10_000) })
    for (const part of ['plan', 'table'] as const)
      expect(Math.min(...turns.map(({ small, large }) => large[part] / small[part])), part).toBeLessThan(5)
  })
})
