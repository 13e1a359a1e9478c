import type { LayerFindings } from '../analysis/findings.ts'
import { classificationMeasures } from '../tasks/classification/measures.ts'
import { singleFigure } from './alone-figure.ts'
import type { Definition } from './definitions-section.ts'
import { expertsSection } from './experts-section.ts'
import { percent } from './figures.ts'
import { countedImages, fact, result } from './header-section.ts'
import { imageSections, pictureStore } from './images-section.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { chart, figure } from './parts.ts'
import { mapChart, placesOf } from './place-charts.ts'
import { type ClassifierReading, superclassName } from './reading.ts'
import { accuracySentence, explainedSentence } from './sentences.ts'
import type { TaskPage } from './task-page.ts'
import { variantsFigure, variantsStyle } from './variants-figure.ts'

/** What the page of a classifier adds: galleries of experts, accuracies, and maps of the gates' logits. */
export function classificationPage(reading: ClassifierReading): TaskPage {
  const { findings, extras } = reading
  const { data, measures, layers } = findings
  const { chance, size } = extras
  const measured = (value: number | null | undefined): string => (data.images === 0 ? '–' : percent(value))
  return {
    style: variantsStyle,
    store: pictureStore(reading),
    title: layers.length === 0 ? 'Accuracy, class by class' : 'Who does what',
    reaches: `names ${percent(measures.top1)} of ${countedImages(data.images)} right, where chance is ${percent(chance)}`,
    results: [
      result('Top-1 accuracy', measured(measures.top1), `by chance ${percent(chance)}`),
      result('Top-5 accuracy', measured(measures.top5), `by chance ${percent(Math.min(1, 5 * chance))}`),
    ],
    facts: [fact('Size', `${size}\u202f×\u202f${size} pixels`)],
    definitions: layers.length === 0 ? [accuracies] : [accuracies, map],
    hasExperts: true,
    expertLine: (_, index, expert) => {
      const { caption = null, silence = null } = extras.layers[index]?.experts[expert] ?? {}
      return { text: caption ?? silence ?? 'no caption', muted: caption === null }
    },
    explained: explainedSentence,
    experts: (layer, index) => expertsSection(reading, layer, index),
    preferences: () => [],
    variants: layer => [
      variantsFigure(findings, layer, {
        columns: classificationMeasures.slice(0, 1),
        sentence: accuracySentence(layer, { trained: measures.top1 ?? null, chance }),
      }),
      singleFigure(reading, layer),
    ],
    pictures: (layer, index) =>
      html`<section class="block" aria-labelledby="map-${index}"><h3 id="map-${index}">How the gate sees the images</h3><div class="figures">${mapFigures(reading, layer, index)}</div></section>\n`,
    classes: null,
    dialogs: imageSections(reading),
  }
}

const accuracies: Definition = {
  term: 'Top-1, top-5',
  meaning: 'The share of images whose class is the network’s first answer, or among its first five.',
  chance: 'One class in as many as there are; five for top-5.',
}

const map: Definition = {
  term: 'Map',
  meaning:
    'UMAP of the gate’s logits: images that the gate judges alike lie side by side. Distances between far groups, and the axes, mean nothing.',
  chance:
    'One even cloud. That colours part is no finding, since the logits decide the expert; where classes lie is.',
}

/** The map as a whole, and one small map for each superclass. */
function mapFigures(reading: ClassifierReading, layer: LayerFindings, index: number): Markup[] {
  const map = reading.extras.layers[index]?.map ?? null
  const title = 'A map of the gate’s logits'
  if (map === null)
    return [
      figure({
        title,
        sentence: 'There are too few images for a map, or the gate says the same of all.',
        body: null,
      }),
    ]
  const places = placesOf(map)
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
      sentence: `Each of the ${places.length} points is an image; images of which the gate says alike lie side by side (UMAP, ${map.neighbours} neighbours). Colour, and the number amid each colour, is the expert with the most weight. That colours part is no finding, since the logits decide the expert; groups within a colour are. A gate without opinions would draw one even cloud.`,
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
