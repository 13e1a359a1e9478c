import type {
  ClassAnswers,
  ClassificationExtras,
  LabelAnswers,
  MultiLabelExtras,
} from '../analysis/findings.ts'
import { calibrationFigure } from './calibration-figure.ts'
import { confusionFigure } from './confusion-figure.ts'
import type { Definition } from './definitions-section.ts'
import { fixed, percent, whole } from './figures.ts'
import { type Content, html, type Markup, name, shown } from './markup.ts'
import { chip, classNamed, tile } from './parts.ts'
import { anchor, className, type Reading } from './reading.ts'
import { wideTable } from './wide-table.ts'

/** Where on the page mistakes are. */
export const answersAnchor = 'mistakes'

/** What a classifier confuses, how sure it is, its most confident mistakes, and precision, recall and F1 of each class. */
export function answersSection(reading: Reading, { answers }: ClassificationExtras): Markup | null {
  if (answers === undefined || reading.findings.data.images === 0) return null
  return answersBlock(html`<div class="figures">${confusionFigure(reading, answers.confusion)}${calibrationFigure(
    answers.calibration,
    { items: 'answers', right: 'right', confidence: 'the probability of the class that is named' },
  )}</div>
${block('confident', 'The most confident mistakes', mistakes(reading, answers))}
${block('scores', 'Precision, recall and F1', scores(reading, answers))}`)
}

/** The same of a multi-label network, whose thresholds stand in a table of their own. */
export function labelAnswersSection(reading: Reading, { answers }: MultiLabelExtras): Markup | null {
  if (answers === undefined || reading.findings.data.images === 0) return null
  const tiles = (words: string, own: LabelAnswers['mistakes']['found']): Markup =>
    tilesOf(
      reading,
      own.map(({ image, label, probability, experts }) => ({
        ...{ image, experts },
        text: html`${words} <b>${classNamed(reading, label)}</b>, ${percent(probability)}`,
      })),
    )
  const { found, missed } = answers.mistakes
  return answersBlock(html`<div class="figures">${calibrationFigure(answers.calibration, {
    items: 'labels',
    right: 'shown by their image',
    confidence: 'a label’s probability',
  })}</div>
${block('confident', 'Found, but not labelled', html`${lead('At the thresholds of the classes, the most probable first; labels that are missing in the data are among them.')}${tiles('finds', found)}`)}
${block('confident-missed', 'Labelled, but missed', html`${lead('The least probable first.')}${tiles('misses', missed)}`)}`)
}

/** The section of the page that is about right and wrong. */
export function answersBlock(body: Markup): Markup {
  return html`<section id="${answersAnchor}" aria-labelledby="mistakes-title"><h2 id="mistakes-title">Right and wrong</h2>
${body}</section>
`
}

function block(id: string, title: string, body: Markup): Markup {
  return html`<section class="block" aria-labelledby="${id}-title"><h3 id="${id}-title">${title}</h3>${body}</section>\n`
}

function lead(text: string): Markup {
  return html`<p class="lead small muted">${text}</p>`
}

function mistakes(reading: Reading, { mistakes: own }: ClassAnswers): Markup {
  if (own.length === 0) return lead('No image is named wrong.')
  return html`${lead('Images that are named wrong with the largest probabilities, and the experts that computed them, layer by layer. Wrong labels are often among them.')}${tilesOf(
    reading,
    own.map(({ image, label, prediction, confidence, experts }) => ({
      ...{ image, experts },
      text: html`${classNamed(reading, label)}, taken for <b>${classNamed(reading, prediction)}</b>, ${percent(confidence)}`,
    })),
  )}`
}

interface Tile {
  readonly image: number
  readonly text: Content
  readonly experts: readonly (readonly { readonly expert: number; readonly weight: number }[])[]
}

function tilesOf(reading: Reading, tiles: readonly Tile[]): Markup {
  if (tiles.length === 0) return html`<p class="empty">There is none.</p>`
  const { layers } = reading.findings
  return html`<ol class="mistakes">${tiles.map(({ image, text, experts }) => {
    const picture = reading.pictures.get(image)
    const routes = experts.map(
      (own, layer) =>
        html`<span>${layers.length > 1 ? html`${shown(layers[layer]?.name ?? '')} ` : null}${own.map(({ expert, weight }) => html`${chip(expert)} ${fixed(weight, 2)} `)}</span>`,
    )
    return html`<li>${picture === undefined ? html`<p class="muted">image ${image}</p>` : tile(reading, picture, null)}<p>${text}</p>${routes.length === 0 ? null : html`<p class="route-chips">${routes}</p>`}</li>\n`
  })}</ol>`
}

function scores(reading: Reading, { classes, macroF1, balancedAccuracy }: ClassAnswers): Markup {
  return html`${lead('Precision: of the images that are said to show the class, those that do. Recall: of the images that show it, those that are said to. A dash is where there is nothing to count.')}${wideTable(
    'Precision, recall and F1',
    {
      caption: 'Precision, recall and F1 of the classes',
      heads: ['Class', 'images', 'named', 'precision', 'recall', 'F1'],
      rows: [
        ['mean over classes', '', '', '', fixed(balancedAccuracy, 3), fixed(macroF1, 3)],
        ...classes.map(({ images, predicted, precision, recall, f1 }, c) => [
          html`<a href="#${anchor.class(c)}">${name(shown(className(reading, c)))}</a>`,
          whole(images),
          whole(predicted),
          ...[precision, recall, f1].map(value => fixed(value, 3)),
        ]),
      ],
    },
  )}`
}

/** What the section measures, for the list of definitions. */
export const calibrationDefinition: Definition = {
  term: 'Calibration error',
  meaning:
    'Answers in 15 bins of the same width by confidence: the mean over bins of |accuracy − mean confidence|, weighted by their answers; and the largest of a bin.',
  chance: '0 where of answers given with 80 % four in five are right.',
}

/** Rules in addition to the common ones. */
export const answersStyle = `
.mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(44%,8.5rem),1fr));gap:1.5rem 1.25rem;margin-top:1.25rem;font-size:.8125rem;line-height:1.35}
.mistakes li{min-width:0}
.mistakes li>p{margin-top:.4rem;overflow-wrap:anywhere}
.route-chips{display:flex;flex-direction:column;gap:.25rem;color:var(--muted);font-variant-numeric:tabular-nums}
.route-chips .chip{font-size:.6875rem}
@media print{.mistakes{grid-template-columns:repeat(6,1fr)}.mistakes li{break-inside:avoid}}
`
