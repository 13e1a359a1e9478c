import * as Plot from '@observablehq/plot'
import type {
  DetectorFindings,
  DetectorLayerFindings,
  GroupingTests,
} from '../../analysis/detection/findings.ts'
import { type Chart, draw } from '../draw.ts'
import { bits, fixed, percent, times, whole } from '../figures.ts'
import { html, type Markup, name, shown } from '../markup.ts'
import { liftCells, matrixChart, narrow } from '../matrix-charts.ts'
import { expertColour, expertInk, tone } from '../palette.ts'
import { chart, chip, expertClass, figure, liftLegend, numbers } from '../parts.ts'
import { areaSentence, levelName, levelSentence, sizeSentence, sizeWords, square } from './detection-words.ts'

const chips = ({ count }: DetectorLayerFindings): Markup[] =>
  Array.from({ length: count }, (_, expert) => chip(expert))

/** Levels by experts. */
export function levelFigure(layer: DetectorLayerFindings): Markup | null {
  if (layer.levels === null) return null
  const { weight, lift, activation } = layer.levels.by
  const titled = (level: number): string =>
    `${levelName(level)}${level === 0 ? ', finest' : level === layer.inputs - 1 ? ', coarsest' : ''}`
  const drawn = matrixChart(
    `${shown(layer.name)}: weight of each level of the pyramid by expert, compared with chance`,
    weight.map((row, level) => ({
      name: titled(level),
      cells: liftCells(titled(level), row, lift[level] ?? [], layer.count),
    })),
    layer.count,
    { labels: 84, row: 30, cell: 56, least: 22 },
  )
  return figure({
    title: 'Levels by experts',
    sentence: levelSentence(layer),
    width: Math.max(narrow, drawn.width),
    body: chart(drawn),
    after: [
      liftLegend(),
      numbers({
        caption:
          'Mean weight of each level, as a multiple of chance, and how many images chose the expert there',
        heads: ['Level', ...chips(layer)],
        rows: weight.map((row, level) => [
          levelName(level),
          ...row.map(
            (value, e) =>
              `${percent(value)} ${times(lift[level]?.[e])}, ${percent(activation[level]?.[e], 0)}`,
          ),
        ]),
      }),
    ],
  })
}

/** Who computes small, medium and large objects: a bar each, parted by weight. */
export function sizeFigure(layer: DetectorLayerFindings): Markup {
  const { objects, by, top } = layer.sizes
  const bars = by.weight.map((row, size) => {
    const title = sizeWords[size] ?? ''
    const parts = row.map((value, expert) => {
      const share = value ?? 0
      return share <= 0
        ? null
        : html`<i class="${expertClass(expert)}" style="--v:${share.toFixed(4)}" title="expert ${expert}: ${percent(share)}">${share >= 0.05 ? expert : null}</i>`
    })
    const empty = (objects[size] ?? 0) === 0
    const words = row.map((value, expert) => `expert ${expert} ${percent(value, 0)}`).join(', ')
    return html`<li><span>${title} <small>${whole(objects[size])}</small></span>${
      empty
        ? html`<span class="route none">no such object</span>`
        : html`<span class="route" role="img" aria-label="${title} objects: ${words}">${parts}</span>`
    }</li>\n`
  })
  return figure({
    title: 'Sizes by experts',
    sentence: sizeSentence(layer),
    width: 420,
    body: html`<ol class="sizes">${bars}</ol>`,
    after: [
      html`<p class="legend"><span>parts of a bar: each expert’s mean weight over the objects of that size, whose count is beside it</span></p>`,
      numbers({
        caption: 'Mean weight, as a multiple of chance, and objects whose top expert it is',
        heads: ['Objects', ...chips(layer)],
        rows: by.weight.map((row, size) => [
          sizeWords[size] ?? '',
          ...row.map(
            (value, e) => `${percent(value)} ${times(by.lift[size]?.[e])}, ${whole(top[size]?.[e])}`,
          ),
        ]),
      }),
    ],
  })
}

/** Median areas on a line of side lengths. */
export function areaFigure(layer: DetectorLayerFindings, data: DetectorFindings['data']): Markup {
  return figure({
    title: 'How large are an expert’s objects?',
    sentence: areaSentence(layer, data),
    body: chart(areaChart(layer, data)),
    after: numbers({
      caption: 'Median area, as a square in pixels',
      heads: ['Expert', 'by weight', 'as top expert'],
      rows: layer.medianArea.weighted.map((area, expert) => [
        chip(expert),
        square(area),
        square(layer.medianArea.top[expert]),
      ]),
    }),
  })
}

interface Median {
  readonly expert: number
  readonly side: number
}

function areaChart(
  { name: own, medianArea, count }: DetectorLayerFindings,
  { sizes }: DetectorFindings['data'],
): Chart {
  const of = (areas: readonly (number | null)[]): Median[] =>
    areas.flatMap((area, expert) => (area === null || area <= 0 ? [] : [{ expert, side: Math.sqrt(area) }]))
  const [weighted, top] = [of(medianArea.weighted), of(medianArea.top)]
  const sides = [...weighted, ...top].map(({ side }) => side)
  const [low, high] = [Math.min(sizes[0], ...sides) / 1.5, Math.max(sizes[1], ...sides) * 1.5]
  const experts = Array.from({ length: count }, (_, expert) => expert)
  const ticks = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].filter(tick => tick >= low && tick <= high)
  const colour = { value: (d: Median) => expertColour(d.expert), scale: null }
  return draw(`${shown(own)}: median size of each expert’s objects`, {
    width: narrow,
    height: count * 26 + 44,
    marginLeft: 30,
    marginRight: 56,
    marginTop: 16,
    marginBottom: 28,
    style: { fontSize: '11px' },
    x: {
      type: 'log',
      domain: [low, high],
      ticks,
      tickFormat: (tick: number) => String(tick),
      label: null,
      tickSize: 0,
    },
    y: { axis: null, type: 'band', domain: experts, padding: 0 },
    marks: [
      Plot.ruleX([...sizes], { stroke: tone('muted'), strokeDasharray: '3 3' }),
      ...(medianArea.all === null ? [] : [Plot.ruleX([Math.sqrt(medianArea.all)], { stroke: tone('ink') })]),
      Plot.text(
        [
          { x: Math.sqrt(low * sizes[0]), text: 'small' },
          { x: Math.sqrt(sizes[0] * sizes[1]), text: 'medium' },
          { x: Math.sqrt(sizes[1] * high), text: 'large' },
        ],
        { x: 'x', text: 'text', frameAnchor: 'top', dy: -9, fill: tone('muted'), fontSize: 10 },
      ),
      Plot.dot(top, { x: 'side', y: 'expert', r: 6.5, stroke: colour, strokeWidth: 1.5 }),
      Plot.dot(weighted, { x: 'side', y: 'expert', r: 4, fill: colour }),
      Plot.text(experts, {
        y: (d: number) => d,
        frameAnchor: 'right',
        textAnchor: 'end',
        dx: 54,
        text: (d: number) => square(medianArea.weighted[d]),
        fontVariant: 'tabular-nums',
      }),
      Plot.dot(experts, {
        y: (d: number) => d,
        frameAnchor: 'left',
        dx: -18,
        r: 8,
        fill: { value: expertColour, scale: null },
      }),
      Plot.text(experts, {
        y: (d: number) => d,
        frameAnchor: 'left',
        textAnchor: 'middle',
        dx: -18,
        text: String,
        fontSize: 9.5,
        fontWeight: 600,
        fill: { value: expertInk, scale: null },
      }),
    ],
  })
}

/** All tests of a layer in one table. */
export function testsFigure(layer: DetectorLayerFindings): Markup | null {
  const row = (title: string, { value, chance, chance95, p }: GroupingTests['information'], share = '') => [
    title,
    bits(value),
    share,
    bits(chance),
    bits(chance95),
    fixed(p, 4),
  ]
  const group = (title: string, tests: GroupingTests | null) =>
    tests === null
      ? []
      : [
          row(title, tests.information, percent(tests.share)),
          ...(tests.withinLevel === null ? [] : [row(`${title}, given the level`, tests.withinLevel)]),
        ]
  const { levels, sizes, classes, dependence } = layer
  const tested = levels?.information ?? sizes.tests?.information ?? null
  if (tested === null) return null
  const table = {
    caption: `Information about the expert, in bits; chance over ${whole(tested.permutations)} permutations of units: their mean, and up to the 95th percentile`,
    heads: ['', 'bits', 'share', 'chance', 'up to', 'p'],
    rows: [
      [
        'Image and level',
        bits(dependence.bits),
        percent(share(dependence.bits, dependence.ofMean)),
        '',
        '',
        '',
      ],
      ...(levels === null ? [] : [row('The level', levels.information, percent(levels.share))]),
      ...group('Size', sizes.tests),
      ...group('Class', classes.tests),
    ],
  }
  return figure({
    title: 'What decides the expert',
    sentence:
      'Objects of one level of one image share its expert and are no independent witnesses: what is shuffled are whole units, of all levels or, given the level, from image to image.',
    width: 460,
    body: html`<div class="wide-table"><table class="tests"><caption>${table.caption}</caption><thead><tr>${table.heads.map(head => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${table.rows.map(([first, ...cells]) => html`<tr><th scope="row">${first ?? ''}</th>${cells.map(cell => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`,
  })
}

function share(part: number, of: number): number | null {
  return of > 0 ? part / of : null
}

/** Classes by experts; those without objects are left out. */
export function classFigure(layer: DetectorLayerFindings, data: DetectorFindings['data']): Markup | null {
  const { weight, lift } = layer.classes.by
  const order = Array.from(data.classes.keys())
    .filter(label => (data.perClass[label] ?? 0) > 0 && (weight[label]?.[0] ?? null) !== null)
    .toSorted((a, b) => favourite(lift[a]) - favourite(lift[b]) || a - b)
  if (order.length === 0) return null
  const title = (label: number): string => shown(data.classes[label] ?? '')
  const drawn = matrixChart(
    `${shown(layer.name)}: weight of the objects of each class by expert, compared with chance`,
    order.map(label => ({
      name: title(label),
      cells: liftCells(title(label), weight[label] ?? [], lift[label] ?? [], layer.count),
    })),
    layer.count,
    { labels: 110, row: 21, cell: 48, least: 22 },
  )
  return figure({
    title: 'Classes by experts',
    sentence:
      'Mean weights of each class’s objects in per cent, coloured by how they compare with chance. Classes come in sizes, too: where a class has a home, look whether its objects are of one size.',
    width: Math.max(narrow, drawn.width),
    body: chart(drawn),
    after: [
      liftLegend(),
      numbers({
        caption: 'Mean weight, and that as a multiple of chance',
        heads: ['Class', 'objects', ...chips(layer)],
        rows: order.map(label => [
          name(title(label)),
          whole(data.perClass[label]),
          ...(weight[label] ?? []).map((value, e) => `${percent(value)} ${times(lift[label]?.[e])}`),
        ]),
      }),
    ],
  })
}

/** The expert with the largest lift. */
function favourite(lift: readonly (number | null)[] = []): number {
  const values = lift.map(value => value ?? 0)
  return values.indexOf(Math.max(...values))
}

export const sizesStyle = `
.sizes{display:grid;gap:.55rem;margin-top:1rem;max-width:44rem}
.sizes li{display:grid;grid-template-columns:6.6rem minmax(0,1fr);gap:.75rem;align-items:center;font-size:.875rem}
.sizes small{color:var(--muted);margin-left:.25rem;font-variant-numeric:tabular-nums}
.sizes .route{height:1.6rem}
.wide-table{overflow-x:auto;margin-top:1rem}
.wide-table th,.wide-table td{white-space:nowrap}
.wide-table .tests th:first-child{white-space:normal}
.tests caption{max-width:24rem}
@media screen and (max-width:36rem){.tests th,.tests td{padding-inline:.3rem}.tests caption{max-width:20rem}}
`
