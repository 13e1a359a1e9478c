import type { LayerFindings } from '../analysis/findings.ts'
import { percent, wholePercent } from './figures.ts'
import { type Markup, name, shown } from './markup.ts'
import { type Cell, figured, type MatrixRow, matrixChart, narrow } from './matrix-charts.ts'
import { liftColour } from './palette.ts'
import { swatch } from './paper.ts'
import { chart, chip, figure, numbers, stepLegend } from './parts.ts'
import { type ClassGroup, className, groupMean, type Reading } from './reading.ts'

/** What a figure of single experts is about. */
interface SingleView {
  readonly title: string
  readonly sentence: string
  /** Key of `perClass`, and what it is called. */
  readonly measure: string
  readonly measured: string
  /** Stands after a value: `right`. */
  readonly word: string
}

/** Groups of classes by experts: what each expert alone reaches of them; single classes are in the table. */
export function singleFigure(
  reading: Reading,
  layer: LayerFindings,
  { title: heading, sentence, measure, measured, word }: SingleView,
): Markup {
  const trained = reading.findings.perClass[measure] ?? []
  const { single } = layer.variants
  const groups = reading.groups.some(({ superclass }) => superclass !== null)
    ? reading.groups
    : reading.classNames
        .slice(0, mostRows)
        .map((title, c): ClassGroup => ({ superclass: null, title, classes: [c] }))
  const rows = groups.map(({ title, classes }): MatrixRow => {
    const together = groupMean(reading, trained, classes)
    const all: Cell = {
      text: wholePercent(together),
      step: null,
      title: `${title}: ${percent(together)} ${word}`,
      data: { expert: 'all', [measure]: together },
    }
    return {
      name: title,
      cells: [
        all,
        ...single.map(({ perClass }, expert): Cell => {
          const single = groupMean(reading, perClass ?? [], classes)
          return {
            text: wholePercent(single),
            step: nearness(single, together),
            title: `${title}: single expert ${expert} ${percent(single)} ${word}`,
            data: { expert, [measure]: single },
          }
        }),
      ],
    }
  })
  const facts = {
    name: `${layer.name}-single-experts`,
    label: `${shown(layer.name)}: ${measured} of single experts, by class`,
    legend: [
      ...nearnessTexts.map(([step, text]) => swatch(liftColour(step), text)),
      { text: `of what all reach; figures: ${measured}, %` },
    ],
    rowsAre: 'group',
  }
  const drawn = matrixChart(facts, rows, layer.count, { ...figured, first: 'all' })
  return figure({
    title: heading,
    sentence,
    width: Math.max(narrow, drawn.width),
    body: chart(drawn),
    after: [
      stepLegend('of what all reach', nearnessTexts),
      numbers(
        {
          caption: `${measured} of each class, together and by single experts`,
          heads: ['Class', 'all', ...single.map((_, expert) => chip(expert))],
          rows: reading.classNames.map((_, c) => [
            name(className(reading, c)),
            percent(trained[c]),
            ...single.map(({ perClass }) => percent(perClass?.[c])),
          ]),
        },
        'Every class',
      ),
    ],
  })
}

/** Without superclasses, more classes than these are in the table only. */
const mostRows = 40

/** What the steps of {@link nearness} mean. */
const nearnessTexts = [
  [3, '< ¼'],
  [4, '¼–½'],
  [5, '½–0.8'],
  [6, '> 0.8'],
] as const

/** Greener the more of the whole network's accuracy the expert alone has. */
function nearness(single: number | null, together: number | null): number | null {
  if (single === null || together === null || together <= 0) return null
  return [0.25, 0.5, 0.8].filter(bound => single / together >= bound).length + 3
}
