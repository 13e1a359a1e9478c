import { type SplitName, splitNamed } from '../data/index.ts'
import { foundAt, labelsOfImages, pairedLabels } from '../tasks/multi-label/found-labels.ts'
import type { MultiLabelResult } from '../tasks/multi-label/multi-label-result.ts'
import { MultiLabelTask, type MultiLabelVariant, multiLabel } from '../tasks/multi-label/multi-label-task.ts'
import type { EvaluatedVariants } from '../tasks/task.ts'
import type { Analysed, AnalysisOptions } from './analysed.ts'
import { expertsOfImages } from './image-experts.ts'
import { picturesOf } from './pictures.ts'
import { plain } from './plain.ts'
import { routingTable } from './routing-table.ts'
import { analysisOf } from './task-analysis.ts'
import { variantsAt } from './variants-at.ts'

/**
 * What multi-label networks have in addition to other tasks: average precision and threshold of each class, captions and galleries of
 * experts, a map of each gate's logits. An image with several labels counts for each of them; tests permute images.
 */
export const multiLabelAnalysis = analysisOf(multiLabel, MultiLabelTask, analysed)

function analysed(
  { data, mixtures }: MultiLabelTask,
  split: SplitName,
  { trained, variants }: EvaluatedVariants<MultiLabelResult, MultiLabelVariant>,
  options: AnalysisOptions,
): Analysed {
  const { routing, images, items, targets, thresholdsFrom } = trained
  const classes = data.classes.length
  const found = foundAt(
    trained.probabilities,
    trained.classes.map(({ threshold }) => threshold),
  )
  const foundOf = (layer: number, kind: 'single' | 'without'): Uint8Array[] =>
    variantsAt(variants, mixtures[layer]!, kind).map(variant => variant.found)
  return {
    evaluated: trained,
    variants,
    permutations: 1000,
    perClass: { mAP: trained.classes.map(({ averagePrecision }) => averagePrecision) },
    predicted: null,
    groupings: () => [],
    async finish(layers, onProgress) {
      const labels = labelsOfImages(targets, classes)
      const alone = layers.map((_, layer) => foundOf(layer, 'single'))
      const own = await expertsOfImages(
        layers,
        {
          ...{ data, routing, items, labels },
          counted: 'found',
          classesOf: label => label,
          alone: (layer, expert) => pairedLabels(found, alone[layer]![expert]!, targets, classes),
        },
        options,
        onProgress,
      )
      const named = labelsOfImages(found, classes)
      const said = (of: Uint8Array) => {
        const lists = labelsOfImages(of, classes)
        return (image: number): number[] => lists[image]!
      }
      return {
        extras: {
          task: 'multi-label',
          chance: chanceOf(trained),
          size: data.size,
          unlabelled: labels.filter(({ length }) => length === 0).length,
          thresholdsFrom,
          classes: trained.classes.map(({ threshold, precision, recall, f1 }) => ({
            ...{ threshold, precision, recall, f1 },
          })),
          answers: plain(trained.answers),
          layers: own,
        },
        pictures: {
          task: 'multi-label',
          images: await picturesOf(own, {
            ...{ split: splitNamed(data, split), size: data.size, routing },
            labels: image => labels[image]!,
            trained: image => named[image]!,
            single: layer => alone[layer]!.map(said),
            without: layer => foundOf(layer, 'without').map(said),
            also: [...trained.answers.mistakes.found, ...trained.answers.mistakes.missed].map(
              ({ image }) => image,
            ),
          }),
        },
        tables: [
          routingTable({ routing, images }, data, {
            levels: false,
            about: [
              { name: 'labels', type: 'INT32 LIST', data: labels },
              { name: 'predictions', type: 'INT32 LIST', data: named },
            ],
          }),
        ],
      }
    },
  }
}

/** The mean of the fractions of images that show a class, over the classes that enter mAP: what a random order reaches. */
function chanceOf({ classes, images }: MultiLabelResult): number | null {
  const shown = classes.filter(one => one.averagePrecision !== null)
  if (shown.length === 0) return null
  return shown.reduce((sum, one) => sum + one.images / images, 0) / shown.length
}
