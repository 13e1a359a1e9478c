import { describe, expect, it } from 'vitest'
import { loadRecipe } from '../run/recipe-files.ts'
import { measureNamed } from './measures.ts'
import type { Outcome } from './outcome.ts'
import { planSweep } from './plan.ts'
import { parseSweep } from './sweep-file.ts'
import { recordOf } from './sweep-folder.ts'
import { sweepTable } from './table.ts'
import { tableText } from './table-formats.ts'

const recipe = await loadRecipe('cifar100-small')
const outcome: Outcome = { status: 'done', top1: 0.5, top5: 1, detection: null, seconds: 1, layers: [] }

/** Plans so many runs, ten seeds of each combination, and lays them out; the seconds of both. */
function secondsFor(runs: number): { plan: number; table: number } {
  const learningRate = { from: 0.001, to: 0.1, steps: runs / 10 }
  const content = {
    name: 'large',
    title: 'Large',
    recipe: recipe.name,
    grid: { 'optimizer.learningRate': learningRate },
    seeds: Array.from({ length: 10 }, (_, seed) => seed),
  }
  const sweep = parseSweep(content, 'large.json')
  const begin = performance.now()
  const plan = planSweep({ sweep, recipe, overrides: [], source: 'large.json' })
  const planned = performance.now()
  const record = recordOf(sweep, recipe, plan)
  const outcomes = new Map(plan.runs.map(({ name }) => [name, outcome]))
  const table = sweepTable(record, outcomes, { measure: measureNamed('top1', outcomes.values()) })
  expect([plan.runs.length, table.planned, table.rows.length]).toEqual([runs, runs, runs / 10])
  expect(tableText(table, 'Large', text => text)).toContain('50.0')
  return { plan: (planned - begin) / 1000, table: (performance.now() - planned) / 1000 }
}

describe('ten times as many runs', () => {
  // Never how long it takes, only how it grows: ten times in the ideal, a hundred times where each run looks at all others.
  it('take about ten times as long to plan and to lay out', { timeout: 300_000 }, () => {
    secondsFor(1000)
    const small = [1, 2, 3].map(() => secondsFor(1000))
    const large = [1, 2].map(() => secondsFor(10_000))
    for (const part of ['plan', 'table'] as const) {
      const least = (times: typeof small): number => Math.min(...times.map(time => time[part]))
      expect(least(large) / least(small), part).toBeLessThan(40)
    }
  })
})
