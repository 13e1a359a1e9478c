import * as Plot from '@observablehq/plot'
import { axesByK } from '../report/axes-by-k.ts'
import { type CostPoint, chartFigure, costCharts } from '../report/cost-charts.ts'
import { type Chart, draw, sign } from '../report/draw.ts'
import { fixed, percent, whole } from '../report/figures.ts'
import { type CurveSeries, learningCharts } from '../report/learning-charts.ts'
import { fitted, html, type Markup, name, prose, shown } from '../report/markup.ts'
import { expertColour } from '../report/palette.ts'
import { drawnSign, type LegendEntry } from '../report/paper.ts'
import type { DataRow, PaperChart } from '../report/paper-chart.ts'
import { chart, figure, numbers, table } from '../report/parts.ts'
import { shell } from '../report/shell.ts'
import type { Latency } from '../run/latency.ts'
import type { LearningPoint } from '../run/learning-curve.ts'
import { measuresOf, type Score, scoreOf } from '../tasks/measures.ts'
import type { LayerResult, Outcome } from './outcome.ts'
import type { SweepTable } from './sweep-table.ts'
import { cellText, differenceText, notesOf } from './table-text.ts'

/** A planned run, what became of it, and which colour it has. */
export interface SweepRun {
  readonly name: string
  /** Value of the axis that tells colours apart; empty where there is none. */
  readonly series: string
  /** What runs share that differ in nothing but the seed: the values of all axes. */
  readonly group: string
  readonly outcome: Outcome
  /** How long its exported file takes; null where that was not measured. */
  readonly latency: Latency | null
  readonly learning: readonly LearningPoint[]
}

/** What the page of a sweep is drawn from. */
export interface SweepPage {
  readonly title: string
  readonly description: string
  /** The axis that tells colours apart; null for a single colour. */
  readonly seriesAxis: string | null
  readonly runs: readonly SweepRun[]
  readonly tables: readonly SweepTable[]
}

type Done = Extract<Outcome, { status: 'done' }>

/** A finished run, or one mixture of it. */
interface Point {
  readonly run: string
  readonly series: string
  readonly score: Score
  readonly seconds: number | null
}
type LayerPoint = Point & { readonly layer: LayerResult }

/** A finished run with what it is ranked by, if it has that. */
function scored(run: string, series: string, outcome: Done) {
  const score = scoreOf(outcome.measures)
  return score === null ? [] : [{ run, series, outcome, score, seconds: outcome.seconds }]
}

/** What runs are ranked by, in words. */
function scoreTitle([first]: readonly Point[]): string {
  return first === undefined ? 'Score' : first.score.title.replace(/^t/, 'T')
}

const symbols = ['circle', 'square', 'triangle', 'diamond2', 'times', 'star', 'plus', 'wye'] as const

/** `sweep.html`: the tables, what is missing, and how accuracy goes with balance, position, K and cost. */
export function renderSweep(page: SweepPage): string {
  return sweepPage(page).text
}

/** Every chart of `sweep.html`, in its order, as documents need them. */
export function sweepCharts(page: SweepPage): readonly PaperChart[] {
  return sweepPage(page).charts
}

function sweepPage({ title, description, seriesAxis, runs, tables }: SweepPage): Markup {
  const done = runs.flatMap(({ name: run, series, outcome }) =>
    outcome.status === 'done' ? scored(run, series, outcome) : [],
  )
  const layers = done.flatMap(point => point.outcome.layers.map((layer): LayerPoint => ({ ...point, layer })))
  const series = [...new Set(runs.map(run => run.series))]
  const finished = runs.filter(({ outcome }) => outcome.status === 'done').length
  return shell({
    title: shown(title),
    kicker: `A sweep: ${whole(finished)} of ${whole(runs.length)} runs finished`,
    body: html`${description === '' ? null : html`<p class="standfirst">${prose(description)}</p>`}
${notice(runs)}
${tables.map(section)}
${done.length === 0 ? null : html`<section><div class="figures">${figures(done, layers, { names: series, axis: seriesAxis })}</div>${legend(series, seriesAxis)}</section>`}
${costAndLearning(runs, { names: series, axis: seriesAxis })}
<section><div class="block"><h3>All runs</h3>${runTable(runs)}</div></section>`,
  })
}

/** What finished runs reached by what they cost, and their learning curves. */
function costAndLearning(runs: readonly SweepRun[], series: Series): Markup | null {
  const done = runs.flatMap(run => {
    const { outcome } = run
    return outcome.status === 'done' ? [{ ...run, outcome }] : []
  })
  const [ranking] = done.flatMap(({ outcome }) => scoreOf(outcome.measures) ?? [])
  const [definition] = done.flatMap(({ outcome }) => measuresOf(outcome.measures)[0] ?? [])
  const points = done.map(({ name: run, series: one, outcome, latency }): CostPoint => {
    const { symbol, shade } = markOf(series.names.indexOf(one))
    const score = scoreOf(outcome.measures)?.value ?? null
    const multiplyAdds = outcome.cost?.multiplyAdds ?? null
    return { name: run, score, multiplyAdds, latency, shade, symbol }
  })
  const groups = [...new Set(done.map(({ group }) => group))].map((group): CurveSeries => {
    const own = done.filter(run => run.group === group)
    const shade = series.names.indexOf(own[0]!.series)
    return { name: group, shade, runs: own.map(({ learning }) => learning) }
  })
  const { name: key = 'score', title = 'score' } = ranking ?? {}
  const all = [
    ...costCharts(points, { name: key, scale: 100, axis: `${title}, %` }, paperLegend(series)),
    ...learningCharts(groups, definition),
  ]
  if (all.length === 0) return null
  return html`<section><div class="figures">${all.map(one => chartFigure(one, column))}</div>${legend(series.names, series.axis)}</section>`
}

/** What is in no mean is reported above the means. */
function notice(runs: readonly SweepRun[]): Markup | null {
  const absent = runs.filter(({ outcome }) => outcome.status !== 'done')
  if (absent.length === 0) return null
  const statuses = [...new Set(absent.map(({ outcome }) => outcome.status))]
  const counts = statuses.map(
    status => `${whole(absent.filter(({ outcome }) => outcome.status === status).length)} ${status}`,
  )
  return html`<p class="notice">${whole(absent.length)} of ${whole(runs.length)} runs are in no mean: ${counts.join(', ')}.</p>`
}

function section(content: SweepTable): Markup {
  const { measure, baseline } = content
  return html`<section><div class="block"><h3>${measure.title}</h3>
${grid(content, measure.title, (row, column) => cellText(content.cells[row]?.[column] ?? null, content))}
${baseline === null ? null : grid(content, `Difference to ${shown(baseline)}, with p`, (row, column) => differenceText(content.cells[row]?.[column] ?? null, content))}
<ul class="small muted lead">${notesOf(content).map(note => html`<li>${prose(note)}</li>`)}</ul></div></section>`
}

function grid(
  { rowAxes, columnAxes, rows, columns, measure }: SweepTable,
  caption: string,
  text: (row: number, column: number) => string,
): Markup {
  const heads =
    columnAxes.length === 0
      ? [measure.title]
      : columns.map(heading =>
          heading.map((value, i) => `${shown(columnAxes[i] ?? '')} ${shown(value)}`).join(', '),
        )
  return html`<div class="wide-table" tabindex="0" role="region" aria-label="${caption}">${table({
    caption,
    heads: [rowAxes.map(shown).join(', '), ...heads.map(name)],
    rows: rows.map((heading, row) => [
      name(fitted(heading.map(shown).join(', '), 60)),
      ...columns.map((_, column) => name(text(row, column))),
    ]),
  })}</div>`
}

/** What tells colours and shapes apart. */
interface Series {
  readonly names: readonly string[]
  /** The axis that the names are values of; null where there is none. */
  readonly axis: string | null
}

function figures(done: readonly Point[], layers: readonly LayerPoint[], series: Series): Markup[] {
  const explained = layers.filter(({ layer }) => layer.byK !== null)
  const title = scoreTitle(done)
  const score = ({ score: { value } }: Point): number => 100 * value
  return [
    ...(layers.length === 0
      ? []
      : [
          figure({
            width: column,
            title: `${title} and CV of importance`,
            sentence:
              'Each mark is a mixture of one run: to the left shares are even, to the right one expert has it all.',
            body: chart(
              marks(`${title} and CV of importance`, layers, series, {
                name: 'balance',
                column: 'cv_of_importance',
                x: { label: 'CV of importance', grid: true, nice: true, labelArrow: 'none' },
                at: ({ layer }) => layer.cvImportance,
                y: score,
              }),
              true,
            ),
          }),
          figure({
            width: column,
            title: 'Utilization by position',
            sentence:
              'CV of importance of each mixture by where it sits; lower is more even, zero is perfectly so.',
            body: chart(byPosition(layers, series), true),
          }),
          figure({
            width: column,
            title: 'Accuracy by K',
            sentence:
              explained.length === 0
                ? 'No run has been explained yet: moiety explain finds the accuracy with every K, and this chart shows it then.'
                : `Accuracy where K experts compute each image, of ${explained.length === layers.length ? 'all' : `${whole(explained.length)} of ${whole(layers.length)}`} mixtures; a steep rise shows experts that need each other.`,
            body: explained.length === 0 ? null : chart(byK(explained, series), true),
          }),
        ]),
    figure({
      width: column,
      title: `${title} and seconds`,
      sentence: 'What each run reached and what its training took.',
      body: chart(
        marks(`${title} and seconds of training`, done, series, {
          name: 'seconds',
          column: 'seconds',
          x: { label: 'seconds', grid: true, nice: true, labelArrow: 'none', ticks: 5 },
          at: point => point.seconds,
          y: score,
        }),
        true,
      ),
    }),
  ]
}

/** Two charts side by side where there is room. */
const column = 460

const size = { width: 420, height: 300, marginLeft: 52, marginBottom: 40, marginRight: 16 }
const percents = { grid: true, nice: true, labelArrow: 'none' } as const

/** Colour and shape of a series. */
function markOf(series: number): Pick<CostPoint, 'shade' | 'symbol'> {
  return { shade: series, symbol: symbols[series % symbols.length] ?? 'circle' }
}

/** How marks of a series look: colour and shape, neither alone. */
function look(series: number, radius = 4.5) {
  const { symbol } = markOf(series)
  const colour = expertColour(series)
  const isStroke = symbol === 'times' || symbol === 'plus'
  return {
    symbol,
    r: radius,
    stroke: colour,
    strokeWidth: 1.5,
    fill: isStroke ? 'none' : colour,
    fillOpacity: 0.25,
  }
}

function marks<T extends Point>(
  label: string,
  points: readonly T[],
  series: Series,
  {
    name: file,
    column: across,
    x,
    at,
    y,
  }: {
    readonly name: string
    /** Of the data, for what is to the right. */
    readonly column: string
    readonly x: Plot.ScaleOptions
    readonly at: (point: T) => number | null
    readonly y: (point: T) => number
  },
): Chart {
  const facts = {
    name: file,
    label,
    data: points.map(point => ({
      ...identity(point),
      [across]: at(point),
      [point.score.name]: point.score.value,
    })),
    legend: paperLegend(series),
  }
  return draw(facts, {
    ...size,
    x,
    y: { ...percents, label: `${scoreTitle(points)}, %` },
    marks: series.names.flatMap((one, i) => {
      const own = points.filter(point => point.series === one)
      return own.length === 0 ? [] : [Plot.dot(own, { x: at, y, ...look(i) })]
    }),
  })
}

/** Which run, or which mixture of it, a row of the data is about. */
function identity(point: Point & { readonly layer?: LayerResult }): DataRow {
  const { run, series, layer } = point
  return { run, series, ...(layer === undefined ? {} : { layer: layer.name }) }
}

function byPosition(layers: readonly LayerPoint[], series: Series): Chart {
  const names = [...new Set(layers.map(({ layer }) => layer.name))].sort()
  const facts = {
    name: 'utilization',
    label: 'CV of importance by position',
    data: layers.map(point => ({ ...identity(point), cv_of_importance: point.layer.cvImportance })),
    legend: paperLegend(series),
  }
  return draw(facts, {
    ...size,
    x: { label: 'mixture', domain: names, type: 'point', padding: 0.6, labelArrow: 'none' },
    y: { label: 'CV of importance', grid: true, nice: true, zero: true, labelArrow: 'none' },
    marks: series.names.flatMap((one, i) => {
      const own = layers.filter(point => point.series === one)
      // Side by side, so that series do not cover each other.
      const last = series.names.length - 1
      const dx = last === 0 ? 0 : (i / last - 0.5) * Math.min(60, 200 / names.length)
      return own.length === 0
        ? []
        : [
            Plot.dot(own, {
              x: ({ layer }: LayerPoint) => layer.name,
              y: ({ layer }: LayerPoint) => layer.cvImportance,
              dx,
              ...look(i),
            }),
          ]
    }),
  })
}

function byK(layers: readonly LayerPoint[], series: Series): Chart {
  const points = layers.flatMap(({ series: one, layer }, line) =>
    (layer.byK ?? []).map((value, i) => ({ line, k: i + 1, top1: 100 * value, series: one })),
  )
  const most = Math.max(1, ...points.map(({ k }) => k))
  const facts = {
    name: 'by-k',
    label: 'Top-1 accuracy by the number of experts that compute each image',
    data: layers.flatMap(point =>
      (point.layer.byK ?? []).map((value, i) => ({
        ...identity(point),
        k: i + 1,
        [point.score.name]: value,
      })),
    ),
    legend: paperLegend(series),
  }
  return draw(facts, {
    ...size,
    ...axesByK(most),
    marks: series.names.flatMap((one, i) => {
      const own = points.filter(point => point.series === one)
      return own.length === 0
        ? []
        : [
            Plot.line(own, { x: 'k', y: 'top1', z: 'line', stroke: expertColour(i), strokeWidth: 1.25 }),
            Plot.dot(own, { x: 'k', y: 'top1', ...look(i, 3) }),
          ]
    }),
  })
}

/** How each series looks. */
function signs({ names, axis }: Series): { readonly svg: Markup; readonly text: string }[] {
  if (axis === null || names.length < 2) return []
  return names.map((one, i) => ({
    svg: sign(`${axis} ${one}`, [Plot.dot([0.5], { x: 0.5, y: 0.5, ...look(i) })]),
    text: fitted(`${shown(axis)} ${shown(one)}`, 32),
  }))
}

function legend(names: readonly string[], axis: string | null): Markup | null {
  const all = signs({ names, axis })
  if (all.length === 0) return null
  return html`<ul class="kinds">${all.map(({ svg, text }) => html`<li>${svg}${name(text)}</li>`)}</ul>`
}

function paperLegend(series: Series): LegendEntry[] {
  return signs(series).map(({ svg, text }) => drawnSign(svg.text, text))
}

function runTable(runs: readonly SweepRun[]): Markup {
  const of = (outcome: Outcome, value: (run: Done) => string): string =>
    outcome.status === 'done' ? value(outcome) : '–'
  const all = (outcome: Outcome, value: (layer: LayerResult) => string): string =>
    of(outcome, ({ layers }) => (layers.length === 0 ? '–' : layers.map(value).join(', ')))
  const columns = new Set(
    runs.flatMap(({ outcome }) =>
      outcome.status === 'done' ? measuresOf(outcome.measures).slice(0, 2) : [],
    ),
  )
  return numbers(
    {
      caption: 'One line a run; several mixtures with a comma between',
      heads: [
        'Run',
        'status',
        ...[...columns].map(({ label }) => label),
        'CV of importance',
        'active',
        'seconds',
      ],
      rows: runs.map(({ name: run, outcome }) => [
        name(shown(run)),
        'message' in outcome ? `${outcome.status}: ${shown(outcome.message)}` : outcome.status,
        ...[...columns].map(one => of(outcome, ({ measures }) => percent(measures[one.name] ?? null))),
        all(outcome, layer => fixed(layer.cvImportance, 3)),
        all(outcome, layer => `${layer.active ?? '–'} of ${layer.importance.length}`),
        of(outcome, ({ seconds }) => fixed(seconds, 0)),
      ]),
    },
    `All ${whole(runs.length)} runs`,
  )
}
