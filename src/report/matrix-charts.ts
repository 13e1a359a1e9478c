import * as Plot from '@observablehq/plot'
import { type Chart, type ChartFacts, draw } from './draw.ts'
import { blank, percent, times, wholePercent } from './figures.ts'
import { shortened, textWidth } from './lettering.ts'
import { expertColour, expertInk, liftColour, liftInk, liftStep, tone } from './palette.ts'
import { type LegendEntry, swatch } from './paper.ts'
import type { DataRow } from './paper-chart.ts'

type Values = readonly (number | null)[]

/** What one cell of a matrix says. */
export interface Cell {
  readonly text: string
  /** Which of the shades of lift; null for a cell without colour. */
  readonly step: number | null
  readonly title: string
  /** The numbers behind it. */
  readonly data: DataRow
}

/** One row: a name and its cells, as many as there are columns. */
export interface MatrixRow {
  readonly name: string
  readonly cells: readonly Cell[]
}

/** How a matrix is laid out, in CSS pixels. */
export interface MatrixLayout {
  readonly labels: number
  readonly row: number
  /** The widest that a cell may be, and the least, which may make the chart wider than a telephone. */
  readonly cell: number
  readonly least?: number
  /** Heads a column before the experts'. */
  readonly first?: string
}

/** How a matrix of superclasses by experts is laid out: with figures, whatever the number of experts. */
export const figured: MatrixLayout = { labels: 160, row: 21, cell: 40, least: 22 }

/** The width that is to be had on a small telephone. */
export const narrow = 328
const smallest = 15
const gap = 8

/** A cell in its place. */
interface PlacedCell extends Cell {
  readonly row: number
  readonly column: number
}

/** The cells of a group: in each its mean weight in per cent, coloured by lift (green: more than chance; brown: less). */
export function liftCells(group: string, weight: Values, lift: Values, experts: number): Cell[] {
  return Array.from({ length: experts }, (_, expert): Cell => {
    const ratio = lift[expert] ?? null
    const share = weight[expert] ?? null
    return {
      text: wholePercent(share),
      step: ratio === null ? null : liftStep(ratio),
      title: `${group}, expert ${expert}: ${percent(share)} of the weight, ${times(ratio)} chance`,
      data: { expert, weight: share, ratio_to_chance: ratio },
    }
  })
}

/**
 * Which experts are chosen together, [E][E]: the figure is the share of images in per cent, the colour its ratio to chance.
 * The diagonal, how often the one is chosen, has no colour.
 */
export function pairRows(pairs: readonly (readonly number[])[], chance: number): MatrixRow[] {
  return pairs.map((shares, a) => ({
    name: `expert ${a}`,
    cells: shares.map((share, b): Cell => {
      if (a === b)
        return {
          text: wholePercent(share),
          step: null,
          title: `expert ${a}: chosen by ${percent(share)}`,
          data: { expert: b, share, ratio_to_chance: null },
        }
      const ratio = chance > 0 ? share / chance : null
      return {
        text: wholePercent(share),
        step: ratio === null ? null : liftStep(ratio),
        title: `experts ${a} and ${b}: ${percent(share)} of the images, ${times(ratio)} chance`,
        data: { expert: b, share, ratio_to_chance: ratio },
      }
    }),
  }))
}

/** What a matrix is, and what its figures and shades mean. */
export interface MatrixFacts extends Pick<ChartFacts, 'name' | 'label' | 'legend'> {
  /** What a row is, as the column of the data: `class`. */
  readonly rowsAre: string
}

/**
 * Rows of cells with the experts' numbers above. Figures are written where there is room for them; a cell with nothing to
 * measure is a dash. A column more than there are experts comes first and is headed `first`.
 */
export function matrixChart(
  { rowsAre, ...facts }: MatrixFacts,
  rows: readonly MatrixRow[],
  experts: number,
  { labels, row, cell: widest, least = smallest, first }: MatrixLayout,
): Chart {
  const before = first === undefined ? 0 : 1
  const columns = experts + before
  const cells = rows.flatMap(({ cells: own }, at) =>
    own.map((one, column): PlacedCell => ({ ...one, row: at, column })),
  )
  const data = rows.flatMap(({ name, cells: own }) => own.map(one => ({ [rowsAre]: name, ...one.data })))
  const wanted = Math.max(0, ...rows.map(({ name }) => textWidth(name, 11)))
  return draw({ ...facts, data }, width => {
    const room = Math.floor(((width ?? narrow) - labels - gap) / Math.max(1, columns))
    const cell =
      width === null ? Math.max(least, Math.min(widest, room)) : cellOnPaper(width, wanted, columns)
    const space = width === null ? labels : width - gap - columns * cell
    return {
      width: space + gap + columns * cell,
      height: 26 + rows.length * row + 1,
      marginLeft: space + gap,
      marginTop: 26,
      marginRight: 0,
      marginBottom: 1,
      style: { fontSize: '11px' },
      x: { axis: null, type: 'band', domain: numbers(columns), padding: 0 },
      y: { axis: null, type: 'band', domain: numbers(rows.length), padding: 0 },
      marks: [
        first === undefined ? null : Plot.text([first], { x: () => 0, ...above, fill: tone('muted') }),
        ...heads(experts, before, cell),
        Plot.text(rows, {
          frameAnchor: 'left',
          textAnchor: 'end',
          dx: -gap,
          y: (_: MatrixRow, i: number) => i,
          text: ({ name }: MatrixRow) => shortened(name, space, 11),
        }),
        ...cellMarks(cells, cell >= 21),
      ],
    }
  })
}

/** The width of a cell where names have what they want, but not most of the width unless cells have room for their figures. */
function cellOnPaper(width: number, wanted: number, columns: number): number {
  const whole = (width - gap) / Math.max(1, columns)
  const names = Math.max(0.3 * width, Math.min(wanted, Math.max(0.45 * width, width - gap - columns * 30)))
  return Math.floor(Math.max((width - gap - names) / Math.max(1, columns), Math.min(22, 0.75 * whole)))
}

/** What the shades of ratios to chance mean. */
export function liftEntries(figures: string): LegendEntry[] {
  const texts = ['< ¼', '¼–½', '½–0.8', '≈ 1', '1¼–2', '2–4', '> 4']
  return [
    { text: '× chance:' },
    ...texts.map((text, step) => swatch(liftColour(step), text)),
    { text: figures },
  ]
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** In narrower columns only some have their number. */
const leastHead = 12

const above = { frameAnchor: 'top', lineAnchor: 'middle', dy: -14 } as const

/** The experts' numbers above the columns. */
function heads(experts: number, before: number, cell: number): Plot.Markish[] {
  const x = (expert: number): number => expert + before
  const radius = Math.min(9, cell / 2 - 0.5)
  if (cell < leastHead) {
    const some = numbers(experts).filter(expert => expert % Math.ceil(leastHead / cell) === 0)
    return [Plot.text(some, { ...above, x, text: String, fontSize: 10, fill: tone('muted') })]
  }
  return [
    Plot.dot(numbers(experts), { ...above, x, r: radius, fill: { value: expertColour, scale: null } }),
    Plot.text(numbers(experts), {
      ...above,
      x,
      text: String,
      fontWeight: 600,
      fontSize: radius < 8.5 ? 8.5 : 10,
      fill: { value: expertInk, scale: null },
    }),
  ]
}

function cellMarks(cells: readonly PlacedCell[], figures: boolean): Plot.Markish[] {
  const place = { x: 'column', y: 'row' }
  return [
    Plot.cell(cells, {
      ...place,
      inset: 0.75,
      rx: 2,
      fill: { value: (d: PlacedCell) => (d.step === null ? 'none' : liftColour(d.step)), scale: null },
      title: 'title',
    }),
    Plot.text(
      cells.filter(({ text }) => figures || text === blank),
      {
        ...place,
        text: 'text',
        fontSize: 10.5,
        fontVariant: 'tabular-nums',
        pointerEvents: 'none',
        fill: { value: (d: PlacedCell) => (d.step === null ? tone('muted') : liftInk(d.step)), scale: null },
      },
    ),
  ]
}
