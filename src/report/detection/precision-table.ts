import type {
  DetectorFindings,
  DetectorLayerFindings,
  PrecisionStats,
} from '../../analysis/detection/findings.ts'
import { type Content, html, type Markup } from '../markup.ts'
import { chip, figure, numbers } from '../parts.ts'
import { precision, precisionSentence } from './detection-words.ts'

/** COCO's names in the order in which it prints them. */
export const statNames = [
  'AP',
  'AP50',
  'AP75',
  'APs',
  'APm',
  'APl',
  'AR1',
  'AR10',
  'AR100',
  'ARs',
  'ARm',
  'ARl',
] as const satisfies readonly (keyof PrecisionStats)[]

/** What the bars show. */
const shownStats = [
  ['AP', 'AP'],
  ['APs', 'small'],
  ['APm', 'medium'],
  ['APl', 'large'],
] as const satisfies readonly (readonly [keyof PrecisionStats, string])[]

interface Row {
  readonly title: Content
  readonly stats: PrecisionStats
}

/** AP of the network with other experts at work in a layer, altogether and by size. */
export function precisionFigure({ stats }: DetectorFindings, layer: DetectorLayerFindings): Markup {
  const { single, without, byK, equal } = layer.variants
  const groups: readonly (readonly [string, readonly Row[]])[] = [
    ['', [{ title: 'as trained', stats }]],
    ['One expert alone', single.map((own, expert) => ({ title: html`only ${chip(expert)}`, stats: own }))],
    [
      'Without one expert',
      without.map((own, expert) => ({ title: html`without ${chip(expert)}`, stats: own })),
    ],
    [
      'K experts',
      byK.map((own, i) => ({ title: `K = ${i + 1}${i + 1 === layer.k ? ', as trained' : ''}`, stats: own })),
    ],
    ['All experts alike', [{ title: 'equal weights', stats: equal }]],
  ]
  const all = groups.flatMap(([, rows]) => rows)
  const most = shownStats.map(([name]) => Math.max(0.001, ...all.map(row => row.stats[name] ?? 0)))
  const cells = (row: Row): Markup[] =>
    shownStats.map(([name], at) => html`<td>${cell(row.stats[name], stats[name], most[at]!)}</td>`)
  const body = groups.flatMap(([title, rows]) =>
    rows.length === 0
      ? []
      : [
          html`<tbody>${title === '' ? null : html`<tr><th scope="rowgroup" colspan="${shownStats.length + 1}">${title}</th></tr>`}${rows.map(row => html`<tr><th scope="row">${row.title}</th>${cells(row)}</tr>\n`)}</tbody>`,
        ],
  )
  return figure({
    title: 'What is found with other experts',
    sentence: precisionSentence(stats.AP),
    width: 520,
    body: html`<table class="precision"><thead><tr><th scope="col"></th>${shownStats.map(([, title]) => html`<th scope="col">${title}</th>`)}</tr></thead>${body}</table>`,
    after: numbers({
      caption: 'COCO’s twelve numbers',
      heads: ['Experts at work', ...statNames],
      rows: all.map(({ title, stats: own }) => [title, ...statNames.map(name => precision(own[name]))]),
    }),
  })
}

/** A number with its bar, and a tick where the trained network is. */
function cell(value: number | null, trained: number | null, most: number): Markup {
  const part = (number: number | null): string =>
    `${(100 * Math.min(1, Math.max(0, (number ?? 0) / most))).toFixed(1)}%`
  const tick = trained === null ? null : html`<b style="--t:${part(trained)}"></b>`
  return html`${precision(value)}<span class="meter plain"><i style="--v:${part(value)}"></i>${tick}</span>`
}

export const precisionStyle = `
.precision{width:100%;max-width:44rem;margin-top:1rem;table-layout:fixed}
.precision th:first-child{width:29%}
.precision td{vertical-align:top}
.precision .meter.plain{height:.35rem;margin-top:.2rem;--c:var(--muted)}
.precision .meter>b{background:var(--ink)}
.precision tbody th[scope=rowgroup]{padding-top:1.1rem;font-weight:650;border-bottom-color:var(--muted)}
`
