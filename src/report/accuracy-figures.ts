import type { LayerFindings, VariantFindings } from '../analysis/findings.ts'
import { pairedDifference } from '../base/exact-tests.ts'
import { percent, points, wholePercent } from './figures.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { type Cell, figured, type MatrixRow, matrixChart, narrow } from './matrix-charts.ts'
import { accuracyChart } from './measure-charts.ts'
import { chart, chip, figure, numbers, stepLegend } from './parts.ts'
import { type ClassGroup, className, groupAccuracy, type Reading } from './reading.ts'
import { accuracySentence } from './sentences.ts'

/** Accuracy with other experts at work, altogether and class by class. */
export function accuracyFigures(reading: Reading, layer: LayerFindings): Markup[] {
  const { accuracy, data } = reading.findings
  if (data.images === 0)
    return [
      figure({
        title: 'Accuracy with other experts',
        sentence: 'The split has no images to name.',
        body: null,
      }),
    ]
  const baseline = { trained: accuracy.top1, chance: accuracy.chance }
  const label = `${shown(layer.name)}: top-1 accuracy with other experts at work, as trained ${percent(accuracy.top1)}`
  const { single, without, byK, equal } = layer.variants
  return [
    figure({
      title: 'Accuracy with other experts',
      sentence: accuracySentence(layer, baseline),
      body: chart(accuracyChart(label, layer, baseline)),
      after: numbers({
        caption: 'Top-1 accuracy',
        heads: ['Experts at work', 'top-1', 'against as trained, points', '95 % interval'],
        rows: [
          ['as trained', percent(accuracy.top1), '', ''],
          ...byK.map((one, i) => [`K = ${i + 1}`, ...compared(one, data.images)]),
          ['equal weights', ...compared(equal, data.images)],
          ...single.map((one, e) => [html`only ${chip(e)}`, ...compared(one, data.images)]),
          ...without.map((one, e) => [html`without ${chip(e)}`, ...compared(one, data.images)]),
        ],
      }),
    }),
    singleFigure(reading, layer),
  ]
}

/** Accuracy, and the difference to the network as trained on the same images, with its interval. */
function compared({ top1, gained, lost }: VariantFindings, images: number): [string, string, string] {
  const { difference, low, high } = pairedDifference({ first: gained, second: lost }, images)
  const signed = (value: number): string => (value > 0 ? `+${points(value)}` : points(value))
  return [percent(top1), signed(difference), `${signed(low)} to ${signed(high)}`]
}

/** Groups of classes by experts: what each expert alone gets right of them; single classes are in the table. */
function singleFigure(reading: Reading, layer: LayerFindings): Markup {
  const { accuracy } = reading.findings
  const { single } = layer.variants
  const groups = reading.groups.some(({ superclass }) => superclass !== null)
    ? reading.groups
    : reading.classNames
        .slice(0, mostRows)
        .map((title, c): ClassGroup => ({ superclass: null, title, classes: [c] }))
  const rows = groups.map(({ title, classes }): MatrixRow => {
    const together = groupAccuracy(reading, accuracy.perClass, classes)
    const all: Cell = {
      text: wholePercent(together),
      step: null,
      title: `${title}: ${percent(together)} right`,
    }
    return {
      name: title,
      cells: [
        all,
        ...single.map(({ perClass }, expert): Cell => {
          const alone = groupAccuracy(reading, perClass, classes)
          return {
            text: wholePercent(alone),
            step: nearness(alone, together),
            title: `${title}: expert ${expert} alone ${percent(alone)} right`,
          }
        }),
      ],
    }
  })
  const label = `${shown(layer.name)}: accuracy of each expert alone, by class`
  const drawn = matrixChart(label, rows, layer.count, { ...figured, first: 'all' })
  return figure({
    title: 'What each expert gets right alone',
    sentence: `Per cent of images named right by the whole network (all) and by one expert computing every image. The greener, the nearer the expert alone comes to all. Experts without a speciality would have columns of one shade; an expert that knew nothing would get ${percent(accuracy.chance)} everywhere.`,
    width: Math.max(narrow, drawn.width),
    body: chart(drawn),
    after: [
      stepLegend('of what all get right', [
        [3, '< ¼'],
        [4, '¼–½'],
        [5, '½–0.8'],
        [6, '> 0.8'],
      ]),
      numbers(
        {
          caption: 'Top-1 accuracy of each class, together and by each expert alone',
          heads: ['Class', 'all', ...single.map((_, expert) => chip(expert))],
          rows: reading.classNames.map((_, c) => [
            name(className(reading, c)),
            percent(accuracy.perClass[c]),
            ...single.map(({ perClass }) => percent(perClass[c])),
          ]),
        },
        'Every class',
      ),
    ],
  })
}

/** Without superclasses, more classes than these are in the table only. */
const mostRows = 40

/** Greener the more of the whole network's accuracy the expert alone has. */
function nearness(alone: number | null, together: number | null): number | null {
  if (alone === null || together === null || together <= 0) return null
  return [0.25, 0.5, 0.8].filter(bound => alone / together >= bound).length + 3
}
