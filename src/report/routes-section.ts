import { groupingOf, type LayerFindings } from '../analysis/findings.ts'
import { type MeasureDefinition, measureText } from '../metrics/measure.ts'
import { measuresOf } from '../tasks/measures.ts'
import { barChart, partedChart } from './bar-charts.ts'
import type { Chart } from './draw.ts'
import { percent, whole } from './figures.ts'
import { html, type Markup, name, shown, withCharts } from './markup.ts'
import { expertClass, plainMeter, tile } from './parts.ts'
import { anchor, type ClassGroup, className, type Reading } from './reading.ts'
import type { TaskPage } from './task-page.ts'

/** Narrower parts of a bar have no room for the expert's number. */
const numbered = 0.07
const thumbnails = 4

/** For each class how many images or objects, what the network reaches, and which experts it goes to, layer by layer. */
export function routesSection(reading: Reading, page: TaskPage): Markup {
  const { findings, groups, picturesOf } = reading
  const { layers } = findings
  const pictured = picturesOf.size > 0
  const score = scoreOfClasses(reading, page)
  const { items } = page
  const columns = 3 + Math.max(1, layers.length) + Number(pictured)
  const title = layers.length === 0 ? 'Every class' : 'The route of every class'
  const lead =
    layers.length === 0
      ? `Of each class: its ${items} in the split, and what the network reaches.`
      : `Each bar is the mean weight of the experts over the ${items} of a class; numbers are experts. A class without preferences has the layer’s mean, which heads the column.`
  const section = html`<section class="routes-section" id="routes" aria-labelledby="routes-title"><h2 id="routes-title">${title}</h2>
<p class="lead">${lead}</p>
<div class="filter" hidden><label for="filter">Only classes whose name contains</label><input id="filter" type="search" autocomplete="off"><output aria-live="polite"></output></div>
<table class="${layers.length === 0 ? 'scores' : 'routes'}"><caption class="hidden-text">${title}</caption>
<colgroup><col class="name"><col class="count"><col class="right">${layers.length === 0 ? html`<col>` : layers.map(() => html`<col>`)}${pictured ? html`<col class="pictures">` : null}</colgroup>
<thead><tr><th scope="col" class="text">Class</th><th scope="col">${items === 'images' ? 'Images' : 'Objects'}</th><th scope="col">${score.label}</th>${layers.map(layer => html`<th scope="col" class="text">${shown(layer.name)}${bar(layer.share)}</th>`)}${layers.length === 0 ? html`<td></td>` : null}${pictured ? html`<th scope="col" class="text">Typical</th>` : null}</tr></thead>
${groups.map(group => tableBody(reading, page, score, group, columns, pictured))}</table></section>`
  const charts = groups.flatMap(group => [
    ...layers.map(layer => routesChart(reading, layer, group)),
    ...(layers.length > 0 || score.measure === undefined ? [] : [scoresChart(reading, score, group)]),
  ])
  return withCharts(
    section,
    charts.map(({ svg }) => svg),
  )
}

/** The bars of one group of classes in one layer. */
function routesChart(reading: Reading, layer: LayerFindings, { title, classes }: ClassGroup): Chart {
  const facts = {
    name: `${layer.name}-routes/${title}`,
    label: `${shown(layer.name)}: mean weight of each expert over the classes of ${title}`,
    rowsAre: 'class',
  }
  const weights = groupingOf(layer, 'class')?.affinity.weight ?? []
  return partedChart(
    facts,
    classes.map(index => ({ name: className(reading, index), weights: weights[index] ?? [] })),
  )
}

/** What a plain network reaches for the classes of a group. */
function scoresChart(reading: Reading, score: ClassScores, { title, classes }: ClassGroup): Chart {
  const rows = classes.map(index => ({
    class: className(reading, index),
    score: score.values[index] ?? null,
  }))
  const facts = {
    name: `classes/${title}`,
    label: `${score.label} of each class of ${title}`,
    data: rows,
    legend: [{ text: `numbers: ${score.measure?.title ?? score.label}` }],
  }
  const bars = rows.map(row => ({
    name: row.class,
    value: row.score,
    text: scoreText(score, row.score),
    tick: null,
  }))
  return barChart(facts, bars, 1)
}

/** What the network reaches for each class. */
interface ClassScores {
  readonly label: string
  readonly measure: MeasureDefinition | undefined
  readonly values: readonly (number | null)[]
}

function scoreOfClasses({ findings }: Reading, { classScore }: TaskPage): ClassScores {
  const [measure] = measuresOf(findings.measures)
  const values = (measure && findings.perClass[measure.name]) ?? []
  return { label: classScore ?? measure?.label ?? '', measure, values }
}

function scoreText({ measure }: ClassScores, value: number | null): string {
  return measure === undefined
    ? '–'
    : measure.format === 'percent'
      ? percent(value)
      : measureText(measure, value)
}

function tableBody(
  reading: Reading,
  page: TaskPage,
  score: ClassScores,
  group: ClassGroup,
  columns: number,
  pictured: boolean,
): Markup {
  const heading =
    reading.groups.length === 1 && group.superclass === null
      ? null
      : html`<tr class="group"><th scope="rowgroup" colspan="${columns}">${name(group.title)} ${page.groupScore === undefined ? null : html`<span class="muted">${page.groupScore(group.classes)}</span>`}</th></tr>`
  return html`<tbody>${heading}${group.classes.map(index => row(reading, page, score, index, pictured))}</tbody>
`
}

function row(
  reading: Reading,
  { items }: TaskPage,
  score: ClassScores,
  index: number,
  pictured: boolean,
): Markup {
  const { findings } = reading
  const images = findings.data.perClass[index] ?? 0
  const title = className(reading, index)
  const noItem = items === 'images' ? 'no image' : 'no object'
  const bars = findings.layers.map(layer => {
    const weights = groupingOf(layer, 'class')?.affinity.weight[index]
    return html`<td class="bar"><span class="cell-name">${shown(layer.name)}</span>${weights === undefined ? noRoute(noItem) : bar(weights, images === 0 ? noItem : undefined)}</td>`
  })
  const right = score.values[index] ?? null
  const meter =
    findings.layers.length > 0
      ? null
      : html`<td class="score">${right === null ? null : plainMeter(right)}</td>`
  const pictures = (reading.picturesOf.get(index) ?? []).slice(0, thumbnails)
  const typical = pictured
    ? html`<td class="text pictures">${pictures.length === 0 ? null : html`<span class="thumbs">${pictures.map(one => tile(reading, one, null))}</span>`}</td>`
    : null
  return html`<tr id="${anchor.class(index)}" data-name="${title}"><th scope="row">${name(title)}</th><td><span class="cell-name">${items}</span>${whole(images)}</td><td><span class="cell-name">${score.label.toLowerCase()}</span>${images === 0 ? '–' : scoreText(score, right)}</td>${meter}${bars}${typical}</tr>
`
}

/**
 * The mean weights as parts of one bar, in the order of the experts.
 *
 * @param nothing - said where there is no weight
 */
function bar(weights: readonly (number | null)[], nothing = 'no weight'): Markup {
  const total = weights.reduce<number>((sum, weight) => sum + (weight ?? 0), 0)
  if (!(total > 0)) return noRoute(nothing)
  const parts = weights.flatMap((weight, expert) => {
    const part = (weight ?? 0) / total
    if (part <= 0) return []
    return html`<i class="${expertClass(expert)}" style="--v:${part.toFixed(4)}">${part >= numbered ? expert : null}</i>`
  })
  const words = weights
    .map((weight, expert) => ({ expert, weight: weight ?? 0 }))
    .filter(({ weight }) => weight >= 0.005)
    .map(({ expert, weight }) => `expert ${expert} ${percent(weight, 0)}`)
    .join(', ')
  return html`<span class="route" role="img" aria-label="${words}" title="${words}">${parts}</span>`
}

function noRoute(words: string): Markup {
  return html`<span class="route none">${words}</span>`
}
