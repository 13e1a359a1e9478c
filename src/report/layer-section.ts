import type { LayerFindings } from '../analysis/findings.ts'
import { accuracyFigures } from './accuracy-figures.ts'
import { expertsSection } from './experts-section.ts'
import { bits, fixed, percent } from './figures.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { matrixChart, narrow, pairRows } from './matrix-charts.ts'
import { informationChart } from './measure-charts.ts'
import { chanceLegend, chart, chip, figure, liftLegend, numbers } from './parts.ts'
import { mapChart, placesOf, trainingChart } from './place-charts.ts'
import { classFigure, superclassFigure } from './preference-figures.ts'
import { anchor, type Reading, superclassName } from './reading.ts'
import {
  agreementSentence,
  informationSentence,
  layerSummary,
  pairChance,
  pairSentence,
  trainingSentence,
} from './sentences.ts'

/** All there is to see of one layer. */
export function layerSection(reading: Reading, layer: LayerFindings, index: number): Markup {
  const id = anchor.layer(index)
  const choice = layer.count > 1
  return html`<section class="layer" id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name(shown(layer.name))}</h2>
<p class="kicker">${describe(layer)}</p>
<p class="lead">${layerSummary(layer)}</p>
${expertsSection(reading, layer, index)}
${choice ? block(index, 'preferences', 'Which classes go where', [superclassFigure(reading, layer), informationFigure(layer), pairFigure(layer), classFigure(reading, layer)]) : null}
${block(index, 'accuracy', 'What the experts can do', [...accuracyFigures(reading, layer), trainingFigure(layer)])}
${choice ? block(index, 'map', 'How the gate sees the images', mapFigures(reading, layer)) : null}
${block(index, 'agreement', 'Beside another run', [agreementFigure(layer)])}
</section>
`
}

function describe({ style, position, count, k, constraint }: LayerFindings): string {
  const where = position === 0 ? 'in place of the stem' : `at stage ${position}`
  return `Mixture in the style ${shown(style)} ${where}: E = ${count} experts, K = ${k} for each image, constraint ${shown(constraint)}`
}

function block(index: number, id: string, title: string, figures: readonly (Markup | null)[]): Markup | null {
  return figures.every(one => one === null)
    ? null
    : html`<section class="block" aria-labelledby="${id}-${index}"><h3 id="${id}-${index}">${title}</h3><div class="figures">${figures}</div></section>\n`
}

function informationFigure(layer: LayerFindings): Markup {
  const { information, dependence } = layer
  const tested = [
    ['Its class', information.class] as const,
    ...(information.superclass === null ? [] : [['Its superclass', information.superclass] as const]),
  ]
  const drawn = informationChart(
    `${shown(layer.name)}: information in bits about the expert: at most ${bits(dependence.most)}, mean weights ${bits(dependence.ofMean)}, image ${bits(dependence.bits)}, class ${bits(information.class.bits)}`,
    layer,
  )
  return figure({
    title: 'What decides the expert',
    sentence: informationSentence(layer),
    body: chart(drawn),
    after: [
      chanceLegend('shuffled labels: mean, and up to their 95th percentile'),
      numbers({
        caption: 'Information about the expert, in bits',
        heads: ['', 'bits', 'share', 'shuffled', '95th percentile', 'p'],
        rows: [
          ['Most: log₂ E', bits(dependence.most), '', '', '', ''],
          ['Mean weights', bits(dependence.ofMean), '', '', '', ''],
          ['The image', bits(dependence.bits), '', '', '', ''],
          ...tested.map(([title, one]) => [
            title,
            bits(one.bits),
            percent(one.share),
            bits(one.chance),
            bits(one.chance95),
            fixed(one.p, 4),
          ]),
        ],
      }),
    ],
  })
}

function pairFigure(layer: LayerFindings): Markup {
  const chance = pairChance(layer)
  const sentence = pairSentence(layer, chance)
  if (chance <= 0) return figure({ title: 'Chosen together', sentence, body: null })
  const many = layer.count > 8
  const drawn = matrixChart(
    `${shown(layer.name)}: how often two experts are chosen for the same image`,
    pairRows(layer.coactivation, chance),
    layer.count,
    { labels: 64, row: many ? 22 : 30, cell: 52, least: 22 },
  )
  return figure({
    title: 'Chosen together',
    sentence,
    width: Math.max(narrow, drawn.width),
    body: chart(drawn),
    after: [
      liftLegend(),
      numbers({
        caption: 'Share of images that chose both experts',
        heads: ['', ...layer.coactivation.map((_, expert) => chip(expert))],
        rows: layer.coactivation.map((row, expert) => [chip(expert), ...row.map(value => percent(value))]),
      }),
    ],
  })
}

function agreementFigure({ agreement }: LayerFindings): Markup | null {
  if (agreement === null) return null
  return figure({
    title: `The experts of ${shown(agreement.against)}`,
    sentence: agreementSentence(agreement),
    body: html`<div class="chart"><table><thead><tr><th scope="col" class="text">Here</th><th scope="col" class="text">There</th><th scope="col">Correlation</th></tr></thead><tbody>${agreement.pairs.map(({ expert, other, similarity }) => html`<tr><th scope="row">${chip(expert)}</th><td class="text">expert ${other}</td><td>${fixed(similarity, 2)}</td></tr>`)}</tbody></table></div>`,
  })
}

/** Each expert’s share after each epoch. */
export function trainingFigure(
  layer: Pick<LayerFindings, 'name' | 'share' | 'count' | 'overTraining'>,
): Markup {
  const title = 'How the shares came about'
  if (layer.overTraining.length === 0)
    return figure({ title, sentence: 'The training’s log has no shares of this layer.', body: null })
  const experts = layer.share.map((_, expert) => chip(expert))
  return figure({
    title,
    sentence: trainingSentence(layer),
    body: chart(
      trainingChart(`${shown(layer.name)}: share of weight of each expert after each epoch`, layer),
    ),
    after: numbers({
      caption: 'Importance of each expert by epoch',
      heads: ['Epoch', ...experts, 'CV', 'Active'],
      rows: layer.overTraining.map(({ epoch, importance, cvImportance, active }) => [
        epoch,
        ...importance.map(value => fixed(value, 3)),
        fixed(cvImportance, 3),
        active,
      ]),
    }),
  })
}

/** The map as a whole, and one small map for each superclass. */
function mapFigures(reading: Reading, layer: LayerFindings): Markup[] {
  const title = 'A map of the gate’s logits'
  if (layer.map === null)
    return [
      figure({
        title,
        sentence: 'There are too few images for a map, or the gate says the same of all.',
        body: null,
      }),
    ]
  const places = placesOf(layer.map)
  const of = reading.findings.data.superclassOf
  const small = reading.superclassNames.flatMap((_, superclass) => {
    const own = places.filter(({ label }) => of?.[label] === superclass)
    const drawn = mapChart(`${superclassName(reading, superclass)}: ${own.length} images on the map`, own, {
      frame: places,
      side: 132,
      radius: 1.6,
    })
    return own.length === 0
      ? []
      : [html`<div><h5>${name(superclassName(reading, superclass))}</h5>${drawn.svg}</div>`]
  })
  return [
    figure({
      title,
      sentence: `Each of the ${places.length} points is an image; images of which the gate says alike lie side by side (UMAP, ${layer.map.neighbours} neighbours). Colour, and the number amid each colour, is the expert with the most weight. That colours part is no finding, since the logits decide the expert; groups within a colour are. A gate without opinions would draw one even cloud.`,
      body: chart(
        mapChart(`${shown(layer.name)}: map of the gate’s logits of ${places.length} images`, places, {
          frame: places,
          side: 560,
          radius: 2.4,
        }),
        true,
      ),
    }),
    ...(small.length === 0
      ? []
      : [
          figure({
            title: 'The same map, one superclass at a time',
            width: 520,
            sentence:
              'A superclass that sits in one corner is one that the gate knows. One that is spread over the whole map, like a random draw of images, means nothing to it.',
            body: html`<div class="smalls">${small}</div>`,
          }),
        ]),
  ]
}
