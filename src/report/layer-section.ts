import type { LayerFindings } from '../analysis/findings.ts'
import { attributeFigures } from './attribute-figures.ts'
import { barChart } from './bar-charts.ts'
import type { Chart } from './draw.ts'
import { bits, fixed, percent } from './figures.ts'
import { unitOf } from './header-section.ts'
import { html, type Markup, name, shown, withCharts } from './markup.ts'
import { liftEntries, matrixChart, narrow, pairRows } from './matrix-charts.ts'
import { informationChart } from './measure-charts.ts'
import { tone } from './palette.ts'
import { upright } from './paper.ts'
import { chanceLegend, chart, chip, figure, liftLegend, numbers } from './parts.ts'
import { trainingChart } from './place-charts.ts'
import { classFigure, groupingFigure } from './preference-figures.ts'
import { anchor, type Reading } from './reading.ts'
import {
  agreementSentence,
  informationSentence,
  layerSummary,
  levelSentence,
  matrixSentence,
  pairChance,
  pairSentence,
  ratio,
  trainingSentence,
} from './sentences.ts'
import type { TaskPage } from './task-page.ts'

/** All there is to see of one layer. */
export function layerSection(reading: Reading, page: TaskPage, layer: LayerFindings, index: number): Markup {
  const id = anchor.layer(index)
  const choice = layer.count > 1
  const preferences = [
    ...page.preferences(layer, index),
    groupingFigure(layer, 'superclass', matrixSentence(page.hasExperts)),
    groupingFigure(layer, 'level', levelSentence(layer)),
    informationFigure(layer),
    pairFigure(layer),
    classFigure(reading, layer),
  ]
  const section = html`<section class="layer" id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name(shown(layer.name))}</h2>
<p class="kicker">${describe(layer)}</p>
<p class="lead">${layerSummary(layer, page.explained(layer))}</p>
${page.experts(layer, index)}
${choice ? block(index, 'preferences', 'What each expert is given', preferences) : null}
${choice ? block(index, 'attributes', 'What images look like, and other attributes', attributeFigures(layer)) : null}
${choice ? page.pictures(layer, index) : null}
${block(index, 'variants', 'Accuracy by expert selection', [...page.variants(layer, index), trainingFigure(layer)])}
${block(index, 'agreement', 'Compared with another run', [agreementFigure(layer)])}
</section>
`
  return withCharts(section, [sharesChart(layer).svg])
}

/** Mean gate weight and selection rate of each expert, with chance. */
function sharesChart({ name: layer, share, activation, count, k }: LayerFindings): Chart {
  const rows = share.flatMap((weight, expert) => [
    { expert, measure: 'weight', value: weight, chance: 1 / count },
    { expert, measure: 'selection', value: activation[expert] ?? null, chance: Math.min(1, k / count) },
  ])
  return barChart(
    {
      name: `${layer}-shares`,
      label: `${shown(layer)}: mean gate weight and selection rate of each expert`,
      data: rows,
      legend: [
        { text: 'weight: mean gate weight; selection: selection rate' },
        upright(tone('ink'), 'chance'),
      ],
    },
    rows.map(({ expert, measure, value, chance }) => ({
      name: `expert ${expert}, ${measure}`,
      value,
      text: percent(value),
      tick: chance,
    })),
    1,
  )
}

function describe(layer: LayerFindings): string {
  const { style, count, k, constraint } = layer
  const made = style === null ? '' : ` in the style ${shown(style)}`
  return `Mixture${made} ${placeWords(layer)}: E = ${count} experts, K = ${k} for each ${unitOf(layer)}, constraint ${shown(constraint)}`
}

function placeWords({ place }: Pick<LayerFindings, 'place'>): string {
  switch (place) {
    case 'classification':
      return 'in the head that says what objects are'
    case 'regression':
      return 'in the head that says where objects are'
    case 'shared':
      return 'in both heads, behind one gate'
    default:
      return place === 0 ? 'in place of the stem' : `at stage ${place} of the backbone`
  }
}

function block(index: number, id: string, title: string, figures: readonly (Markup | null)[]): Markup | null {
  return figures.every(one => one === null)
    ? null
    : html`<section class="block" aria-labelledby="${id}-${index}"><h3 id="${id}-${index}">${title}</h3><div class="figures">${figures}</div></section>\n`
}

function informationFigure(layer: LayerFindings): Markup {
  const { groupings, dependence, inputs } = layer
  const input = inputs === 1 ? 'image' : 'image and level'
  const drawn = informationChart(
    `${shown(layer.name)}: information in bits about the expert: at most ${bits(dependence.most)}, mean weights ${bits(dependence.ofMean)}, ${input} ${bits(dependence.bits)}${groupings.map(({ name: group, information }) => (information === null ? '' : `, ${group} ${bits(information.value)}`)).join('')}`,
    layer,
  )
  const row = (
    title: string,
    one: {
      readonly value: number
      readonly chance: number
      readonly chance95: number
      readonly p: number
    } | null,
    share = '',
  ): string[][] =>
    one === null
      ? []
      : [[title, bits(one.value), share, bits(one.chance), bits(one.chance95), fixed(one.p, 4)]]
  return figure({
    title: 'What decides the expert',
    sentence: informationSentence(layer),
    body: chart(drawn),
    after: [
      chanceLegend('shuffled: mean, and up to the 95th percentile'),
      numbers({
        caption: 'Information about the expert, in bits',
        heads: ['', 'bits', 'share', 'shuffled', '95th percentile', 'p'],
        rows: [
          ['Most: log₂ E', bits(dependence.most), '', '', '', ''],
          ['Mean weights', bits(dependence.ofMean), '', '', '', ''],
          [
            `The ${input}`,
            bits(dependence.bits),
            percent(ratio(dependence.bits, dependence.ofMean)),
            '',
            '',
            '',
          ],
          ...groupings.flatMap(({ name: group, information, withinLevel }) => [
            ...row(`The ${group}`, information, percent(information?.share)),
            ...row(`The ${group}, given the level`, withinLevel),
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
    {
      name: `${layer.name}-pairs`,
      label: `${shown(layer.name)}: how often two experts are chosen together`,
      legend: liftEntries('figures: chosen together, % of inputs'),
      rowsAre: 'with_expert',
    },
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
        caption: 'How often both experts are chosen',
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
function trainingFigure(layer: LayerFindings): Markup {
  const title = 'How the shares came about'
  if (layer.history.length === 0)
    return figure({ title, sentence: 'The training’s log has no shares of this layer.', body: null })
  const experts = layer.share.map((_, expert) => chip(expert))
  return figure({
    title,
    sentence: trainingSentence(layer),
    body: chart(
      trainingChart(`${shown(layer.name)}: mean gate weight of each expert after each epoch`, layer),
    ),
    after: numbers({
      caption: 'Importance of each expert by epoch',
      heads: ['Epoch', ...experts, 'CV', 'Active'],
      rows: layer.history.map(({ epoch, importance, cvImportance, active }) => [
        epoch + 1,
        ...importance.map(value => fixed(value, 3)),
        fixed(cvImportance, 3),
        active,
      ]),
    }),
  })
}
