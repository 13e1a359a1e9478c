import * as Plot from '@observablehq/plot'
import {
  type ComparedLayer,
  type ComparedRun,
  dataSetsOf,
  type Group,
  groupingsOf,
  groupsOf,
  kindOfRun,
  spreadOf,
} from '../analysis/comparison.ts'
import { type MeasureDefinition, measureText } from '../metrics/measure.ts'
import type { ConstraintKind } from '../moe/index.ts'
import { measuresOf } from '../tasks/measures.ts'
import { axesByK, domainOfOne } from './axes-by-k.ts'
import { type CostPoint, chartFigure, costCharts, type ScoreAxis } from './cost-charts.ts'
import { type Chart, type ChartFacts, draw, sign } from './draw.ts'
import { amount, bits, exactly, fixed, list, parameters, percent, whole } from './figures.ts'
import { leadingConfiguration } from './leading-configuration.ts'
import { type CurveSeries, curveLegend, learningCharts } from './learning-charts.ts'
import { fitted, html, type Markup, name, shown } from './markup.ts'
import { expertColour, tone } from './palette.ts'
import { drawnSign, type LegendEntry, stroke } from './paper.ts'
import type { DataRow, PaperChart } from './paper-chart.ts'
import { chart, figure, table } from './parts.ts'
import { shell } from './shell.ts'

/** One mixture of one run. */
interface Row {
  readonly run: ComparedRun
  readonly layer: ComparedLayer
}

const kindNames = ['none', 'soft', 'hard', 'other'] as const satisfies readonly ConstraintKind[]

/** Colour and shape of each kind of constraint: neither is alone. */
const kinds: Readonly<
  Record<ConstraintKind, { readonly shade: number; readonly symbol: Plot.SymbolType; readonly text: string }>
> = {
  none: { shade: 2, symbol: 'times', text: 'no constraint' },
  soft: { shade: 0, symbol: 'circle', text: 'soft constraint (a loss)' },
  hard: { shade: 1, symbol: 'square', text: 'hard constraint (experts masked)' },
  other: { shade: 3, symbol: 'triangle', text: 'several kinds, or another way' },
}

/**
 * `comparison.html`: runs side by side. What the paper says of soft and hard constraints (METHOD.md §7, C1–C4) is to be seen in
 * three charts: how even the shares are, how far the experts are specialists, and what that costs in the measure that ranks runs of the task.
 */
export function renderComparison(runs: readonly ComparedRun[]): string {
  return comparisonPage(runs).text
}

/** Every chart of `comparison.html`, in its order, as documents need them; see {@link chartFiles}. */
export function comparisonCharts(runs: readonly ComparedRun[]): readonly PaperChart[] {
  return comparisonPage(runs).charts
}

function comparisonPage(runs: readonly ComparedRun[]): Markup {
  const rows = runs.flatMap(run => run.layers.map(layer => ({ run, layer })))
  const ranking = rankingOf(runs)
  const count = runs.length === 1 ? 'One run' : `${whole(runs.length)} runs`
  return shell({
    title: `${count} side by side`,
    kicker: 'Results, balance, specialization, cost',
    body: html`${summary(runs, ranking)}
${wide(glance(runs, ranking), 'Configurations')}
${rows.length === 0 ? null : html`<section><div class="figures">${figures(runs, rows, ranking)}</div>${legend(rows)}</section>`}
${costSection(runs, rows, ranking)}
${curvesSection(runs)}
<section><div class="block"><h3>Results and cost</h3>${wide(costTable(runs), 'Results and cost')}</div>
${rows.length === 0 ? null : html`<div class="block"><h3>Balance and specialization</h3>${wide(layerTable(rows, groupingsOf(runs)), 'Balance and specialization')}</div>`}</section>`,
  })
}

/** Results and what they cost: multiply–adds, and latency where it was measured. */
function costSection(runs: readonly ComparedRun[], rows: readonly Row[], ranking: Ranking): Markup | null {
  const hasPlain = runs.some(({ layers }) => layers.length === 0)
  const points = runs.map((run): CostPoint => {
    const kind = kindOfRun(run)
    const { shade, symbol } = kind === undefined ? plainLook : kinds[kind]
    const { run: name, score, multiplyAdds, latency } = run
    return { name, score, multiplyAdds, latency, shade, symbol }
  })
  const charts = costCharts(points, ranking, paperLegend(rows, hasPlain))
  if (charts.length === 0) return null
  return html`<section><div class="figures">${charts.map(one => chartFigure(one))}</div>${legend(rows, hasPlain)}</section>`
}

/** Of a network without mixtures. */
const plainLook = { shade: 4, symbol: 'plus', text: 'plain network' } as const

/** Learning curves of each configuration. */
function curvesSection(runs: readonly ComparedRun[]): Markup | null {
  const series = seriesOf(runs)
  const charts = learningCharts(series, measuresOf(runs[0]?.measures ?? {})[0])
  if (charts.length === 0) return null
  return html`<section><div class="figures">${charts.map(one => chartFigure(one))}</div>${curveLegend(series)}</section>`
}

function seriesOf(runs: readonly ComparedRun[]): CurveSeries[] {
  return groupsOf(runs).map((group, shade) => ({
    name: seriesName(group),
    shade,
    runs: group.runs.map(({ learning }) => learning),
  }))
}

/** The first of its runs, which a legend has room for, and how many there are besides. */
function seriesName({ runs: [first, ...others] }: Group): string {
  const name = fitted(first?.run ?? '', others.length === 0 ? 48 : 36)
  return others.length === 0 ? name : `${name} and ${others.length} more`
}

/** What runs of a task are ranked by. */
type Ranking = MeasureDefinition & ScoreAxis

function rankingOf([run]: readonly ComparedRun[]): Ranking {
  const [ranking] = measuresOf(run?.measures ?? {})
  const { name: key = 'score', title = 'score', label = 'score', format = 'fraction' } = ranking ?? {}
  const [scale, axis] = format === 'percent' ? [100, `${label}, %`] : [1, label]
  return { name: key, title, label, format, scale, axis }
}

/** A measure as the page writes it. */
function measured(measure: Pick<MeasureDefinition, 'format'>, value: number | null | undefined): string {
  return measure.format === 'percent' ? percent(value) : measureText(measure, value)
}

/**
 * Each configuration in a line: what it reached, how even it is, how far its experts are specialists. Runs of another width,
 * length or amount of data are lines of their own: a mean over unlike runs says nothing, and its deviation less.
 */
function glance(runs: readonly ComparedRun[], ranking: Ranking): Markup {
  const reached = ({ score }: Group): string => {
    const value = measured(ranking, score?.mean)
    const { deviation = null } = score ?? {}
    if (deviation === null) return value
    return `${value} ± ${fixed(ranking.scale * deviation, ranking.format === 'percent' ? 1 : 3)}`
  }
  const groups = groupsOf(runs).map(group => ({ ...group, kind: kindOfRun(group.runs[0]!) }))
  const lines = [undefined, ...kindNames].flatMap(kind => groups.filter(group => group.kind === kind))
  return table({
    caption:
      'One line a configuration, data set and number of steps: means over its runs and their layers; ± is the standard deviation over runs',
    heads: [
      '',
      'runs',
      'constraint',
      'active',
      'steps',
      'number',
      'seeds',
      ranking.label,
      'active',
      'CV of weight',
      'class, bits',
      'points lost by a single expert',
    ],
    rows: lines.map(group => {
      const first = group.runs[0]!
      const layers = group.runs.flatMap(run => run.layers)
      const mean = (value: (layer: ComparedLayer) => number): number =>
        layers.reduce((total, layer) => total + value(layer), 0) / layers.length
      const own =
        layers.length === 0
          ? ['–', '–', '–', '–']
          : [
              list([...new Set(layers.map(({ active, count }) => `${active} of ${count}`))]),
              fixed(
                mean(layer => layer.cvImportance),
                3,
              ),
              bits(mean(layer => layer.bits.class ?? 0)),
              lostByOne(layers),
            ]
      return [
        group.kind === undefined ? 'plain network' : kinds[group.kind].text,
        shown(runNames(group)),
        shown(
          list([...new Set(first.layers.map(({ name: layer, constraint }) => `${layer}: ${constraint}`))]),
        ),
        parameters(first.activeParameters),
        whole(first.step),
        whole(group.runs.length),
        whole(group.seeds),
        reached(group),
        ...own,
      ]
    }),
  })
}

/** Which runs they are: constraint, parameters and steps may be the same in groups that differ in the batch or the rate. */
function runNames({ runs }: Group): string {
  const names = runs.slice(0, 3).map(({ run }) => run)
  return runs.length > 3 ? `${names.join(', ')} and ${runs.length - 3} more` : list(names)
}

/** Mean over layers with an active expert. */
function lostByOne(layers: readonly ComparedLayer[]): string {
  const known = layers.flatMap(({ singleDrop }) => (singleDrop === null ? [] : [100 * singleDrop]))
  return known.length === 0 ? '–' : fixed(spreadOf(known).mean, 1)
}

/** A table that scrolls where it is wider than the screen, also with keys. */
function wide(content: Markup, label: string): Markup {
  return html`<div class="wide-table" tabindex="0" role="region" aria-label="${label}">${content}</div>`
}

/** Which configuration reached most, if that is beyond chance; on different data, that this cannot be said. */
function summary(runs: readonly ComparedRun[], ranking: Ranking): Markup | null {
  const dataSets = dataSetsOf(runs)
  if (dataSets.length > 1)
    return html`<p class="notice">These runs are on different data, so their results cannot be compared: ${dataSets.map(title => shown(title)).join('; ')}.</p>`
  const groups = groupsOf(runs)
  const leading = leadingConfiguration(groups)
  const label = ({ runs: [run] }: Group): string => (run === undefined ? '' : shown(labelOf(run)))
  const over = ({ seeds }: Group): string => (seeds === 1 ? 'one seed' : `${whole(seeds)} seeds`)
  if (leading === undefined) return null
  const { first, second, p, pairs, isBeyondChance } = leading
  const reached = (group: Group): string =>
    `${measured(ranking, group.score?.mean)} ${ranking.label} over ${over(group)}`
  if (second === undefined)
    return html`<p class="standfirst">One configuration: ${label(first)}, with ${reached(first)}.</p>`
  if (isBeyondChance)
    return html`<p class="standfirst">Best by ${ranking.title}: ${label(first)}, with ${reached(first)}; closest to it ${label(second)}, with ${reached(second)} (${exactly(p)} over ${whole(pairs)} seeds that both have, exact sign-flip test, times ${whole(groups.length - 1)} for the choice).</p>`
  return html`<p class="standfirst">Which of the ${whole(groups.length)} configurations is best cannot be determined from these seeds: the first and its closest rival have ${pairs === 0 ? 'no seed' : pairs === 1 ? 'one seed' : `${whole(pairs)} seeds`} in common, and their difference is within chance (${exactly(p)}).</p>`
}

function labelOf({ layers }: ComparedRun): string {
  if (layers.length === 0) return 'the plain network'
  return layers
    .map(
      ({ name: layer, constraint }) =>
        `${layer} with ${constraint === 'none' ? 'no constraint' : constraint}`,
    )
    .join(', ')
}

function figures(runs: readonly ComparedRun[], rows: readonly Row[], ranking: Ranking): Markup[] {
  const { scale, title } = ranking
  const plain = runs.flatMap(({ layers, score }) =>
    layers.length === 0 && score !== null ? [scale * score] : [],
  )
  const groupings = groupingsOf(runs).filter(one => one !== 'superclass')
  const line = plain.length === 0 ? '' : ' The dashed lines are plain networks.'
  const legend = [
    ...paperLegend(rows),
    ...(plain.length === 0 ? [] : [stroke(tone('muted'), 'plain networks', '3 3')]),
  ]
  return [
    figure({
      title: `Balance and ${title}`,
      sentence: `Each mark is a mixture of experts: to the left shares are even, to the right one expert has it all; higher is better.${line}`,
      body: chart(
        scatter(rows, plain, ranking, {
          name: 'balance',
          label: `CV of weight and ${title}`,
          legend,
          ...{ axis: 'CV of weight', column: 'cv_of_weight', x: ({ layer }) => layer.cvImportance },
        }),
        true,
      ),
    }),
    ...groupings.map(name =>
      figure({
        title: `Specialization by ${name} and ${title}`,
        sentence: `To the right the ${name} tells more about the expert. Zero would be chance, but for the small bias that each report states.`,
        body: chart(
          scatter(rows, plain, ranking, {
            name: `specialization-by-${name}`,
            label: `Information of the ${name} and ${title}`,
            legend,
            axis: `I(${name}; expert), bits`,
            column: `bits_of_${name}`,
            x: ({ layer }) => layer.bits[name] ?? null,
          }),
          true,
        ),
      }),
    ),
    figure({
      title: `${title[0]?.toUpperCase()}${title.slice(1)} by K`,
      sentence: `A steep rise from K = 1 shows experts that need each other; a flat line generalists.${line}`,
      body: chart(byK(rows, plain, ranking, legend), true),
    }),
  ]
}

const size = { width: 420, height: 300, marginLeft: 52, marginBottom: 40, marginRight: 16 }

/** What is drawn to the right, upwards being what runs are ranked by. */
interface ScatterFacts extends Pick<ChartFacts, 'name' | 'label' | 'legend'> {
  readonly axis: string
  /** Of the data. */
  readonly column: string
  readonly x: (row: Row) => number | null
}

function scatter(
  rows: readonly Row[],
  plain: readonly number[],
  { name: key, scale, axis }: Ranking,
  { axis: xAxis, column, x, ...facts }: ScatterFacts,
): Chart {
  const data = rows.map(row => ({ ...identity(row), [column]: x(row), [key]: row.run.score }))
  const scores = [...plain, ...rows.map(({ run }) => (run.score === null ? null : scale * run.score))]
  return draw(
    { ...facts, data },
    {
      ...size,
      x: { label: xAxis, grid: true, nice: true, labelArrow: 'none' },
      y: { label: axis, grid: true, nice: true, labelArrow: 'none', ...domainOfOne(scores, scale / 100) },
      marks: [
        ...plainLines(plain),
        ...Object.entries(kinds).flatMap(([kind, { shade, symbol }]) => {
          const own = rows.filter(row => row.layer.kind === kind)
          return own.length === 0
            ? []
            : [
                Plot.dot(own, {
                  x,
                  y: ({ run }: Row) => (run.score === null ? null : scale * run.score),
                  symbol,
                  r: 5,
                  stroke: expertColour(shade),
                  strokeWidth: 2,
                  fill: symbol === 'times' ? 'none' : expertColour(shade),
                  fillOpacity: 0.25,
                }),
              ]
        }),
      ],
    },
  )
}

/** Which mixture a row of the data is about. */
function identity({ run, layer }: Row): DataRow {
  return { run: run.run, seed: run.seed, layer: layer.name, constraint: layer.constraint, kind: layer.kind }
}

/** Where plain networks are. */
function plainLines(plain: readonly number[]): Plot.Markish[] {
  return plain.length === 0 ? [] : [Plot.ruleY(plain, { stroke: tone('muted'), strokeDasharray: '3 3' })]
}

function byK(
  rows: readonly Row[],
  plain: readonly number[],
  { name: key, title, scale, axis }: Ranking,
  legend: readonly LegendEntry[],
): Chart {
  const points = rows.flatMap((row, line) =>
    row.layer.byK.flatMap((score, i) =>
      score === null ? [] : [{ line, k: i + 1, score: scale * score, kind: row.layer.kind }],
    ),
  )
  const most = Math.max(1, ...points.map(({ k }) => k))
  const facts = {
    name: 'by-k',
    label: `${title} by the number of experts that compute each input`,
    data: rows.flatMap(row =>
      row.layer.byK.map((score, i) => ({ ...identity(row), k: i + 1, [key]: score })),
    ),
    legend,
  }
  return draw(facts, {
    ...size,
    ...axesByK(most, axis),
    marks: [
      ...plainLines(plain),
      ...Object.entries(kinds).flatMap(([kind, { shade, symbol }]) => {
        const own = points.filter(point => point.kind === kind)
        const colour = expertColour(shade)
        return own.length === 0
          ? []
          : [
              Plot.line(own, { x: 'k', y: 'score', z: 'line', stroke: colour, strokeWidth: 1.5 }),
              Plot.dot(own, {
                x: 'k',
                y: 'score',
                symbol,
                r: 3.5,
                stroke: colour,
                fill: symbol === 'times' ? 'none' : colour,
              }),
            ]
      }),
    ],
  })
}

/** What colours and shapes mean, for the kinds that are there. */
function signs(rows: readonly Row[], hasPlain: boolean): { readonly svg: Markup; readonly text: string }[] {
  const present = [
    ...Object.entries(kinds).filter(([kind]) => rows.some(({ layer }) => layer.kind === kind)),
    ...(hasPlain ? [['plain', plainLook] as const] : []),
  ]
  return present.map(([kind, { shade, symbol, text }]) => {
    const look = {
      symbol,
      r: 5,
      stroke: expertColour(shade),
      strokeWidth: 2,
      fill: symbol === 'times' || symbol === 'plus' ? 'none' : expertColour(shade),
      fillOpacity: 0.25,
    }
    return { svg: sign(kind, [Plot.dot([0.5], { x: 0.5, y: 0.5, ...look })]), text }
  })
}

function legend(rows: readonly Row[], hasPlain = false): Markup {
  return html`<ul class="kinds">${signs(rows, hasPlain).map(({ svg, text }) => html`<li>${svg}${text}</li>`)}</ul>`
}

function paperLegend(rows: readonly Row[], hasPlain = false): LegendEntry[] {
  return signs(rows, hasPlain).map(({ svg, text }) => drawnSign(svg.text, text))
}

function costTable(runs: readonly ComparedRun[]): Markup {
  const measures = measuresOf(runs[0]?.measures ?? {})
  return table({
    caption: 'One line a run; results on held-out images',
    heads: [
      'Run',
      'seed',
      ...measures.map(({ label }) => label),
      'parameters',
      'active',
      'multiply–adds',
      'checkpoint',
      'training, min',
    ],
    rows: runs.map(run => [
      name(shown(run.run)),
      run.seed,
      ...measures.map(one => measured(one, run.measures[one.name])),
      parameters(run.parameters),
      parameters(run.activeParameters),
      amount(run.multiplyAdds),
      shown(run.checkpoint),
      run.seconds === null ? '–' : fixed(run.seconds / 60, 1),
    ]),
  })
}

function layerTable(rows: readonly Row[], groupings: ReturnType<typeof groupingsOf>): Markup {
  const lost = (value: number | null): string => (value === null ? '–' : fixed(100 * value, 1))
  return table({
    caption:
      'One line a mixture; bits of information about the expert; points lost with other experts selected, “one” being a mean over active experts by mean gate weight',
    heads: [
      'Run',
      'layer',
      'constraint',
      'K of E',
      'active',
      'CV of weight',
      'CV of selection',
      ...groupings.map(one => `${one}, bits`),
      'input, bits',
      'lost: K = 1',
      'single expert',
      'leave one out',
    ],
    rows: rows.map(({ run, layer }) => [
      name(shown(run.run)),
      shown(layer.name),
      layer.constraint,
      `${layer.k} of ${layer.count}`,
      `${layer.active}`,
      fixed(layer.cvImportance, 3),
      fixed(layer.cvActivation, 3),
      ...groupings.map(one => bits(layer.bits[one])),
      bits(layer.inputBits),
      lost(drop(run.score, layer.byK[0])),
      lost(layer.singleDrop),
      lost(layer.withoutDrop),
    ]),
  })
}

function drop(trained: number | null, other: number | null | undefined): number | null {
  return trained === null || other === null || other === undefined ? null : trained - other
}
