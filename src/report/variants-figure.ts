import type { Findings, LayerFindings, VariantFindings } from '../analysis/findings.ts'
import { pairedDifference } from '../base/exact-tests.ts'
import { type MeasureDefinition, measureText } from '../metrics/measure.ts'
import type { Measures } from '../run/events.ts'
import { measuresOf } from '../tasks/measures.ts'
import { barChart } from './bar-charts.ts'
import type { Chart } from './draw.ts'
import { points } from './figures.ts'
import { type Content, html, type Markup, shown, withCharts } from './markup.ts'
import { tone } from './palette.ts'
import { upright } from './paper.ts'
import { chip, figure, numbers, share } from './parts.ts'

/** What is reached with other experts selected in a layer, in a row each. */
interface Row extends Partial<Pick<VariantFindings, 'gained' | 'lost'>> {
  readonly title: Content
  /** The title where there are no chips. */
  readonly plain: string
  readonly measures: Measures
}

/** What a figure of variants shows. */
interface VariantsView {
  /** The measures that have bars; all of them are in the numbers. */
  readonly columns: readonly MeasureDefinition[]
  readonly sentence?: string
}

const usualSentence =
  'The network as trained, except that in this layer other experts are selected; the tick in each bar is the network as trained. There are no intervals here, so which expert is ahead is not said. If it did not matter which expert computes, nothing would change.'

/**
 * What the network reaches with other experts selected in a layer, as a table with bars. Where single images were compared, the
 * numbers have the difference to the network as trained with its interval.
 */
export function variantsFigure(
  { measures, data }: Findings,
  layer: LayerFindings,
  { columns, sentence = usualSentence }: VariantsView,
): Markup {
  const { single, without, byK, equal } = layer.variants
  const groups: readonly (readonly [string, readonly Row[]])[] = [
    ['', [{ title: 'as trained', plain: 'as trained', measures }]],
    [
      'Single expert',
      single.map((own, expert) => ({
        ...own,
        title: html`only ${chip(expert)}`,
        plain: `only expert ${expert}`,
      })),
    ],
    [
      'Leave one out',
      without.map((own, expert) => ({
        ...own,
        title: html`without ${chip(expert)}`,
        plain: `without expert ${expert}`,
      })),
    ],
    [
      'K experts',
      byK.map((own, i) => {
        const title = `K = ${i + 1}${i + 1 === layer.k ? ', as trained' : ''}`
        return { ...own, title, plain: title }
      }),
    ],
    ['Equal weights', [{ ...equal, title: 'equal weights', plain: 'equal weights' }]],
  ]
  const all = groups.flatMap(([, rows]) => rows)
  const isPaired = equal.gained !== null
  const names = Object.keys(measures).filter(name => all.some(row => row !== all[0] && name in row.measures))
  const most = columns.map(({ name }) => Math.max(0.001, ...all.map(row => row.measures[name] ?? 0)))
  const cells = (row: Row): Markup[] =>
    columns.map(
      (one, at) => html`<td>${cell(one, row.measures[one.name], measures[one.name], most[at]!)}</td>`,
    )
  const formats = new Map(measuresOf(measures).map(one => [one.name, one]))
  const body = groups.flatMap(([title, rows]) =>
    rows.length === 0
      ? []
      : [
          html`<tbody>${title === '' ? null : html`<tr><th scope="rowgroup" colspan="${columns.length + 1}">${title}</th></tr>`}${rows.map(row => html`<tr><th scope="row">${row.title}</th>${cells(row)}</tr>\n`)}</tbody>`,
        ],
  )
  const page = figure({
    title: 'Results with other experts',
    sentence,
    width: 520,
    body: html`<table class="variants"><thead><tr><th scope="col"></th>${columns.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead>${body}</table>`,
    after: numbers({
      caption: 'All measures',
      heads: [
        'Experts selected',
        ...names,
        ...(isPaired ? ['against as trained, points', '95 % interval'] : []),
      ],
      rows: all.map(row => [
        row.title,
        ...names.map(name => measureText(formats.get(name) ?? { format: 'fraction' }, row.measures[name])),
        ...(isPaired ? difference(row, data.images) : []),
      ]),
    }),
  })
  return withCharts(
    page,
    columns.map((one, at) => variantsChart(layer, one, all, most[at]!).svg),
  )
}

/** One measure of all variants as bars. */
function variantsChart(
  layer: LayerFindings,
  measure: MeasureDefinition,
  rows: readonly Row[],
  most: number,
): Chart {
  const trained = rows[0]?.measures[measure.name] ?? null
  const value = ({ measures }: Row): number | null => measures[measure.name] ?? null
  return barChart(
    {
      name: `${layer.name}-variants-${measure.name}`,
      label: `${shown(layer.name)}: ${measure.title} with other experts selected`,
      data: rows.map(row => ({
        selected: row.plain,
        [measure.name]: value(row),
        gained: row.gained ?? null,
        lost: row.lost ?? null,
      })),
      legend: [{ text: `numbers: ${measure.title}` }, upright(tone('ink'), 'as trained')],
    },
    rows.map(row => ({
      name: row.plain,
      value: value(row),
      text: measureText(measure, value(row)),
      tick: trained,
    })),
    most,
  )
}

/** The difference to the network as trained on the same images, and its interval. */
function difference({ gained, lost }: Row, images: number): [string, string] {
  if (typeof gained !== 'number' || typeof lost !== 'number') return ['', '']
  const { difference: own, low, high } = pairedDifference({ first: gained, second: lost }, images)
  const signed = (value: number): string => (value > 0 ? `+${points(value)}` : points(value))
  return [signed(own), `${signed(low)} to ${signed(high)}`]
}

/** A number with its bar, and a tick where the trained network is. */
function cell(
  measure: MeasureDefinition,
  value: number | null | undefined,
  trained: number | null | undefined,
  most: number,
): Markup {
  const tick =
    trained === null || trained === undefined ? null : html`<b style="--t:${share(trained, most)}"></b>`
  return html`${measureText(measure, value)}<span class="meter plain"><i style="--v:${share(value ?? 0, most)}"></i>${tick}</span>`
}

export const variantsStyle = `
.variants{width:100%;max-width:44rem;margin-top:1rem;table-layout:fixed}
.variants th:first-child{width:29%}
.variants td{vertical-align:top}
.variants .meter.plain{height:.35rem;margin-top:.2rem;--c:var(--muted)}
.variants .meter>b{background:var(--ink)}
.variants tbody th[scope=rowgroup]{padding-top:1.1rem;font-weight:650;border-bottom-color:var(--muted)}
`
