import type { MultiLabelExtras } from '../analysis/findings.ts'
import { multiLabelMeasures } from '../tasks/multi-label/measures.ts'
import { answersStyle, calibrationDefinition, labelAnswersSection } from './answers-section.ts'
import type { Definition } from './definitions-section.ts'
import { expertsSection } from './experts-section.ts'
import { fixed, whole } from './figures.ts'
import { countedImages, fact, result } from './header-section.ts'
import { imageSections, pictureStore } from './images-section.ts'
import { mapDefinition, mapSection } from './map-section.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { anchor, className, type Reading } from './reading.ts'
import { explainedSentence } from './sentences.ts'
import { singleFigure } from './single-expert-figure.ts'
import type { TaskPage } from './task-page.ts'
import { variantsFigure, variantsStyle } from './variants-figure.ts'
import { wideTable, wideTableStyle } from './wide-table.ts'

/** Small maps are drawn of as many classes, those that most images show. */
const mostMaps = 24

/** What the page of a multi-label network adds: galleries of experts, average precisions and thresholds, maps of the gates' logits. */
export function multiLabelPage(plain: Reading): TaskPage | null {
  const { findings } = plain
  const { data, measures, layers, extras } = findings
  if (extras?.task !== 'multi-label') return null
  const reading = { ...plain, extras }
  const chance = fixed(extras.chance, 3)
  const order = Array.from(data.classes.keys()).toSorted((a, b) => data.perClass[b]! - data.perClass[a]!)
  return {
    style: variantsStyle + answersStyle + wideTableStyle,
    store: pictureStore(reading),
    title: layers.length === 0 ? 'Labels, class by class' : 'Specialization',
    reaches: `reaches a mean average precision of ${fixed(measures.mAP, 3)} on ${countedImages(data.images)}, where chance is ${chance}`,
    results: [
      result('Mean average precision', fixed(measures.mAP, 3), `by chance ${chance}`),
      result('F1', fixed(measures.f1, 3), 'all labels, at probability 0.5'),
    ],
    facts: [
      fact('Size', `${extras.size}\u202f×\u202f${extras.size} pixels`),
      fact(
        'Labels',
        `${whole(data.perClass.reduce((a, b) => a + b, 0))}; ${countedImages(extras.unlabelled)} without one`,
      ),
    ],
    definitions: [precision, calibrationDefinition, ...(layers.length === 0 ? [] : [labels, mapDefinition])],
    items: 'images',
    classScore: 'AP',
    hasExperts: true,
    expertLine: (_, index, expert) => {
      const { caption = null, noCaptionReason = null } = extras.layers[index]?.experts[expert] ?? {}
      return { text: caption ?? noCaptionReason ?? 'no caption', muted: caption === null }
    },
    explained: layer => explainedSentence(layer, 'A label of an image'),
    experts: (layer, index) => expertsSection(reading, layer, index),
    preferences: () => [],
    variants: layer => [
      variantsFigure(findings, layer, { columns: multiLabelMeasures }),
      singleFigure(reading, layer, {
        title: 'What single experts find',
        sentence:
          'Average precision of each class in per cent, of the whole network (all) and of one expert computing every image. The greener, the nearer the expert alone comes to all. Experts without a speciality would have columns of one shade; one that knew nothing would get about the per cent of images that show the class.',
        ...{ measure: 'mAP', measured: 'Average precision', word: 'average precision' },
      }),
    ],
    pictures: (layer, index) =>
      mapSection(extras, layer, index, {
        title:
          order.length > mostMaps
            ? `The same map, one class at a time, of the ${mostMaps} most frequent`
            : 'The same map, one class at a time',
        what: 'A class',
        groups: order
          .slice(0, mostMaps)
          .map(c => ({ name: className(reading, c), has: label => label === c })),
      }),
    answers: labelAnswersSection(reading, extras),
    classes: thresholds(reading, extras),
    dialogs: imageSections(reading),
  }
}

/** Average precision, threshold, precision, recall and F1 of each class. */
function thresholds(reading: Reading, { classes, thresholdsFrom }: MultiLabelExtras): Markup {
  const { data, perClass } = reading.findings
  const chosen =
    thresholdsFrom === data.split
      ? 'on these images, so precision, recall and F1 are those of the best threshold here'
      : `on the ${thresholdsFrom} split`
  return html`<section aria-labelledby="thresholds-title"><h2 id="thresholds-title">Thresholds of the classes</h2>
<p class="lead small muted">An image is said to show a class where its probability is at least the class’s threshold, the one with the highest F1 ${chosen}. A dash is where there is nothing to count.</p>
${wideTable('Thresholds of the classes', {
  caption: 'Precision and recall at the thresholds',
  heads: ['Class', 'images', 'by chance', 'AP', 'threshold', 'precision', 'recall', 'F1'],
  rows: classes.map(({ threshold, precision, recall, f1 }, c) => [
    html`<a href="#${anchor.class(c)}">${name(shown(className(reading, c)))}</a>`,
    whole(data.perClass[c]),
    data.images === 0 ? '–' : fixed((data.perClass[c] ?? 0) / data.images, 3),
    fixed(perClass.mAP?.[c], 3),
    fixed(threshold, 3),
    fixed(precision, 3),
    fixed(recall, 3),
    fixed(f1, 3),
  ]),
})}</section>`
}

const precision: Definition = {
  term: 'AP, mAP',
  meaning:
    'Average precision: images in the order of a class’s probability, the mean of the precisions at each image that shows it. mAP is the mean over the classes that some image shows.',
  chance: 'About the fraction of images that show the class.',
}

const labels: Definition = {
  term: 'Labels and experts',
  meaning:
    'An image with several labels counts once for each of them, with the same weights; an image without a label for none. Means and ratios to chance are over these pairs of image and label.',
  chance:
    'Images exchange their weights, with all their labels: the labels of one image are no independent witnesses.',
}
