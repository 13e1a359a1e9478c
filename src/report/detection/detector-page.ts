import type { Pictures } from '../../analysis/analysed.ts'
import { detectionMeasures } from '../../tasks/detection/measures.ts'
import type { Definition } from '../definitions-section.ts'
import { fixed, whole } from '../figures.ts'
import { countedImages, fact, result } from '../header-section.ts'
import { html, type Markup, name, shown } from '../markup.ts'
import { anchor, className, type Reading } from '../reading.ts'
import type { TaskPage } from '../task-page.ts'
import { variantsFigure, variantsStyle } from '../variants-figure.ts'
import { wideTable, wideTableStyle } from '../wide-table.ts'
import { expertWords, explainedWords, objectsWords, sizeExplained } from './detection-words.ts'
import { foundSection, foundStyle, missedDefinition } from './found-section.ts'
import { sceneStore, scenesFigure, scenesStyle } from './scenes-section.ts'
import { areaFigure, sizeFigure, sizesStyle } from './size-figures.ts'

/** What the page of a detector adds: sizes and areas of objects, scenes with boxes, COCO's numbers. */
export function detectorPage(reading: Reading, pictures: Pictures): TaskPage | null {
  const { findings } = reading
  const { extras } = findings
  if (extras?.task !== 'detection') return null
  const scenes = pictures?.task === 'detection' ? pictures.scenes : []
  const missed = pictures?.task === 'detection' ? pictures.missed : []
  const { data, measures, layers } = findings
  const [small, medium] = extras.sizes.map(side => fixed(side, 0))
  const big = (title: string, key: string, note: string): Markup =>
    result(title, fixed(measures[key], 3), note)
  const drawn = (words: string, place: Markup): Markup | null =>
    scenes.length === 0
      ? null
      : html`<p class="lead small muted">${words} with a score of at least ${fixed(extras.scenes.score, 2)}.</p>${place}`
  const sizes = extras.perSize.map(
    (count, size) => `${whole(count)} ${['small', 'medium', 'large'][size] ?? ''}`,
  )
  return {
    style: sizesStyle + variantsStyle + scenesStyle + foundStyle + wideTableStyle,
    store: sceneStore([...scenes, ...missed.filter(({ image }) => !scenes.some(one => one.image === image))]),
    title: layers.length === 0 ? 'What is found' : 'Expert roles',
    reaches: `reaches an AP of ${fixed(measures.AP, 3)} on ${countedImages(data.images)} of the ${data.split} split`,
    results: [
      big('AP', 'AP', 'IoU 0.50 to 0.95'),
      big('AP50', 'AP50', 'IoU 0.50'),
      big('AP small', 'APs', `area below ${small}²`),
      big('AP medium', 'APm', `${small}² to ${medium}²`),
      big('AP large', 'APl', `from ${medium}²`),
    ],
    facts: [
      fact(
        'Canvas',
        extras.canvases.map(([height, width]) => `${height}\u202f×\u202f${width}`).join(' or ') || '–',
      ),
      fact(
        'Objects',
        `${sizes.join(', ')}${extras.crowds === 0 ? '' : `, and ${whole(extras.crowds)} crowds`}`,
      ),
      ...(extras.changes ?? []).map(({ measure, text }) => fact(`Changes ${measure}`, text)),
    ],
    definitions: [precision, missedDefinition, ...(layers.length === 0 ? [] : ofObjects)],
    items: 'objects',
    hasExperts: false,
    expertLine: (layer, index, expert) => {
      const own = extras.layers[index]
      return {
        text: `${own === undefined ? '' : expertWords(layer, own, expert)}${explainedWords(layer, expert)}`,
        muted: false,
      }
    },
    explained: sizeExplained,
    experts: (_, index) => {
      const own = extras.layers[index]
      return own === undefined ? null : html`<p class="small muted">${objectsWords(own)}</p>`
    },
    preferences: (layer, index) => {
      const own = extras.layers[index]
      return [sizeFigure(layer), own === undefined ? null : areaFigure(layer, own, extras)]
    },
    variants: layer => [
      variantsFigure(findings, layer, {
        columns: detectionMeasures.filter(({ name: key }) => ['AP', 'APs', 'APm', 'APl'].includes(key)),
      }),
    ],
    pictures: (layer, index) => {
      const content = drawn(
        'The scenes are those in which objects of different experts differ most in size; colour and number of a box are those of the expert with the largest weight at the box’s level, and below each picture is the same for every level. Boxes are what the network finds',
        scenesFigure(scenes, data.classes, layer, index),
      )
      return (
        content &&
        html`<section class="block" aria-labelledby="scenes-${index}"><h3 id="scenes-${index}">Scenes</h3>${content}</section>\n`
      )
    },
    answers: foundSection(reading, extras, missed),
    classes: html`${layers.length > 0 ? null : plainScenes(drawn('Boxes are what the network finds', scenesFigure(scenes, data.classes, null, 0)))}
${categories(reading)}`,
    dialogs: null,
  }
}

function plainScenes(content: Markup | null): Markup | null {
  return (
    content &&
    html`<section aria-labelledby="scenes-title"><h2 id="scenes-title">Scenes</h2>${content}</section>`
  )
}

/** COCO's twelve numbers, class by class. */
function categories(reading: Reading): Markup {
  const { data, measures, perClass } = reading.findings
  const names = Object.keys(measures)
  const total = data.perClass.reduce((a, b) => a + b, 0)
  return html`<section aria-labelledby="precision-title"><h2 id="precision-title">AP and AR of every class</h2>
<p class="lead small muted">COCO’s twelve numbers of the network as trained. A dash is where there is no object.</p>
${wideTable('AP and AR of every class', {
  caption: 'AP and AR',
  heads: ['Class', 'objects', ...names],
  rows: [
    ['all', whole(total), ...names.map(key => fixed(measures[key], 3))],
    ...data.classes.map((_, c) => [
      html`<a href="#${anchor.class(c)}">${name(shown(className(reading, c)))}</a>`,
      whole(data.perClass[c]),
      ...names.map(key => fixed(perClass[key]?.[c], 3)),
    ]),
  ],
})}</section>`
}

const precision: Definition = {
  term: 'AP, AR',
  meaning:
    'COCO’s average precision and recall of boxes, as pycocotools counts them: over IoU from 0.50 to 0.95, all classes, a hundred detections an image. Small, medium and large are areas in the stored image.',
  chance: null,
}

const ofObjects: readonly Definition[] = [
  {
    term: 'An object’s expert',
    meaning:
      'Box → the anchor that overlaps it most → that anchor’s level → the weights there. The top expert is the one with the largest weight.',
    chance: null,
  },
  {
    term: 'I(size; expert | level)',
    meaning:
      'The same as I(size; expert) among objects of one level. Levels are made for sizes, so that a gate that knows levels knows sizes; this is what is left beyond that.',
    chance: 'Levels exchange their weights with the same level of other images.',
  },
  {
    term: 'Cramér’s V',
    meaning:
      '√(χ² / n(m − 1)) of the table of sizes by top experts, m the smaller number of its rows and columns; without its bias after Bergsma (2013).',
    chance: '0 without, 1 where size decides the expert.',
  },
]
