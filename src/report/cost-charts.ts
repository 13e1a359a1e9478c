import * as Plot from '@observablehq/plot'
import type { Latency } from '../run/latency.ts'
import { type Chart, draw } from './draw.ts'
import { amount, fixed, list, whole } from './figures.ts'
import { type Markup, name, shown } from './markup.ts'
import { expertColour } from './palette.ts'
import { chart, figure, numbers } from './parts.ts'

/** A run on a plot of accuracy and cost. */
export interface CostPoint {
  readonly name: string
  /** As the axis shows it. */
  readonly score: number | null
  readonly multiplyAdds: number | null
  readonly latency: Latency | null
  /** Colour and shape, neither alone. */
  readonly shade: number
  readonly symbol: Plot.SymbolType
}

/** A chart of a page, also as a file of its own. */
export interface NamedChart {
  /** Of its file, without ending. */
  readonly file: string
  readonly title: string
  readonly sentence: string
  readonly drawn: Chart
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

type Form = Latency['forms'][number]

/** Accuracy by multiply–adds, and by latency of the exported files where that was measured; none where there is nothing to draw. */
export function costCharts(points: readonly CostPoint[], axis: string): NamedChart[] {
  const scored = points.filter(({ score }) => score !== null)
  const counted = scored.filter(({ multiplyAdds }) => multiplyAdds !== null)
  const measured = scored.flatMap(point =>
    point.latency === null ? [] : [{ ...point, latency: point.latency }],
  )
  const batches = [...new Set(measured.flatMap(({ latency }) => latency.forms.map(({ batch }) => batch)))]
  const machines = [
    ...new Set(
      measured.map(
        ({ latency: { threads, processor, rounds } }) =>
          `${whole(threads)} thread${threads === 1 ? '' : 's'} of ${shown(processor)}, medians of ${whole(rounds)} runs`,
      ),
    ),
  ]
  return [
    ...(counted.length === 0
      ? []
      : [
          {
            file: 'accuracy-multiply-adds',
            title: 'Accuracy and multiply–adds',
            sentence:
              'Each mark is a run. Convolutions and matrix products for one image, counted on the graph, with the K experts that compute it; up and to the left is better.',
            drawn: scatter(
              `${axis} and multiply–adds of an image`,
              counted.map(point => ({ ...point, x: point.multiplyAdds! / 1e6, hollow: false })),
              { x: 'multiply–adds of an image, million', y: axis },
            ),
            heads: ['Run', axis, 'multiply–adds'],
            rows: counted.map(point => [
              shown(point.name),
              fixed(point.score, 3),
              amount(point.multiplyAdds),
            ]),
          },
        ]),
    ...batches.map(batch => {
      const forms = measured.flatMap(point =>
        point.latency.forms
          .filter(form => form.batch === batch)
          .map((form: Form) => ({
            ...point,
            form,
            x: form.median / batch,
            hollow: form.routing === 'dense',
          })),
      )
      return {
        file: `accuracy-latency-batch-${batch}`,
        title: `Accuracy and latency, ${whole(batch)} image${batch === 1 ? '' : 's'} at once`,
        sentence: `Time of the exported file for one image: filled with sparse routing, hollow with dense, which computes all experts. On ${list(machines)}.`,
        drawn: scatter(`${axis} and latency with ${batch} images at once`, forms, {
          x: 'milliseconds for an image',
          y: axis,
        }),
        heads: ['Run', 'routing', axis, 'ms for an image', 'least', 'most'],
        rows: forms.map(({ name: run, form, score }) => [
          shown(run),
          form.routing,
          fixed(score, 3),
          ...[form.median, form.least, form.most].map(value => fixed(value / batch, 3)),
        ]),
      }
    }),
  ]
}

type Mark = Pick<CostPoint, 'name' | 'score' | 'shade' | 'symbol'> & {
  readonly x: number
  readonly hollow: boolean
}

function scatter(
  label: string,
  marks: readonly Mark[],
  axes: { readonly x: string; readonly y: string },
): Chart {
  const scores = marks.flatMap(({ score }) => score ?? [])
  const [least, most] = [Math.min(...scores), Math.max(...scores)]
  // One value has no scale of its own.
  const domain = most > least ? {} : { domain: [least - 1, most + 1] }
  const grid = { grid: true, nice: true, labelArrow: 'none' } as const
  return draw(label, {
    ...{ width: 420, height: 300, marginLeft: 52, marginBottom: 40, marginRight: 16 },
    x: { ...grid, label: axes.x, zero: true, ticks: 5 },
    y: { ...grid, ...domain, label: axes.y },
    marks: marks.map(mark =>
      Plot.dot([mark], {
        x: 'x',
        y: 'score',
        symbol: mark.symbol,
        r: 4.5,
        stroke: expertColour(mark.shade),
        strokeWidth: 1.5,
        fill:
          mark.hollow || ['times', 'plus'].includes(String(mark.symbol)) ? 'none' : expertColour(mark.shade),
        fillOpacity: 0.6,
      }),
    ),
  })
}

/** A chart on a page, with its numbers. */
export function chartFigure(one: NamedChart, width?: number): Markup {
  return figure({
    ...(width === undefined ? {} : { width }),
    title: one.title,
    sentence: one.sentence,
    body: chart(one.drawn, true),
    after: numbers({
      caption: one.title,
      heads: one.heads,
      rows: one.rows.map(([first, ...cells]) => [name(first ?? ''), ...cells]),
    }),
  })
}
