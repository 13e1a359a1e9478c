import { type SplitName, splitNamed } from '../data/index.ts'
import { accuracyOf, pairedCounts } from '../tasks/classification/accuracy.ts'
import { ClassificationTask, classification } from '../tasks/classification/classification-task.ts'
import type { ClassificationResult } from '../tasks/classification/evaluate-split.ts'
import type { EvaluatedVariants } from '../tasks/task.ts'
import type { Analysed, AnalysisOptions } from './analysed.ts'
import { expertsOfImages } from './image-experts.ts'
import { picturesOf } from './pictures.ts'
import { plain } from './plain.ts'
import { routingTable } from './routing-table.ts'
import { analysisOf } from './task-analysis.ts'
import { variantsAt } from './variants-at.ts'

/** What classifiers have in addition to other tasks: captions and galleries of experts, a map of each gate's logits. */
export const classificationAnalysis = analysisOf(classification, ClassificationTask, analysed)

function analysed(
  { data, mixtures }: ClassificationTask,
  split: SplitName,
  { trained, variants }: EvaluatedVariants<ClassificationResult>,
  options: AnalysisOptions,
): Analysed {
  const { labels, routing, images, items } = trained
  const classes = data.classes.length
  const predictions = trained.predictions[0]!
  const predictionsOf = (layer: number, kind: 'single' | 'without'): Int32Array[] =>
    variantsAt(variants, mixtures[layer]!, kind).map(variant => variant.predictions!)
  return {
    evaluated: trained,
    variants,
    permutations: 1000,
    perClass: { top1: accuracyOf(predictions, labels, classes).perClass },
    predicted: { labels, predictions },
    groupings: () => [],
    async finish(layers, onProgress) {
      const alone = layers.map((_, layer) => predictionsOf(layer, 'single'))
      const own = await expertsOfImages(
        layers,
        {
          ...{ data, routing, items, labels },
          counted: 'right',
          classesOf: label => [label],
          alone: (layer, expert) => pairedCounts(predictions, alone[layer]![expert]!, labels, classes),
        },
        options,
        onProgress,
      )
      const { superclassOf } = data
      const group = Array.from(labels, label => {
        const superclass = superclassOf?.[label] ?? -1
        return superclass < 0 ? null : superclass
      })
      const said =
        (of: Int32Array) =>
        (image: number): number[] => [of[image]!]
      return {
        extras: {
          task: 'classification',
          chance: 1 / classes,
          size: data.size,
          answers: plain(trained.answers),
          layers: own,
        },
        pictures: {
          task: 'classification',
          images: await picturesOf(own, {
            ...{ split: splitNamed(data, split), size: data.size, routing },
            labels: said(labels),
            trained: said(predictions),
            single: layer => alone[layer]!.map(said),
            without: layer => predictionsOf(layer, 'without').map(said),
            also: trained.answers.mistakes.map(({ image }) => image),
          }),
        },
        tables: [
          routingTable({ routing, images }, data, {
            levels: false,
            about: [
              { name: 'label', type: 'INT32', data: labels },
              { name: 'superclass', type: 'INT32', nullable: true, data: group },
              { name: 'prediction', type: 'INT32', data: predictions },
            ],
          }),
        ],
      }
    },
  }
}
