import * as Plot from '@observablehq/plot'
import type { LayerFindings } from '../analysis/findings.ts'
import { type Chart, draw } from './draw.ts'
import { bits, percent } from './figures.ts'
import { narrow } from './matrix-charts.ts'
import { expertColour, expertInk, tone } from './palette.ts'

/** One bar of the information chart. */
interface Quantity {
  readonly name: string
  readonly value: number
  readonly chance: number | null
  readonly chance95: number | null
  readonly fill: string
}

/**
 * How much there is to know about an image's expert, and how much of it the class tells: I(superclass; expert) ≤
 * I(class; expert) ≤ I(image; expert) ≤ H(mean weights) ≤ log2 E, each bar within the one above it.
 */
export function informationChart(label: string, { information, dependence, count }: LayerFindings): Chart {
  const none = { chance: null, chance95: null }
  const quantities: Quantity[] = [
    { name: `Most for E = ${count}: log₂ E`, value: dependence.most, ...none, fill: tone('faint') },
    { name: 'Balance: H(mean weights)', value: dependence.ofMean, ...none, fill: tone('line') },
    { name: 'The image: I(image; expert)', value: dependence.bits, ...none, fill: tone('muted') },
    {
      name: 'Its class: I(class; expert)',
      value: information.class.bits,
      ...information.class,
      fill: tone('ink'),
    },
    ...(information.superclass === null
      ? []
      : [
          {
            name: 'Its superclass: I(superclass; expert)',
            value: information.superclass.bits,
            ...information.superclass,
            fill: tone('ink'),
          },
        ]),
  ].map(({ name, value, chance, chance95, fill }) => ({ name, value, chance, chance95, fill }))
  const row = 40
  const height = quantities.length * row + 34
  const tested = quantities.filter(({ chance }) => chance !== null)
  const y = (d: Quantity): string => d.name
  return draw(label, {
    width: narrow,
    height,
    marginLeft: 8,
    marginRight: 14,
    marginTop: 0,
    marginBottom: 34,
    style: { fontSize: '11px' },
    x: {
      domain: [0, Math.max(dependence.most, 0.01)],
      ticks: 5,
      label: 'bits',
      tickSize: 0,
      labelArrow: 'none',
    },
    y: { axis: null, type: 'band', domain: quantities.map(y), padding: 0 },
    marks: [
      Plot.barX(quantities, {
        x: 'value',
        y,
        fill: { value: (d: Quantity) => d.fill, scale: null },
        insetTop: 21,
        insetBottom: 6,
      }),
      Plot.text(quantities, { frameAnchor: 'left', y, text: 'name', textAnchor: 'start', dy: -9, dx: -3 }),
      Plot.text(quantities, {
        frameAnchor: 'right',
        y,
        text: (d: Quantity) => bits(d.value),
        textAnchor: 'end',
        dy: -9,
        dx: 6,
        fontVariant: 'tabular-nums',
        fontWeight: 600,
      }),
      ...chanceMarks(tested, y),
    ],
  })
}

/** The mean of chance as a tick that stands out of the bar, and a thin line to its 95th percentile. */
function chanceMarks(tested: readonly Quantity[], y: (d: Quantity) => string): Plot.Markish[] {
  const tick = { y, x: 'chance', insetTop: 18, insetBottom: 3 }
  const line = { y, x1: 'chance', x2: 'chance95', dy: 7.5 }
  return [
    Plot.ruleY(tested, { ...line, stroke: tone('paper'), strokeWidth: 3.5 }),
    Plot.tickX(tested, { ...tick, stroke: tone('paper'), strokeWidth: 4 }),
    Plot.ruleY(tested, { ...line, stroke: tone('bad'), strokeWidth: 1.5 }),
    Plot.tickX(tested, { ...tick, stroke: tone('bad'), strokeWidth: 2 }),
  ]
}

/** One row of the accuracy chart; headings and gaps have no value. */
interface AccuracyRow {
  readonly id: string
  readonly text: string
  readonly value: number | null
  readonly expert: number | null
}

/** Top-1 accuracy of the network with other experts at work in this layer, beside the network as trained. */
export function accuracyChart(
  label: string,
  { variants, k }: LayerFindings,
  { trained, chance }: { readonly trained: number; readonly chance: number },
): Chart {
  const group = (heading: string, rows: readonly Omit<AccuracyRow, 'id'>[]): AccuracyRow[] =>
    rows.length === 0
      ? []
      : [
          { id: heading, text: heading, value: null, expert: null },
          ...rows.map(row => ({ ...row, id: `${heading} ${row.text}` })),
        ]
  const rows = [
    ...group(
      'K experts an image',
      variants.byK.map(({ top1 }, i) => ({
        text: i + 1 === k ? `K = ${i + 1}, as trained` : `K = ${i + 1}`,
        value: top1,
        expert: null,
      })),
    ),
    ...group('All experts alike', [{ text: 'equal weights', value: variants.equal.top1, expert: null }]),
    ...group(
      'One expert alone',
      variants.single.map(({ top1 }, expert) => ({ text: 'only', value: top1, expert })).map(tagged),
    ),
    ...group(
      'Without one expert',
      variants.without.map(({ top1 }, expert) => ({ text: 'without', value: top1, expert })).map(tagged),
    ),
  ]
  const values = rows.filter(row => row.value !== null)
  const most = Math.max(chance, trained, ...values.map(({ value }) => value ?? 0))
  const experts = values.filter(({ expert }) => expert !== null)
  const y = (d: AccuracyRow): string => d.id
  const left = 132
  return draw(label, {
    width: narrow,
    height: rows.length * 19 + 34,
    marginLeft: left,
    marginRight: 50,
    marginTop: 12,
    marginBottom: 22,
    style: { fontSize: '11px' },
    x: {
      domain: [0, Math.min(1, Math.max(0.01, most * 1.04))],
      ticks: 4,
      tickFormat: axisPercent,
      label: null,
      tickSize: 0,
    },
    y: { axis: null, type: 'band', domain: rows.map(y), padding: 0 },
    marks: [
      Plot.ruleX([chance], { stroke: tone('bad'), strokeDasharray: '2 2' }),
      Plot.ruleX([trained], { stroke: tone('ink'), strokeWidth: 1 }),
      Plot.text(['as trained'], {
        x: () => trained,
        frameAnchor: 'top',
        dy: -7,
        fill: tone('muted'),
        fontSize: 10,
        textAnchor: 'end',
        dx: 4,
      }),
      Plot.ruleY(values, { y, x1: trained, x2: 'value', stroke: tone('line'), strokeWidth: 2 }),
      Plot.dot(values, { y, x: 'value', r: 4.5, fill: { value: dotColour, scale: null } }),
      Plot.text(values, {
        y,
        frameAnchor: 'right',
        text: (d: AccuracyRow) => percent(d.value),
        textAnchor: 'end',
        dx: 48,
        fontVariant: 'tabular-nums',
      }),
      ...leftLabels(rows, y, left),
      ...badges(experts, y, left),
    ],
  })
}

function tagged(row: Omit<AccuracyRow, 'id'>): Omit<AccuracyRow, 'id'> {
  return { ...row, text: `${row.text} ${row.expert ?? ''}` }
}

function dotColour({ expert }: AccuracyRow): string {
  return expert === null ? tone('ink') : expertColour(expert)
}

/** Headings at the margin, rows indented; an expert's number is drawn by {@link badges}. */
function leftLabels(
  rows: readonly AccuracyRow[],
  y: (d: AccuracyRow) => string,
  left: number,
): Plot.Markish[] {
  const common = { y, frameAnchor: 'left', textAnchor: 'start' } as const
  return [
    Plot.text(
      rows.filter(({ value }) => value === null),
      { ...common, text: 'text', dx: -left, fontWeight: 600 },
    ),
    Plot.text(
      rows.filter(({ value }) => value !== null),
      {
        ...common,
        text: (d: AccuracyRow) => (d.expert === null ? d.text : d.text.replace(/ \d+$/, '')),
        dx: 10 - left,
      },
    ),
  ]
}

function badges(rows: readonly AccuracyRow[], y: (d: AccuracyRow) => string, left: number): Plot.Markish[] {
  const common = { y, frameAnchor: 'left', textAnchor: 'middle', dx: 70 - left } as const
  return [
    Plot.dot(rows, { ...common, r: 7.5, fill: { value: dotColour, scale: null } }),
    Plot.text(rows, {
      ...common,
      text: (d: AccuracyRow) => String(d.expert ?? ''),
      fontSize: 9.5,
      fontWeight: 600,
      fill: { value: (d: AccuracyRow) => expertInk(d.expert ?? 0), scale: null },
    }),
  ]
}

export function axisPercent(value: number): string {
  return `${Number((100 * value).toFixed(1))} %`
}
