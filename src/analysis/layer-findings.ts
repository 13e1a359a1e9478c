import { significanceLevel } from '../base/exact-tests.ts'
import type { MoeLayerConfig } from '../config/config.ts'
import type { Dataset } from '../data/index.ts'
import { probabilityOfMean } from '../metrics/above-mean.ts'
import { emptySums, utilization } from '../metrics/utilization.ts'
import type { MetricsLine } from '../run/metrics-log.ts'
import { accuracyOf, pairedCounts, predictionLead } from '../tasks/classification/accuracy.ts'
import type { Variant } from '../tasks/variants.ts'
import { affinityOf } from './affinity.ts'
import { captionOf } from './captions.ts'
import { coactivationOf, pairLead } from './coactivation.ts'
import type { Affinity, ExpertFindings, Information, LayerFindings, VariantFindings } from './findings.ts'
import { galleryOf } from './gallery.ts'
import { dependenceOf, informationInSteps } from './information.ts'
import { logitMapOf } from './logit-map.ts'
import type { LayerRecords, RoutingRecords } from './routing-records.ts'
import { overTraining } from './training-history.ts'

/** How much is looked at; the defaults of `moiety explain` are in `explain-run.ts`. */
export interface Thoroughness {
  /** Permutations of the labels in each test. */
  readonly permutations: number
  /** Images in an expert's gallery. */
  readonly gallery: number
  /** Images on the map of the gate's logits. */
  readonly mapped: number
  /** Of everything that is drawn at random here. */
  readonly seed: number
}

export interface LayerFacts extends Thoroughness {
  readonly records: RoutingRecords
  readonly layer: LayerRecords
  readonly config: MoeLayerConfig
  readonly dataset: Dataset
  readonly log: readonly MetricsLine[]
  readonly onProgress?: (what: string, done: number, total: number) => void
}

/** Everything there is to say about one mixture of experts but how it agrees with another run's. */
export async function layerFindings(facts: LayerFacts): Promise<Omit<LayerFindings, 'agreement'>> {
  const { records, layer, config, dataset, log, onProgress, seed } = facts
  const { labels, superclasses } = records
  const classes = dataset.classes.length
  const groups = dataset.superclasses?.length ?? 0
  const used = utilization(sumsOf(layer))
  const byClass = affinityOf(layer, labels, classes)
  const bySuperclass = superclasses === undefined ? null : affinityOf(layer, superclasses, groups)
  const test = { permutations: facts.permutations, seed }
  const patiently = async (what: string, numbers: Int32Array, count: number): Promise<Information> =>
    await drained(informationInSteps(layer, numbers, count, test), done =>
      onProgress?.(what, done, test.permutations),
    )
  const ofClass = await patiently('permuting classes', labels, classes)
  const ofSuperclass =
    superclasses === undefined ? null : await patiently('permuting superclasses', superclasses, groups)
  const variants = variantsFindings(records, config.position, classes)
  const map = await logitMapOf(layer, labels, {
    seed,
    most: facts.mapped,
    neighbours: 15,
    onProgress: (done, total) => onProgress?.('placing images on the map', done, total),
  })
  const found = {
    share: [...used.importance],
    activation: [...used.activation],
    byClass,
    bySuperclass,
    variants,
  }
  return {
    name: layer.name,
    position: config.position,
    style: config.style,
    count: layer.experts,
    k: layer.k,
    constraint: config.constraint.name,
    share: [...used.importance],
    activation: [...used.activation],
    cvImportance: used.cvImportance,
    cvActivation: used.cvActivation,
    active: used.active,
    byClass,
    bySuperclass,
    information: { class: ofClass, superclass: ofSuperclass },
    dependence: dependenceOf(layer),
    leads: leadsOf(records, config.position, layer),
    coactivation: coactivationOf(layer),
    variants,
    overTraining: overTraining(log, layer.name),
    map,
    experts: Array.from({ length: layer.experts }, (_, expert) => expertFindings(expert, facts, found)),
  }
}

/** Runs steps to their end; now and then tells how far they are and lets others have a turn. */
async function drained<T>(steps: Generator<number, T>, onStep: (done: number) => void): Promise<T> {
  let paused = performance.now()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (performance.now() - paused < 100) continue
    onStep(step.value)
    await new Promise(resolve => setImmediate(resolve))
    paused = performance.now()
  }
}

function sumsOf({ name, experts, weights }: LayerRecords): Parameters<typeof utilization>[0] {
  const sums = emptySums(name, experts)
  for (const [at, weight] of weights.entries()) {
    sums.importance[at % experts]! += weight
    sums.activation[at % experts]! += Number(weight > 0)
  }
  sums.images = weights.length / experts
  return sums
}

/** How often each variant of the layer names the right class, in the order in which `variantsOf` has them. */
function variantsFindings(
  { variants, predictions, labels }: RoutingRecords,
  position: number,
  classes: number,
): LayerFindings['variants'] {
  const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0)
  const of = (kind: Variant['kind']): VariantFindings[] =>
    predictionsOf({ variants, predictions }, position, kind).map(own => {
      const { lost, gained } = pairedCounts(predictions[0]!, own, labels, classes)
      return { ...accuracyOf(own, labels, classes), gained: total(gained), lost: total(lost) }
    })
  return { single: of('single'), without: of('without'), byK: of('k'), equal: of('equal')[0]! }
}

/** What the variants of a kind name, in their order. */
function predictionsOf(
  { variants, predictions }: Pick<RoutingRecords, 'variants' | 'predictions'>,
  position: number,
  kind: Variant['kind'],
): Int32Array[] {
  return variants.flatMap((variant, v) =>
    variant.kind === kind && 'place' in variant && variant.place === position ? [predictions[v]!] : [],
  )
}

/** What may be called first: each is held against all others of its kind. */
function leadsOf(records: RoutingRecords, position: number, layer: LayerRecords): LayerFindings['leads'] {
  const { labels, predictions } = records
  const without = predictionsOf(records, position, 'without')
  return {
    single: predictionLead(predictionsOf(records, position, 'single'), labels, 'right'),
    without: without.length === 0 ? null : predictionLead([...without, predictions[0]!], labels, 'wrong'),
    pair: pairLead(layer),
  }
}

type Found = Pick<LayerFindings, 'share' | 'activation' | 'byClass' | 'bySuperclass' | 'variants'>

function expertFindings(expert: number, facts: LayerFacts, found: Found): ExpertFindings {
  const { records, layer, dataset } = facts
  const { byClass, bySuperclass, share, activation } = found
  const classes = dataset.classes.length
  const alone = predictionsOf(records, facts.config.position, 'single')[expert]!
  const spread = spreadOf(layer, expert)
  const images = countsOf(records.labels, classes)
  const own = { expert, share: share[expert] ?? 0, spread, experts: share.length }
  const superclassOf = dataset.superclassOf?.map(group => (group < 0 ? null : group))
  const caption = captionOf({
    expert,
    share,
    k: layer.k,
    activation: activation[expert] ?? 0,
    spread,
    classes: dataset.classes,
    images,
    byClass,
    alone: pairedCounts(records.predictions[0]!, alone, records.labels, classes),
    ...(dataset.superclasses === undefined || bySuperclass === null || records.superclasses === undefined
      ? {}
      : {
          superclasses: {
            names: dataset.superclasses,
            images: countsOf(records.superclasses, dataset.superclasses.length),
            by: bySuperclass,
            of: superclassOf ?? [],
          },
        }),
  })
  const classesFound = favourites(byClass, images, own).map(({ row, ...rest }) => ({ class: row, ...rest }))
  const groupsFound =
    bySuperclass === null || records.superclasses === undefined
      ? []
      : favourites(bySuperclass, countsOf(records.superclasses, bySuperclass.weight.length), own)
  return {
    expert,
    ...caption,
    classes: classesFound,
    superclasses: groupsFound.map(({ row, ...rest }) => ({ superclass: row, ...rest })),
    gallery: galleryOf(layer, records.labels, expert, { count: facts.gallery, perClass: 3 }),
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

/** Images of each class; those with −1 belong to none. */
export function countsOf(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0)
  for (const label of labels) if (label >= 0) counts[label]! += 1
  return counts
}

/** Standard deviation of an expert's weight over images. */
function spreadOf({ experts, weights }: LayerRecords, expert: number): number {
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
