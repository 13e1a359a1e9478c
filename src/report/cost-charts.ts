import * as Plot from '@observablehq/plot'
import type { Latency } from '../run/latency.ts'
import { domainOfOne } from './axes-by-k.ts'
import { type Chart, type ChartFacts, draw } from './draw.ts'
import { amount, fixed, list, whole } from './figures.ts'
import { type Markup, name, shown } from './markup.ts'
import { expertColour } from './palette.ts'
import type { LegendEntry } from './paper.ts'
import type { DataRow } from './paper-chart.ts'
import { chart, figure, numbers } from './parts.ts'

/** A run on a plot of accuracy and cost. */
export interface CostPoint {
  readonly name: string
  readonly score: number | null
  readonly multiplyAdds: number | null
  readonly latency: Latency | null
  /** Colour and shape, neither alone. */
  readonly shade: number
  readonly symbol: Plot.SymbolType
}

/** What runs are ranked by, as axes show it. */
export interface ScoreAxis {
  readonly name: string
  /** The measure on an axis: in per cent, or as the fraction that it is. */
  readonly scale: number
  readonly axis: string
}

/** A chart with what a page says of it, and its numbers. */
export interface TitledChart {
  readonly title: string
  readonly sentence: string
  readonly drawn: Chart
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

type Form = Latency['forms'][number]

/**
 * Accuracy by multiply–adds, and by latency of the exported files where that was measured; none where there is nothing to draw.
 *
 * @param legend - of the points' colours and shapes
 */
export function costCharts(
  points: readonly CostPoint[],
  ranking: ScoreAxis,
  legend: readonly LegendEntry[],
): TitledChart[] {
  const { name: measure, scale, axis } = ranking
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
            title: 'Accuracy and multiply–adds',
            sentence:
              'Each mark is a run. Convolutions and matrix products for one image, counted on the graph, with the K experts that compute it; up and to the left is better.',
            drawn: scatter(
              {
                name: 'accuracy-multiply-adds',
                label: `${axis} and multiply–adds of an image`,
                data: counted.map(({ name: run, score, multiplyAdds }) => ({
                  run,
                  multiply_adds: multiplyAdds,
                  [measure]: score,
                })),
                legend,
              },
              counted.map(point => ({ ...point, x: point.multiplyAdds! / 1e6, hollow: false })),
              { ranking, x: 'multiply–adds of an image, million' },
            ),
            heads: ['Run', axis, 'multiply–adds'],
            rows: counted.map(point => [
              shown(point.name),
              fixed(scaled(point.score, scale), 3),
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
        title: `Accuracy and latency, ${whole(batch)} image${batch === 1 ? '' : 's'} at once`,
        sentence: `Time of the exported file for one image: filled with sparse routing, hollow with dense, which computes all experts. On ${list(machines)}.`,
        drawn: scatter(
          {
            name: `accuracy-latency-batch-${batch}`,
            label: `${axis} and latency with ${batch} images at once`,
            data: forms.map(
              ({ name: run, form, score }): DataRow => ({
                run,
                routing: form.routing,
                median_ms_an_image: form.median / batch,
                least_ms_an_image: form.least / batch,
                most_ms_an_image: form.most / batch,
                [measure]: score,
              }),
            ),
            legend: [
              ...legend,
              { text: 'filled: sparse routing; hollow: dense, which computes all experts' },
            ],
          },
          forms,
          { ranking, x: 'milliseconds for an image' },
        ),
        heads: ['Run', 'routing', axis, 'ms for an image', 'least', 'most'],
        rows: forms.map(({ name: run, form, score }) => [
          shown(run),
          form.routing,
          fixed(scaled(score, scale), 3),
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

function scaled(score: number | null, scale: number): number | null {
  return score === null ? null : scale * score
}

function scatter(
  facts: ChartFacts,
  marks: readonly Mark[],
  { ranking: { axis, scale }, x }: { readonly ranking: ScoreAxis; readonly x: string },
): Chart {
  const grid = { grid: true, nice: true, labelArrow: 'none' } as const
  const scores = marks.map(({ score }) => scaled(score, scale))
  return draw(facts, {
    ...{ width: 420, height: 300, marginLeft: 52, marginBottom: 40, marginRight: 16 },
    x: { ...grid, label: x, zero: true, ticks: 5 },
    y: { ...grid, label: axis, ...domainOfOne(scores, scale / 100) },
    marks: marks.map(mark =>
      Plot.dot([mark], {
        x: 'x',
        y: ({ score }: Mark) => scaled(score, scale),
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
export function chartFigure(one: TitledChart, width?: number): Markup {
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
