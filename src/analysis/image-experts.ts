import { significanceLevel } from '../base/exact-tests.ts'
import { probabilityOfMean } from '../metrics/above-mean.ts'
import type { PairedCounts } from '../tasks/classification/accuracy.ts'
import type { LabelledItem, RoutedLayer } from '../tasks/routing.ts'
import type { TaskData } from '../tasks/task.ts'
import type { AnalysisOptions, Progress } from './analysed.ts'
import { captionOf } from './captions.ts'
import {
  type Affinity,
  type ExpertFindings,
  explainedBest,
  groupingOf,
  type LayerFindings,
} from './findings.ts'
import { galleryOf } from './gallery.ts'
import { type LogitMap, logitMapOf } from './logit-map.ts'
import { routedItems, weightsOfItems } from './routed-items.ts'

/** What the experts of tasks with whole images as inputs are described by. */
export interface ImageFacts<L> {
  readonly data: Pick<TaskData, 'classes' | 'superclasses' | 'superclassOf'>
  readonly routing: readonly RoutedLayer[]
  /** (image, class) for each class of each image. */
  readonly items: readonly LabelledItem[]
  /** Of each image. */
  readonly labels: ArrayLike<L>
  /** The classes that a label stands for. */
  classesOf(label: L): readonly number[]
  /** What one expert of a layer alone gets right of each class, compared with the network as trained. */
  alone(layer: number, expert: number): PairedCounts
  /** What that counts. */
  readonly counted: 'right' | 'found'
}

/** What only mixtures that route whole images have, for each layer: a map of its gate's logits, and its experts in words and images. */
export async function expertsOfImages<L>(
  layers: readonly LayerFindings[],
  { data, routing, items, labels, classesOf, alone, counted }: ImageFacts<L>,
  { gallery = 24, mapped = 2000, seed = 0 }: AnalysisOptions,
  onProgress: Progress,
): Promise<{ map: LogitMap<L> | null; experts: ExpertFindings[] }[]> {
  const own: { map: LogitMap<L> | null; experts: ExpertFindings[] }[] = []
  const classes = Array.from(labels, classesOf)
  const independence = independentShare(items)
  for (const [i, layer] of layers.entries()) {
    const routed = routing[i]!
    const map = await logitMapOf(routed, labels, {
      seed,
      most: mapped,
      neighbours: 15,
      onProgress: (done, total) => onProgress(`${layer.name}: placing images on the map`, done, total),
    })
    const overItems = meansOverItems(routed, items)
    const experts = Array.from(
      { length: layer.count },
      (_, expert): ExpertFindings => ({
        ...expertFindings({
          expert,
          layer,
          data,
          overall: overItems[expert]!,
          independence,
          alone: alone(i, expert),
          counted,
        }),
        gallery: galleryOf(routed, classes, expert, { count: gallery, perClass: 3 }),
      }),
    )
    own.push({ map, experts })
  }
  return own
}

/** Over the items of a layer: mean and standard deviation of an expert's weight, and the share of items that chose it. */
interface OverItems {
  readonly weight: number
  readonly deviation: number
  readonly activation: number
}

function meansOverItems(layer: RoutedLayer, items: readonly LabelledItem[]): OverItems[] {
  const { experts } = layer
  const routed = routedItems(layer, items)
  const weights = weightsOfItems(routed)
  const count = Math.max(1, routed.items.length)
  return Array.from({ length: experts }, (_, expert) => {
    let [sum, squares, chosen] = [0, 0, 0]
    for (let at = expert; at < weights.length; at += experts) {
      const w = weights[at]!
      sum += w
      squares += w * w
      chosen += Number(w > 0)
    }
    const weight = sum / count
    const deviation = Math.sqrt(Math.max(0, squares / count - weight ** 2))
    return { weight, deviation, activation: chosen / count }
  })
}

/** (Σ n)² ÷ Σ n² ÷ Σ n over images with n items: the share of items that count as independent, 1 where an image has one. */
export function independentShare(items: readonly Pick<LabelledItem, 'image'>[]): number {
  const counts = new Map<number, number>()
  for (const { image } of items) counts.set(image, (counts.get(image) ?? 0) + 1)
  const squares = Array.from(counts.values()).reduce((sum, n) => sum + n * n, 0)
  return squares === 0 ? 1 : items.length / squares
}

function expertFindings({
  expert,
  layer,
  data,
  overall,
  independence,
  alone,
  counted,
}: {
  readonly expert: number
  readonly layer: LayerFindings
  readonly data: ImageFacts<unknown>['data']
  readonly overall: OverItems
  readonly independence: number
  readonly alone: PairedCounts
  readonly counted: 'right' | 'found'
}): Omit<ExpertFindings, 'gallery'> {
  const { share } = layer
  const byClass = groupingOf(layer, 'class')!
  const bySuperclass = groupingOf(layer, 'superclass')
  const { weight, activation, deviation } = overall
  const caption = captionOf({
    expert,
    share,
    k: layer.k,
    overall: weight,
    activation,
    spread: deviation,
    classes: data.classes,
    images: byClass.counts,
    byClass: byClass.affinity,
    alone,
    independence,
    explained: explainedBest(layer, expert),
    counted,
    ...(bySuperclass === undefined
      ? {}
      : {
          superclasses: {
            names: bySuperclass.names,
            images: bySuperclass.counts,
            by: bySuperclass.affinity,
            of: data.superclassOf === undefined ? [] : Array.from(data.superclassOf, groupOrNull),
          },
        }),
  })
  const own = { expert, overall: weight, spread: deviation, experts: share.length }
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

function groupOrNull(group: number): number | null {
  return group < 0 ? null : group
}

/** Rows that give an expert more weight than all items do, beyond chance for as many rows and experts; most lift first. */
export function favourites(
  { weight, lift, activation }: Affinity,
  images: readonly number[],
  own: {
    readonly expert: number
    readonly experts: number
    /** Mean and standard deviation of its weight over all items. */
    readonly overall: number
    readonly spread: number
  },
  most = 10,
): { row: number; weight: number; lift: number; activation: number }[] {
  const { expert, overall, spread: deviation } = own
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
