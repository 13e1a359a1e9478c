import * as Plot from '@observablehq/plot'
import { type DetectionExtras, groupingOf, type LayerFindings } from '../../analysis/findings.ts'
import { partedChart } from '../bar-charts.ts'
import { type Chart, draw, sign } from '../draw.ts'
import { percent, times, whole } from '../figures.ts'
import { html, type Markup, shown, withCharts } from '../markup.ts'
import { narrow } from '../matrix-charts.ts'
import { expertColour, expertInk, tone } from '../palette.ts'
import { drawnSign, upright } from '../paper.ts'
import { chart, chip, expertClass, figure, numbers } from '../parts.ts'
import { areaSentence, type DetectorLayer, sizeSentence, square } from './detection-words.ts'

/** Who computes small, medium and large objects: a bar each, parted by weight. */
export function sizeFigure(layer: LayerFindings): Markup | null {
  const grouping = groupingOf(layer, 'size')
  if (grouping === undefined) return null
  const { names, counts, affinity, top } = grouping
  const bars = affinity.weight.map((row, size) => {
    const title = names[size] ?? ''
    const parts = row.map((value, expert) => {
      const share = value ?? 0
      return share <= 0
        ? null
        : html`<i class="${expertClass(expert)}" style="--v:${share.toFixed(4)}" title="expert ${expert}: ${percent(share)}">${share >= 0.05 ? expert : null}</i>`
    })
    const empty = (counts[size] ?? 0) === 0
    const words = row.map((value, expert) => `expert ${expert} ${percent(value, 0)}`).join(', ')
    return html`<li><span>${title} <small>${whole(counts[size])}</small></span>${
      empty
        ? html`<span class="route none">no such object</span>`
        : html`<span class="route" role="img" aria-label="${title} objects: ${words}">${parts}</span>`
    }</li>\n`
  })
  const page = figure({
    title: 'Sizes by experts',
    sentence: sizeSentence(grouping),
    width: 420,
    body: html`<ol class="sizes">${bars}</ol>`,
    after: [
      html`<p class="legend"><span>parts of a bar: each expert’s mean weight over the objects of that size, whose count is next to it</span></p>`,
      numbers({
        caption: 'Mean weight, as a multiple of chance, and objects whose top expert it is',
        heads: ['Objects', ...layer.share.map((_, expert) => chip(expert))],
        rows: affinity.weight.map((row, size) => [
          names[size] ?? '',
          ...row.map(
            (value, e) => `${percent(value)} ${times(affinity.lift[size]?.[e])}, ${whole(top[size]?.[e])}`,
          ),
        ]),
      }),
    ],
  })
  const facts = {
    name: `${layer.name}-sizes`,
    label: `${shown(layer.name)}: mean weight of each expert over objects of a size`,
    rowsAre: 'size',
  }
  const parted = names.map((size, at) => ({
    name: `${size}, ${whole(counts[at])} objects`,
    weights: affinity.weight[at] ?? [],
  }))
  return withCharts(page, [partedChart(facts, parted).svg])
}

/** Median areas on a line of side lengths. */
export function areaFigure(
  layer: LayerFindings,
  own: DetectorLayer,
  extras: Pick<DetectionExtras, 'sizes'>,
): Markup {
  return figure({
    title: 'How large are an expert’s objects?',
    sentence: areaSentence(own, extras),
    body: chart(areaChart(layer, own, extras)),
    after: numbers({
      caption: 'Median area, as a square in pixels',
      heads: ['Expert', 'by weight', 'as top expert'],
      rows: own.medianArea.weighted.map((area, expert) => [
        chip(expert),
        square(area),
        square(own.medianArea.top[expert]),
      ]),
    }),
  })
}

interface Median {
  readonly expert: number
  readonly side: number
}

function areaChart(
  { name, count }: LayerFindings,
  { medianArea }: DetectorLayer,
  { sizes }: Pick<DetectionExtras, 'sizes'>,
): Chart {
  const of = (areas: readonly (number | null)[]): Median[] =>
    areas.flatMap((area, expert) => (area === null || area <= 0 ? [] : [{ expert, side: Math.sqrt(area) }]))
  const [weighted, top] = [of(medianArea.weighted), of(medianArea.top)]
  const sides = [...weighted, ...top].map(({ side }) => side)
  const [low, high] = [Math.min(sizes[0], ...sides) / 1.5, Math.max(sizes[1], ...sides) * 1.5]
  const experts = Array.from({ length: count }, (_, expert) => expert)
  const ticks = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].filter(tick => tick >= low && tick <= high)
  const colour = { value: (d: Median) => expertColour(d.expert), scale: null }
  const side = (area: number | null | undefined): number | null =>
    area === null || area === undefined ? null : Math.sqrt(area)
  const ring = { x: 0.5, y: 0.5, stroke: tone('ink') }
  const facts = {
    name: `${name}-areas`,
    label: `${shown(name)}: median size of each expert’s objects`,
    data: experts.map(expert => ({
      expert,
      median_side_by_weight: side(medianArea.weighted[expert]),
      median_side_as_top_expert: side(medianArea.top[expert]),
    })),
    legend: [
      { text: 'side of the square of the median area, pixels:' },
      drawnSign(sign('by weight', [Plot.dot([0], { ...ring, r: 4, fill: tone('ink') })]).text, 'by weight'),
      drawnSign(sign('as top expert', [Plot.dot([0], { ...ring, r: 6 })]).text, 'as top expert'),
      ...(medianArea.all === null ? [] : [upright(tone('ink'), 'all objects')]),
    ],
  }
  return draw(facts, {
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

export const sizesStyle = `
.sizes{display:grid;gap:.55rem;margin-top:1rem;max-width:44rem}
.sizes li{display:grid;grid-template-columns:6.6rem minmax(0,1fr);gap:.75rem;align-items:center;font-size:.875rem}
.sizes small{color:var(--muted);margin-left:.25rem;font-variant-numeric:tabular-nums}
.sizes .route{height:1.6rem}
`
