import * as Plot from '@observablehq/plot'
import { type Chart, draw, sign } from '../report/draw.ts'
import { shortened, textWidth } from '../report/lettering.ts'
import { shown } from '../report/markup.ts'
import { expertColour, tone } from '../report/palette.ts'
import { drawnSign, upright } from '../report/paper.ts'
import type { Cell, SweepTable } from './sweep-table.ts'

/** A cell of the table that has numbers. */
interface Row {
  readonly name: string
  readonly cell: Cell
}

const usual = 460
const row = 22
const fontSize = 11

/** Every run of a table as a mark, and the mean of several as a tick: what the table's ± sums up. Null for a table without numbers. */
export function valuesChart(table: SweepTable): Chart | null {
  const { measure, rowAxes, columnAxes, rows, columns, cells } = table
  const named = rows.flatMap((heading, at) =>
    columns.flatMap((column, across): Row[] => {
      const cell = cells[at]?.[across] ?? null
      const name = [...heading, ...column].map(shown).join(', ')
      return cell === null || cell.runs.length === 0 ? [] : [{ name: name || 'all runs', cell }]
    }),
  )
  if (named.length === 0) return null
  const axes = [...rowAxes, ...columnAxes].map(shown).join(', ')
  const runs = named.flatMap(({ cell }, at) =>
    cell.runs.map(({ value }) => ({ at, value: measure.scale * value })),
  )
  const means = named.flatMap(({ cell: { mean, count } }, at) =>
    mean === null || count < 2 ? [] : [{ at, value: measure.scale * mean }],
  )
  const dot = { stroke: expertColour(0), strokeWidth: 1.5, fill: expertColour(0), fillOpacity: 0.25 }
  const wanted = Math.max(...named.map(({ name }) => textWidth(name, fontSize)), textWidth(axes, fontSize))
  const facts = {
    name: `values-${measure.key}`,
    label: `${measure.title} of every run${axes === '' ? '' : ` by ${axes}`}`,
    data: named.flatMap(({ name, cell }) =>
      cell.runs.map(({ run, seed, value }) => ({ [axes || 'runs']: name, run, seed, [measure.key]: value })),
    ),
    legend: [
      drawnSign(sign('a run', [Plot.dot([0.5], { x: 0.5, y: 0.5, r: 4, ...dot })]).text, 'a run'),
      upright(tone('ink'), 'mean'),
    ],
  }
  return draw(facts, given => {
    const width = given ?? usual
    const names = Math.min(wanted + 12, 0.5 * width)
    const y = { y: 'at' } as const
    return {
      width,
      height: named.length * row + 50,
      marginLeft: names,
      marginRight: 16,
      marginTop: 14,
      marginBottom: 36,
      style: { fontSize: `${fontSize}px` },
      x: { label: measure.title, nice: true, inset: 7, ticks: 5, grid: true, labelArrow: 'none' },
      y: { axis: null, type: 'band', domain: Array.from(named.keys()), padding: 0 },
      marks: [
        Plot.ruleY(named, { y: (_: Row, at: number) => at, stroke: tone('line'), strokeWidth: 0.5 }),
        Plot.text([axes], {
          frameAnchor: 'top-left',
          textAnchor: 'end',
          dx: -8,
          dy: -12,
          fill: tone('muted'),
        }),
        Plot.text(named, {
          y: (_: Row, at: number) => at,
          frameAnchor: 'left',
          textAnchor: 'end',
          dx: -8,
          text: ({ name }: Row) => shortened(name, names - 10, fontSize),
        }),
        Plot.tickX(means, {
          ...y,
          x: 'value',
          stroke: tone('ink'),
          strokeWidth: 2,
          insetTop: 3,
          insetBottom: 3,
        }),
        Plot.dot(runs, { ...y, x: 'value', r: 4, ...dot }),
      ],
    }
  })
}
