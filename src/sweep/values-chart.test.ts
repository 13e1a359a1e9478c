import { expect, it } from 'vitest'
import { pixels } from '../report/paper.ts'
import type { Cell, SweepTable } from './sweep-table.ts'
import { valuesChart } from './values-chart.ts'

const cell = (...values: number[]): Cell => ({
  values: {},
  planned: 3,
  runs: values.map((value, i) => ({ run: `r${i}`, seed: 42 + i, value })),
  count: values.length,
  mean: values.length === 0 ? null : values.reduce((a, b) => a + b) / values.length,
  deviation: null,
  statuses: {},
  test: null,
  isBaseline: false,
})
const table: SweepTable = {
  measure: { key: 'top1', title: 'top-1 accuracy, %', scale: 100, digits: 1, of: () => null },
  rowAxes: ['constraint'],
  columnAxes: ['position'],
  rows: [['kl'], ['mean']],
  columns: [['1'], ['4']],
  cells: [
    [cell(0.5, 0.6), cell(0.7)],
    [cell(), null],
  ],
  baseline: null,
  seeds: [42, 43],
  absent: [],
  planned: 9,
}

it('has a row for each cell with numbers, a mark for each run, and a mean where there are several', () => {
  const chart = valuesChart(table)!
  const [{ data, paper }] = chart.svg.charts as [(typeof chart.svg.charts)[number]]
  expect(data).toEqual([
    { 'constraint, position': 'kl, 1', run: 'r0', seed: 42, top1: 0.5 },
    { 'constraint, position': 'kl, 1', run: 'r1', seed: 43, top1: 0.6 },
    { 'constraint, position': 'kl, 4', run: 'r0', seed: 42, top1: 0.7 },
  ])
  const svg = paper(pixels(84))
  // One of the circles and one of the ticks is in the legend.
  expect(svg.match(/<circle/g)).toHaveLength(3 + 1)
  expect(
    svg.match(/stroke-width="2"[^>]*>(<line|<path)|<line[^>]*stroke-width="2"/g)?.length,
  ).toBeGreaterThan(0)
  for (const text of ['kl, 1', 'kl, 4', 'top-1 accuracy, %', 'constraint, position', 'a run', 'mean'])
    expect(svg).toContain(`>${text}<`)
  expect(svg).not.toContain('>mean, 1<')
})

it('is none where no run has the number', () => {
  expect(valuesChart({ ...table, cells: [[null, cell()]] })).toBeNull()
})
