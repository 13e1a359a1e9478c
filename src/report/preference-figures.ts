import { groupingOf, type LayerFindings } from '../analysis/findings.ts'
import type { Chart } from './draw.ts'
import { percent, times, whole } from './figures.ts'
import { html, type Markup, name, shown } from './markup.ts'
import {
  figured,
  liftCells,
  liftEntries,
  type MatrixLayout,
  type MatrixRow,
  matrixChart,
  narrow,
} from './matrix-charts.ts'
import { chart, chip, figure, liftLegend, numbers } from './parts.ts'
import { byPreference, type ClassGroup, className, preferred, type Reading } from './reading.ts'

/** How a grouping is shown: titles, layout, and whether its rows are put together by the expert that they prefer. */
interface GroupingView {
  readonly title: string
  /** What a group is called in a table. */
  readonly head: string
  readonly layout: MatrixLayout
  readonly byPreference: boolean
}

const views: Readonly<Record<'superclass' | 'level', GroupingView>> = {
  superclass: {
    title: 'Superclasses by experts',
    head: 'Superclass',
    layout: figured,
    byPreference: true,
  },
  level: {
    title: 'Levels by experts',
    head: 'Level',
    layout: { labels: 84, row: 30, cell: 56, least: 22 },
    byPreference: false,
  },
}

/** What the figures of these matrices are. */
const figuresAre = 'figures: mean weight, %'

/** Groups by experts as one chart; null where the layer has no such grouping. */
export function groupingChart(layer: LayerFindings, name: keyof typeof views): Chart | null {
  const grouping = groupingOf(layer, name)
  if (grouping === undefined) return null
  const { names, affinity } = grouping
  const all = Array.from(names.keys())
  const order = views[name].byPreference ? byPreference(all, affinity.lift) : all
  const rows = order.map((group): MatrixRow => {
    const title = shown(names[group] ?? '')
    return {
      name: title,
      cells: liftCells(title, affinity.weight[group] ?? [], affinity.lift[group] ?? [], layer.count),
    }
  })
  return matrixChart(
    {
      name: `${layer.name}-${name === 'superclass' ? 'superclasses' : 'levels'}`,
      label: `${shown(layer.name)}: weight of each ${name} by expert, compared with chance`,
      legend: liftEntries(figuresAre),
      rowsAre: name,
    },
    rows,
    layer.count,
    views[name].layout,
  )
}

export function groupingFigure(
  layer: LayerFindings,
  key: keyof typeof views,
  sentence: string,
): Markup | null {
  const drawn = groupingChart(layer, key)
  const grouping = groupingOf(layer, key)
  if (drawn === null || grouping === undefined) return null
  const { names, affinity, counts } = grouping
  return figure({
    title: views[key].title,
    sentence,
    body: chart(drawn),
    after: [
      liftLegend(),
      numbers({
        caption: `Mean weight of each ${key}, and that as a multiple of chance`,
        heads: [views[key].head, 'number', ...experts(layer)],
        rows: affinity.lift.map((row, group) => [
          name(shown(names[group] ?? '')),
          whole(counts[group]),
          ...row.map((ratio, expert) => cell(affinity.weight[group]?.[expert] ?? null, ratio)),
        ]),
      }),
    ],
    width: Math.max(narrow, drawn.width),
  })
}

/**
 * Classes by experts: a panel for each superclass, in the order in which the superclasses prefer experts; without superclasses
 * a panel for each expert, with the classes that prefer it.
 */
export function classFigure(reading: Reading, layer: LayerFindings): Markup | null {
  const grouping = groupingOf(layer, 'class')
  if (grouping === undefined) return null
  const { lift, weight } = grouping.affinity
  const panels = panelsOf(reading, layer)
  const drawn = panels.map(({ title, classes }) => {
    const rows = byPreference(classes, lift).map((c): MatrixRow => {
      const own = className(reading, c)
      return { name: own, cells: liftCells(own, weight[c] ?? [], lift[c] ?? [], layer.count) }
    })
    const chart = matrixChart(
      {
        name: `${layer.name}-classes/${title}`,
        label: `${title}: weight of each class by expert, compared with chance`,
        legend: liftEntries(figuresAre),
        rowsAre: 'class',
      },
      rows,
      layer.count,
      {
        labels: layer.count > 8 ? 120 : 150,
        row: 19,
        cell: 42,
      },
    )
    return {
      width: chart.width,
      panel: html`<section class="panel"><h5>${name(title)}</h5>${chart.svg}</section>\n`,
    }
  })
  return figure({
    title: 'Classes by experts',
    sentence: `Each row is a class: its mean weights in per cent${layer.count > 6 ? ' (in the table)' : ''}, coloured by how they compare with chance. Classes stand with the expert for which their ratio to chance is largest, whether or not that is beyond chance. Rows of one superclass that look alike are its common route; if experts ignored classes, all would be grey.`,
    body: html`<div class="panels" style="--w:${Math.max(narrow, ...drawn.map(({ width }) => width))}px">${drawn.map(({ panel }) => panel)}</div>`,
    after: [
      liftLegend(),
      numbers({
        caption: 'Mean weight of each class, and that as a multiple of chance',
        heads: ['Class', ...experts(layer)],
        rows: lift.map((row, c) => [
          name(className(reading, c)),
          ...row.map((ratio, expert) => cell(weight[c]?.[expert] ?? null, ratio)),
        ]),
      }),
    ],
    width: 'all',
  })
}

function panelsOf(reading: Reading, layer: LayerFindings): readonly Omit<ClassGroup, 'superclass'>[] {
  const bySuperclass = groupingOf(layer, 'superclass')
  if (bySuperclass !== undefined) {
    const { lift } = bySuperclass.affinity
    const order = byPreference(Array.from(lift.keys()), lift)
    const rank = (superclass: number | null): number =>
      superclass === null ? lift.length : order.indexOf(superclass)
    return reading.groups.toSorted((a, b) => rank(a.superclass) - rank(b.superclass))
  }
  const byClass = groupingOf(layer, 'class')
  const all = Array.from(reading.classNames.keys())
  const of = (expert: number | null): number[] =>
    all.filter(c => preferred(byClass?.affinity.lift[c]) === expert)
  return [
    ...Array.from({ length: layer.count }, (_, expert) => ({
      title: `Placed with expert ${expert}`,
      classes: of(expert),
    })),
    { title: 'Without items', classes: of(null) },
  ].filter(({ classes }) => classes.length > 0)
}

function experts({ count }: LayerFindings): Markup[] {
  return Array.from({ length: count }, (_, expert) => chip(expert))
}

function cell(weight: number | null, lift: number | null): string {
  return weight === null ? '–' : `${percent(weight, 0)} ${times(lift)}`
}
