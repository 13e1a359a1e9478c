import type { LayerFindings } from '../analysis/findings.ts'
import type { Chart } from './draw.ts'
import { percent, times } from './figures.ts'
import { html, type Markup, name, shown } from './markup.ts'
import {
  figured,
  liftCells,
  type MatrixLayout,
  type MatrixRow,
  matrixChart,
  narrow,
} from './matrix-charts.ts'
import { chart, chip, figure, liftLegend, numbers } from './parts.ts'
import {
  byPreference,
  type ClassGroup,
  className,
  preferred,
  type Reading,
  superclassName,
} from './reading.ts'
import { matrixSentence } from './sentences.ts'

/** Superclasses by experts as one chart; null where the data has none. */
export function superclassChart(
  reading: Reading,
  layer: LayerFindings,
  layout: MatrixLayout = figured,
): Chart | null {
  const { bySuperclass } = layer
  if (bySuperclass === null) return null
  const order = byPreference(Array.from(bySuperclass.lift.keys()), bySuperclass.lift)
  const rows = order.map((s): MatrixRow => {
    const title = superclassName(reading, s)
    return {
      name: title,
      cells: liftCells(title, bySuperclass.weight[s] ?? [], bySuperclass.lift[s] ?? [], layer.count),
    }
  })
  return matrixChart(
    `${shown(layer.name)}: weight of each superclass by expert, compared with chance`,
    rows,
    layer.count,
    layout,
  )
}

export function superclassFigure(reading: Reading, layer: LayerFindings): Markup | null {
  const drawn = superclassChart(reading, layer)
  if (drawn === null || layer.bySuperclass === null) return null
  const { weight, lift } = layer.bySuperclass
  return figure({
    title: 'Superclasses by experts',
    sentence: matrixSentence(layer),
    body: chart(drawn),
    after: [
      liftLegend(),
      numbers({
        caption: 'Mean weight of each superclass, and that as a multiple of chance',
        heads: ['Superclass', ...experts(layer)],
        rows: lift.map((row, s) => [
          name(superclassName(reading, s)),
          ...row.map((ratio, expert) => cell(weight[s]?.[expert] ?? null, ratio)),
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
export function classFigure(reading: Reading, layer: LayerFindings): Markup {
  const { lift, weight } = layer.byClass
  const panels = panelsOf(reading, layer)
  const drawn = panels.map(({ title, classes }) => {
    const rows = byPreference(classes, lift).map((c): MatrixRow => {
      const own = className(reading, c)
      return { name: own, cells: liftCells(own, weight[c] ?? [], lift[c] ?? [], layer.count) }
    })
    const chart = matrixChart(
      `${title}: weight of each class by expert, compared with chance`,
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

function panelsOf(
  reading: Reading,
  { byClass, bySuperclass, count }: LayerFindings,
): readonly Omit<ClassGroup, 'superclass'>[] {
  if (bySuperclass !== null) {
    const lift = bySuperclass.lift
    const order = byPreference(Array.from(lift.keys()), lift)
    const rank = (superclass: number | null): number =>
      superclass === null ? lift.length : order.indexOf(superclass)
    return reading.groups.toSorted((a, b) => rank(a.superclass) - rank(b.superclass))
  }
  const all = Array.from(reading.classNames.keys())
  const of = (expert: number | null): number[] => all.filter(c => preferred(byClass.lift[c]) === expert)
  return [
    ...Array.from({ length: count }, (_, expert) => ({
      title: `Placed with expert ${expert}`,
      classes: of(expert),
    })),
    { title: 'Without images', classes: of(null) },
  ].filter(({ classes }) => classes.length > 0)
}

function experts({ count }: LayerFindings): Markup[] {
  return Array.from({ length: count }, (_, expert) => chip(expert))
}

function cell(weight: number | null, lift: number | null): string {
  return weight === null ? '–' : `${percent(weight, 0)} ${times(lift)}`
}
