import { classificationMeasures } from '../tasks/classification/measures.ts'
import { answersSection, answersStyle, calibrationDefinition } from './answers-section.ts'
import type { Definition } from './definitions-section.ts'
import { expertsSection } from './experts-section.ts'
import { percent } from './figures.ts'
import { countedImages, fact, result } from './header-section.ts'
import { imageSections, pictureStore } from './images-section.ts'
import { mapDefinition, mapSection } from './map-section.ts'
import { groupMean, type Reading, superclassName } from './reading.ts'
import { accuracySentence, explainedSentence } from './sentences.ts'
import { singleFigure } from './single-expert-figure.ts'
import type { TaskPage } from './task-page.ts'
import { variantsFigure, variantsStyle } from './variants-figure.ts'
import { wideTableStyle } from './wide-table.ts'

/** What the page of a classifier adds: galleries of experts, accuracies, and maps of the gates' logits. */
export function classificationPage(plain: Reading): TaskPage | null {
  const { findings } = plain
  const { extras } = findings
  if (extras?.task !== 'classification') return null
  const reading = { ...plain, extras }
  const { data, measures, layers } = findings
  const { chance, size } = extras
  const measured = (value: number | null | undefined): string => (data.images === 0 ? '–' : percent(value))
  return {
    style: variantsStyle + answersStyle + wideTableStyle,
    store: pictureStore(reading),
    title: layers.length === 0 ? 'Accuracy, class by class' : 'Expert roles',
    reaches: `names ${percent(measures.top1)} of ${countedImages(data.images)} right, where chance is ${percent(chance)}`,
    results: [
      result('Top-1 accuracy', measured(measures.top1), `by chance ${percent(chance)}`),
      result('Top-5 accuracy', measured(measures.top5), `by chance ${percent(Math.min(1, 5 * chance))}`),
    ],
    facts: [fact('Size', `${size}\u202f×\u202f${size} pixels`)],
    definitions: [accuracies, calibrationDefinition, ...(layers.length === 0 ? [] : [mapDefinition])],
    items: 'images',
    classScore: 'Right',
    groupScore: classes => `${percent(groupMean(reading, findings.perClass.top1 ?? [], classes))} right`,
    hasExperts: true,
    expertLine: (_, index, expert) => {
      const { caption = null, noCaptionReason = null } = extras.layers[index]?.experts[expert] ?? {}
      return { text: caption ?? noCaptionReason ?? 'no caption', muted: caption === null }
    },
    explained: layer => explainedSentence(layer),
    experts: (layer, index) => expertsSection(reading, layer, index),
    preferences: () => [],
    variants: layer => [
      variantsFigure(findings, layer, {
        columns: classificationMeasures.slice(0, 1),
        sentence: accuracySentence(layer, { trained: measures.top1 ?? null, chance }),
      }),
      singleFigure(reading, layer, {
        title: 'What single experts get right',
        sentence: `Per cent of images named right by the whole network (all) and by one expert computing every image. The greener, the nearer the single expert comes to all. Experts without a speciality would have columns of one shade; an expert that knew nothing would get ${percent(chance)} everywhere.`,
        ...{ measure: 'top1', measured: 'Top-1 accuracy', word: 'right' },
      }),
    ],
    pictures: (layer, index) =>
      mapSection(extras, layer, index, {
        title: 'The same map, one superclass at a time',
        what: 'A superclass',
        groups: reading.superclassNames.map((_, superclass) => ({
          name: superclassName(reading, superclass),
          has: label => findings.data.superclassOf?.[label] === superclass,
        })),
      }),
    answers: answersSection(reading, extras),
    classes: null,
    dialogs: imageSections(reading),
  }
}

const accuracies: Definition = {
  term: 'Top-1, top-5',
  meaning: 'The share of images whose class is the network’s first answer, or among its first five.',
  chance: 'One class in as many as there are; five for top-5.',
}
