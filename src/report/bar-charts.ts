import * as Plot from '@observablehq/plot'
import { type Chart, type ChartFacts, draw } from './draw.ts'
import { percent } from './figures.ts'
import { shortened, textWidth } from './lettering.ts'
import { narrow } from './matrix-charts.ts'
import { expertColour, expertInk, tone } from './palette.ts'

/**
 * Bars for paper. A page draws them as elements of HTML, in tables and lists that wrap; a document needs one drawing.
 */

/** A bar with its number, and a tick at another number to compare it with. */
export interface Bar {
  readonly name: string
  readonly value: number | null
  /** The value as text. */
  readonly text: string
  readonly tick: number | null
}

const row = 18
const fontSize = 11

/** Bars from 0, one below the other, in the order given; names that would take more than half of the width stand above their bars. */
export function barChart(facts: ChartFacts, bars: readonly Bar[], most: number): Chart {
  return draw(facts, given => {
    const width = given ?? narrow
    const wanted = wantedFor(bars)
    const isAbove = wanted > 0.5 * width
    const names = isAbove ? 8 : Math.max(0.3 * width, wanted)
    const y = { y: (_: Bar, i: number) => i }
    const insetTop = isAbove ? row - 2 : 4
    return {
      width,
      height: bars.length * (isAbove ? 2 * row - 4 : row) + 8,
      marginLeft: names,
      marginRight: 56,
      marginTop: 4,
      marginBottom: 4,
      style: { fontSize: `${fontSize}px` },
      x: { axis: null, domain: [0, most > 0 ? most : 1] },
      y: { axis: null, type: 'band', domain: Array.from(bars.keys()), padding: 0 },
      marks: [
        Plot.ruleX([0], { stroke: tone('muted') }),
        Plot.barX(bars, { ...y, x: 'value', fill: tone('muted'), insetTop, insetBottom: 4 }),
        Plot.tickX(bars, {
          ...y,
          x: 'tick',
          stroke: tone('ink'),
          strokeWidth: 1.75,
          insetTop: insetTop - 2.5,
          insetBottom: 1.5,
        }),
        Plot.text(bars, {
          ...y,
          frameAnchor: 'left',
          ...(isAbove ? { textAnchor: 'start', dx: 4, dy: -7 } : { textAnchor: 'end', dx: -6 }),
          text: (bar: Bar) => shortened(bar.name, (isAbove ? width : names) - 8, fontSize),
        }),
        Plot.text(bars, {
          ...y,
          frameAnchor: 'right',
          textAnchor: 'end',
          dx: 54,
          dy: isAbove ? 7 : 0,
          text: 'text',
        }),
      ],
    }
  })
}

/** The width in pixels in which the longest of the names is whole. */
function wantedFor(bars: readonly { readonly name: string }[]): number {
  return Math.max(...bars.map(({ name }) => textWidth(name, fontSize))) + 8
}

/** What a bar of parts is about: a class, a size. */
export interface Parted {
  readonly name: string
  /** By expert; null or 0 for a bar without parts. */
  readonly weights: readonly (number | null)[]
}

interface Part {
  readonly row: number
  readonly expert: number
  readonly from: number
  readonly to: number
}

/** Bars parted by the mean weights of experts, in the order of the experts, with their numbers on them. */
export function partedChart(
  { rowsAre, ...facts }: Omit<ChartFacts, 'data'> & { readonly rowsAre: string },
  bars: readonly Parted[],
): Chart {
  const parts = bars.flatMap(({ weights }, at): Part[] => {
    const total = weights.reduce<number>((sum, weight) => sum + (weight ?? 0), 0)
    let from = 0
    return weights.flatMap((weight, expert) => {
      const part = total > 0 ? (weight ?? 0) / total : 0
      if (part <= 0) return []
      from += part
      return [{ row: at, expert, from: from - part, to: from }]
    })
  })
  const data = bars.flatMap(({ name, weights }) =>
    weights.map((weight, expert) => ({ [rowsAre]: name, expert, weight })),
  )
  return draw({ ...facts, data, legend: partedLegend }, given => {
    const width = given ?? narrow
    const names = Math.min(0.5 * width, Math.max(0.25 * width, wantedFor(bars)))
    const room = width - names - 8
    const y = { y: 'row' }
    return {
      width,
      height: bars.length * row + 4,
      marginLeft: names,
      marginRight: 8,
      marginTop: 2,
      marginBottom: 2,
      style: { fontSize: `${fontSize}px` },
      x: { axis: null, domain: [0, 1] },
      y: { axis: null, type: 'band', domain: Array.from(bars.keys()), padding: 0 },
      marks: [
        Plot.barX(parts, {
          ...y,
          x1: 'from',
          x2: 'to',
          insetTop: 2,
          insetBottom: 2,
          fill: { value: (part: Part) => expertColour(part.expert), scale: null },
          title: (part: Part) => `expert ${part.expert}: ${percent(part.to - part.from)}`,
        }),
        ...numbersOn(parts.filter(({ from, to }) => (to - from) * room > 18)),
        Plot.text(bars, {
          y: (_: Parted, i: number) => i,
          frameAnchor: 'left',
          textAnchor: 'end',
          dx: -6,
          text: (bar: Parted) => shortened(bar.name, names - 8, fontSize),
        }),
      ],
    }
  })
}

const partedLegend = [
  { text: 'parts of a bar: mean weight of each expert, 0 to 100\u00a0%; numbers: experts' },
]

/** The experts' numbers on plain grounds of their colours, which no hatch crosses. */
function numbersOn(parts: readonly Part[]): Plot.Markish[] {
  const middle = { x: (part: Part) => (part.from + part.to) / 2, y: 'row' }
  return [
    Plot.dot(parts, {
      ...middle,
      r: 7,
      fill: { value: (part: Part) => expertColour(part.expert), scale: null },
    }),
    Plot.text(parts, {
      ...middle,
      text: (part: Part) => String(part.expert),
      fontSize: 10,
      fontWeight: 600,
      fill: { value: (part: Part) => expertInk(part.expert), scale: null },
    }),
  ]
}
