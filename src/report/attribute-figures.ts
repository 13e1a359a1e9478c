import { type AttributeFindings, explainedBest, type LayerFindings } from '../analysis/findings.ts'
import { significanceLevel } from '../base/exact-tests.ts'
import { bits, exactly, fixed, list, percent, significance, times, whole } from './figures.ts'
import { type Markup, name, shown } from './markup.ts'
import { figured, liftCells, liftEntries, type MatrixRow, matrixChart, narrow } from './matrix-charts.ts'
import { attributesChart } from './measure-charts.ts'
import { chanceLegend, chart, chip, figure, liftLegend, numbers } from './parts.ts'

/** What attributes of images say about the experts: information, and a matrix for each attribute. */
export function attributeFigures(layer: LayerFindings): (Markup | null)[] {
  if (layer.attributes.length === 0) return [null]
  return [informationFigure(layer), ...layer.attributes.map((_, at) => matrixFigure(layer, at))]
}

function informationFigure(layer: LayerFindings): Markup {
  const tested = layer.attributes.filter(({ information }) => information !== null)
  const title = 'What attributes say about the expert'
  if (tested.length === 0) return figure({ title, sentence: attributesSentence(layer), body: null })
  const row = (
    heading: string,
    one: AttributeFindings['ofClass'],
    share: number | null = null,
  ): string[][] =>
    one === null
      ? []
      : [
          [
            heading,
            bits(one.value),
            share === null ? '' : percent(share),
            bits(one.chance),
            bits(one.chance95),
            fixed(one.p, 4),
          ],
        ]
  return figure({
    title,
    sentence: attributesSentence(layer),
    body: chart(
      attributesChart(
        `${shown(layer.name)}: bits that attributes of images tell about the expert${tested.map(one => `, ${shown(one.name)} ${bits(one.information?.value)}`).join('')}`,
        layer,
      ),
    ),
    after: [
      chanceLegend('shuffled: mean, and up to the 95th percentile'),
      numbers({
        caption: 'Information about the expert, in bits',
        heads: ['', 'bits', 'share', 'shuffled', '95th percentile', 'p'],
        rows: tested.flatMap(({ name: own, information, ofClass, givenLevel, givenClass, classGiven }) => [
          ...row(shown(own), information, information?.share),
          ...row(`${shown(own)}, given the level`, givenLevel),
          ...row(`${shown(own)}, given the class`, givenClass),
          ...row('the class, over the same images', ofClass),
          ...row(`the class, given ${shown(own)}`, classGiven),
        ]),
      }),
    ],
  })
}

/** How to read the bars, and the attribute that predicts the expert best, if that is beyond doubt. */
function attributesSentence({ attributes, attributeLeads, inputs }: LayerFindings): string {
  const same = attributes.flatMap(({ name: own, information }) => (information === null ? [shown(own)] : []))
  const constant =
    same.length === 0
      ? ''
      : ` ${capital(list(same))} ${same.length === 1 ? 'is' : 'are'} the same for all images.`
  if (same.length === attributes.length) return constant.trim()
  const { choice } = attributeLeads
  const called = (at: number): string => shown(attributes[at]?.name ?? '')
  const best =
    choice === null
      ? ' None of them tells anything beyond chance.'
      : choice.p > significanceLevel || choice.difference === null || choice.second === null
        ? ''
        : ` Of them, ${called(choice.first)} predicts the expert best: by ${bits(choice.gain)} bits an image better than the mean weights do, by ${bits(choice.difference)} better than ${called(choice.second)} (${exactly(choice.p)}).`
  const within =
    inputs === 1
      ? 'Given the class, only images with the same classes are shuffled: what is left is what the attribute tells beyond them.'
      : 'An image counts with the mean weights of its levels; given the level, weights of the same level are compared. Images are shuffled with all their levels.'
  return `Bits that an attribute of the image tells about its expert. If routing ignored it, its bars would end at the red tick. ${within}${best}${constant}`
}

function matrixFigure(layer: LayerFindings, at: number): Markup | null {
  const { name: attribute, source, names, counts, missing, affinity, information } = layer.attributes[at]!
  if (information === null) return null
  const rows = names.map((group, row): MatrixRow => {
    const title = shown(group)
    return {
      name: title,
      cells: liftCells(title, affinity.weight[row] ?? [], affinity.lift[row] ?? [], layer.count),
    }
  })
  const drawn = matrixChart(
    {
      name: `${layer.name}-attributes/${attribute.replaceAll('/', '-')}`,
      label: `${shown(layer.name)}: weight of each group of ${shown(attribute)} by expert, compared with chance`,
      legend: liftEntries('figures: mean weight, %'),
      rowsAre: 'group',
    },
    rows,
    layer.count,
    { ...figured, labels: 120 },
  )
  const of = Array.from(layer.share.keys()).filter(
    expert => layer.attributeLeads.experts[expert]?.first === at && explainedBest(layer, expert) !== null,
  )
  const best =
    of.length === 0
      ? ''
      : ` It explains expert${of.length === 1 ? '' : 's'} ${list(of.map(String))} better than every other attribute does.`
  const left = missing === 0 ? '' : ` ${whole(missing)} images without a value are left out.`
  const what = source === 'given' ? 'Given in a file' : (measured[attribute] ?? '')
  return figure({
    title: capital(shown(attribute)),
    sentence: `${what}. Figures are mean weights in per cent; colour compares them with chance (${significance(information.p, information.permutations)}).${best}${left}`,
    body: chart(drawn),
    after: [
      liftLegend(),
      numbers({
        caption: `Mean weight by ${shown(attribute)}, and that as a multiple of chance`,
        heads: [capital(shown(attribute)), 'images', ...layer.share.map((_, expert) => chip(expert))],
        rows: names.map((group, row) => [
          name(shown(group)),
          whole(counts[row]),
          ...layer.share.map((_, expert) => {
            const weight = affinity.weight[row]?.[expert] ?? null
            return weight === null
              ? '–'
              : `${percent(weight, 0)} ${times(affinity.lift[row]?.[expert] ?? null)}`
          }),
        ]),
      }),
    ],
    width: Math.max(narrow, drawn.width),
  })
}

const measured: Readonly<Record<string, string>> = {
  colour: 'The mean colour of an image: grey, pale and vivid are thirds of its chroma',
  brightness: 'Mean luma of an image, 0 to 1, by fifths',
  texture: 'Spatial frequency of an image in cycles per pixel, by fifths: the more, the finer',
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
