import { measureText } from '../metrics/measure.ts'
import { measuresOf } from '../tasks/measures.ts'
import { explainedWords } from './detection/detection-words.ts'
import { percent } from './figures.ts'
import { countedImages, result } from './header-section.ts'
import type { Reading } from './reading.ts'
import { explainedSentence } from './sentences.ts'
import type { TaskPage } from './task-page.ts'
import { variantsFigure, variantsStyle } from './variants-figure.ts'

/** Of a task that has no page of its own: measures and groupings as every task has them. */
export function generalPage({ findings }: Reading): TaskPage {
  const { measures, data } = findings
  const known = measuresOf(measures)
  const [ranking] = known
  return {
    style: variantsStyle,
    store: null,
    title: findings.layers.length === 0 ? 'Results' : 'Specialization',
    reaches:
      ranking === undefined
        ? `was tested on ${countedImages(data.images)}`
        : `reaches a ${ranking.title} of ${measureText(ranking, measures[ranking.name])} on ${countedImages(data.images)}`,
    results: known.slice(0, 4).map(one => result(one.title, measureText(one, measures[one.name]), one.label)),
    facts: [],
    definitions: [],
    items: 'images',
    hasExperts: false,
    expertLine: (layer, _, expert) => ({
      text: `Chosen by ${percent(layer.activation[expert])}.${explainedWords(layer, expert)}`,
      muted: false,
    }),
    explained: explainedSentence,
    experts: () => null,
    preferences: () => [],
    variants: layer => [variantsFigure(findings, layer, { columns: known.slice(0, 4) })],
    pictures: () => null,
    answers: null,
    classes: null,
    dialogs: null,
  }
}
