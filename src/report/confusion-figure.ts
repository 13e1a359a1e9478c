import * as Plot from '@observablehq/plot'
import { mostConfused } from '../metrics/confusion.ts'
import { type Chart, draw } from './draw.ts'
import { percent, whole } from './figures.ts'
import { shortened, textWidth } from './lettering.ts'
import { html, type Markup } from './markup.ts'
import { narrow } from './matrix-charts.ts'
import { liftColour, liftInk, tone } from './palette.ts'
import { swatch } from './paper.ts'
import { chart, classNamed, figure, numbers } from './parts.ts'
import { className, type Reading, superclassName } from './reading.ts'

/** More rows cannot be read. */
const mostRows = 40
const listed = 60

type Matrix = readonly (readonly number[])[]

/** The confusion matrix of classes, or where there are too many of superclasses; and the most frequent confusions. */
export function confusionFigure(reading: Reading, confusion: Matrix): Markup {
  const pairs = mostConfused(confusion, listed)
  const [first] = pairs
  const often =
    first === undefined
      ? 'No image is named wrong.'
      : html`Most often ${classNamed(reading, first.label)} is taken for ${classNamed(reading, first.prediction)}: ${whole(first.images)} image${first.images === 1 ? '' : 's'}, ${percent(first.share)} of the class.`
  const drawn = matrixOf(reading, confusion)
  return figure({
    title: 'What is taken for what',
    sentence: html`${often}${drawn === null ? null : html` A row is what images show${drawn.what}, a column what they are said to show; columns have the numbers of the rows. Figures are images; the darker, the more of the row.`}`,
    width: drawn === null ? narrow : Math.max(narrow, drawn.chart.width),
    body: drawn === null ? null : chart(drawn.chart),
    after:
      pairs.length === 0
        ? null
        : numbers(
            {
              caption: 'Confusions, the most frequent first',
              heads: ['Class', 'taken for', 'images', 'of the class'],
              rows: pairs.map(({ label, prediction, images, share }) => [
                classNamed(reading, label),
                classNamed(reading, prediction),
                whole(images),
                percent(share),
              ]),
            },
            'The most frequent confusions',
          ),
  })
}

function matrixOf(
  reading: Reading,
  confusion: Matrix,
): { readonly chart: Chart; readonly what: string } | null {
  if (confusion.length <= mostRows)
    return {
      chart: confusionChart(
        confusion,
        confusion.map((_, c) => className(reading, c)),
      ),
      what: '',
    }
  const of = reading.findings.data.superclassOf
  const groups = reading.superclassNames.length
  if (of === null || groups === 0 || groups > mostRows) return null
  const sums = Array.from({ length: groups }, () => new Array<number>(groups).fill(0))
  for (const [label, row] of confusion.entries())
    for (const [prediction, images] of row.entries()) {
      const [from, to] = [of[label] ?? -1, of[prediction] ?? -1]
      if (from >= 0 && to >= 0) sums[from]![to]! += images
    }
  return {
    chart: confusionChart(
      sums,
      sums.map((_, s) => superclassName(reading, s)),
    ),
    what: ', by superclass',
  }
}

interface Cell {
  readonly row: number
  readonly column: number
  readonly images: number
  readonly step: number
  readonly title: string
}

/** Space for the names, before the cells, in CSS pixels; and the least side of a cell. */
const [labels, gap, least, widest] = [132, 30, 17, 30] as const
const leastRow = 12

function confusionChart(confusion: Matrix, names: readonly string[]): Chart {
  const count = confusion.length
  const cells = confusion.flatMap((own, row) => {
    const total = own.reduce((a, b) => a + b, 0)
    return own.flatMap((images, column): Cell[] => {
      if (images === 0) return []
      const share = images / total
      const title = `${names[row] ?? ''}, ${row === column ? 'named right' : `taken for ${names[column] ?? ''}`}: ${whole(images)} images, ${percent(share)}`
      return [{ row, column, images, step: shadeOf(share, row === column), title }]
    })
  })
  const each = Array.from({ length: count }, (_, i) => i)
  const facts = {
    name: 'confusion',
    label: 'Confusion matrix',
    data: confusion.flatMap((own, row) =>
      own.map((images, column) => ({ shown: names[row] ?? '', named: names[column] ?? '', images })),
    ),
    legend: [
      { text: 'of a row:' },
      ...['< 5 %', '5–20 %', '20–50 %', '> 50 %'].map((text, i) =>
        swatch(liftColour(3 + i), i === 0 ? text : `${text} right`),
      ),
      ...['5–20 %', '20–50 %', '> 50 %'].map((text, i) => swatch(liftColour(2 - i), `${text} wrong`)),
      { text: 'rows: shown; columns: named, with the numbers of the rows; figures: images' },
    ],
  }
  const widestName = Math.max(0, ...names.map(name => textWidth(name, 11)))
  return draw(facts, width => {
    const fits = (room: number): number => Math.floor(room / Math.max(1, count))
    const side =
      width === null
        ? Math.max(least, Math.min(widest, fits(narrow - labels - gap)))
        : Math.min(widest, fits(width - gap - Math.min(Math.max(labels, widestName), 0.3 * width)))
    const space = width === null ? labels : width - gap - count * side
    const isRoomFor = ({ images }: Cell): boolean => String(images).length * 6.2 < side - 1
    // Narrow columns have a number now and then; rows are always high enough for their names.
    const every = Math.ceil(leastRow / side)
    const row = Math.max(leastRow, side)
    return {
      width: space + gap + count * side,
      height: 24 + count * row,
      marginLeft: space + gap,
      marginTop: 22,
      marginRight: 0,
      marginBottom: 2,
      style: { fontSize: '11px' },
      x: { axis: null, type: 'band', domain: each, padding: 0 },
      y: { axis: null, type: 'band', domain: each, padding: 0 },
      marks: [
        Plot.text(
          each.filter(c => c % every === 0),
          {
            frameAnchor: 'top',
            lineAnchor: 'middle',
            dy: -11,
            x: (c: number) => c,
            text: (c: number) => String(c + 1),
            fontSize: side < 20 ? 8.5 : 10,
            fill: tone('muted'),
          },
        ),
        Plot.text(each, {
          frameAnchor: 'left',
          textAnchor: 'end',
          dx: -8,
          y: (c: number) => c,
          text: (c: number) => String(c + 1),
          fontSize: side < 20 ? 8.5 : 10,
          fill: tone('muted'),
        }),
        Plot.text(each, {
          frameAnchor: 'left',
          textAnchor: 'end',
          dx: -gap,
          y: (c: number) => c,
          text: (c: number) => shortened(names[c] ?? '', space, 11),
        }),
        Plot.cell(each, { x: (c: number) => c, y: (c: number) => c, inset: 0.5, fill: tone('faint') }),
        Plot.cell(cells, {
          x: 'column',
          y: 'row',
          inset: 0.5,
          rx: 1.5,
          fill: { value: (d: Cell) => liftColour(d.step), scale: null },
          title: 'title',
        }),
        Plot.text(cells.filter(isRoomFor), {
          x: 'column',
          y: 'row',
          text: (d: Cell) => String(d.images),
          fontSize: side < 20 ? 8.5 : 10,
          fontVariant: 'tabular-nums',
          pointerEvents: 'none',
          fill: { value: (d: Cell) => liftInk(d.step), scale: null },
        }),
      ],
    }
  })
}

/** Green for what is right, brown for what is wrong. */
function shadeOf(share: number, isRight: boolean): number {
  const strength = share < 0.05 ? 0 : share < 0.2 ? 1 : share < 0.5 ? 2 : 3
  return isRight ? 3 + strength : 3 - strength
}
