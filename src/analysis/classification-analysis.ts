import { significanceLevel } from '../base/exact-tests.ts'
import { type SplitName, splitNamed } from '../data/index.ts'
import { probabilityOfMean } from '../metrics/above-mean.ts'
import { accuracyOf, pairedCounts } from '../tasks/classification/accuracy.ts'
import type { ClassificationTask } from '../tasks/classification/classification-task.ts'
import type { ClassificationResult } from '../tasks/classification/evaluate-split.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { EvaluatedVariants } from '../tasks/task.ts'
import type { Analysed, AnalysisOptions } from './analysed.ts'
import { captionOf } from './captions.ts'
import {
  type Affinity,
  type ClassificationExtras,
  type ExpertFindings,
  groupingOf,
  type LayerFindings,
} from './findings.ts'
import { galleryOf } from './gallery.ts'
import { logitMapOf } from './logit-map.ts'
import { picturesOf } from './pictures.ts'
import { routingTable } from './routing-table.ts'
import { variantsAt } from './variants-at.ts'

/** What only classifiers have: captions and galleries of experts, a map of each gate's logits. */
export function analysedClassification(
  task: ClassificationTask,
  split: SplitName,
  { trained, variants }: EvaluatedVariants<ClassificationResult>,
  { gallery = 24, mapped = 2000, seed = 0 }: AnalysisOptions,
): Analysed {
  const { data, mixtures } = task
  const { labels, routing, images } = trained
  const classes = data.classes.length
  const predictions = trained.predictions[0]!
  return {
    evaluated: trained,
    variants,
    permutations: 1000,
    perClass: { top1: accuracyOf(predictions, labels, classes).perClass },
    predicted: { labels, predictions },
    groupings: () => [],
    async finish(layers, onProgress) {
      const own: ClassificationExtras['layers'] = []
      for (const [i, layer] of layers.entries()) {
        const routed = routing[i]!
        const map = await logitMapOf(routed, labels, {
          seed,
          most: mapped,
          neighbours: 15,
          onProgress: (done, total) => onProgress(`${layer.name}: placing images on the map`, done, total),
        })
        const alone = variantsAt(variants, mixtures[i]!, 'single')
        const experts = Array.from({ length: layer.count }, (_, expert): ExpertFindings => {
          const paired = pairedCounts(predictions, alone[expert]!.predictions!, labels, classes)
          return {
            ...expertFindings({ expert, layer, routed, data, alone: paired }),
            gallery: galleryOf(routed, labels, expert, { count: gallery, perClass: 3 }),
          }
        })
        own.push({ map, experts })
      }
      const shown = new Set(own.flatMap(({ experts }) => experts.flatMap(one => one.gallery)))
      const { superclassOf } = data
      const group = Array.from(labels, label => {
        const superclass = superclassOf?.[label] ?? -1
        return superclass < 0 ? null : superclass
      })
      return {
        extras: { task: 'classification', chance: 1 / classes, size: data.size, layers: own },
        pictures: {
          task: 'classification',
          images: await picturesOf(
            [...shown].sort((a, b) => a - b),
            { split: splitNamed(data, split), size: data.size, trained, variants, mixtures },
          ),
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

function expertFindings({
  expert,
  layer,
  routed,
  data,
  alone,
}: {
  readonly expert: number
  readonly layer: LayerFindings
  readonly routed: RoutedLayer
  readonly data: Pick<ClassificationTask['data'], 'classes' | 'superclasses' | 'superclassOf'>
  readonly alone: ReturnType<typeof pairedCounts>
}): Omit<ExpertFindings, 'gallery'> {
  const { share, activation } = layer
  const byClass = groupingOf(layer, 'class')!
  const bySuperclass = groupingOf(layer, 'superclass')
  const spread = spreadOf(routed, expert)
  const own = { expert, share: share[expert] ?? 0, spread, experts: share.length }
  const caption = captionOf({
    expert,
    share,
    k: layer.k,
    activation: activation[expert] ?? 0,
    spread,
    classes: data.classes,
    images: byClass.counts,
    byClass: byClass.affinity,
    alone,
    ...(bySuperclass === undefined
      ? {}
      : {
          superclasses: {
            names: bySuperclass.names,
            images: bySuperclass.counts,
            by: bySuperclass.affinity,
            of: data.superclassOf?.map(group => (group < 0 ? null : group)) ?? [],
          },
        }),
  })
  const preferred = ({ affinity, counts }: typeof byClass) => favourites(affinity, counts, own)
  return {
    expert,
    ...caption,
    classes: preferred(byClass).map(({ row, ...rest }) => ({ class: row, ...rest })),
    superclasses:
      bySuperclass === undefined
        ? []
        : preferred(bySuperclass).map(({ row, ...rest }) => ({ superclass: row, ...rest })),
  }
}

/** Rows that give an expert more weight than all images do, beyond chance for as many rows and experts; most lift first. */
export function favourites(
  { weight, lift, activation }: Affinity,
  images: readonly number[],
  own: {
    readonly expert: number
    readonly experts: number
    readonly share: number
    /** Standard deviation of its weight over images. */
    readonly spread: number
  },
  most = 10,
): { row: number; weight: number; lift: number; activation: number }[] {
  const { expert, share: overall, spread: deviation } = own
  const comparisons = own.experts * images.filter(count => count > 0).length
  return lift
    .flatMap((row, at) => {
      const value = row[expert] ?? null
      if (value === null || value <= 1) return []
      const [w, a] = [weight[at]![expert] ?? 0, activation[at]![expert] ?? 0]
      const p = probabilityOfMean({ mean: w, overall, deviation, images: images[at] ?? 0 })
      return p * comparisons <= significanceLevel ? [{ row: at, weight: w, lift: value, activation: a }] : []
    })
    .sort((a, b) => b.lift - a.lift)
    .slice(0, most)
}

/** Standard deviation of an expert's weight over images. */
function spreadOf({ experts, weights }: RoutedLayer, expert: number): number {
  const images = weights.length / experts
  let sum = 0
  let squares = 0
  for (let n = 0; n < images; n++) {
    const w = weights[n * experts + expert]!
    sum += w
    squares += w * w
  }
  return Math.sqrt(Math.max(0, squares / images - (sum / images) ** 2))
}
