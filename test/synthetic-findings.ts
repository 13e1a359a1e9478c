import { affinityOf } from '../src/analysis/affinity.ts'
import { captionOf } from '../src/analysis/captions.ts'
import { coactivationOf, pairLead } from '../src/analysis/coactivation.ts'
import type {
  ClassificationExtras,
  Findings,
  GroupingFindings,
  LayerFindings,
} from '../src/analysis/findings.ts'
import { galleryOf } from '../src/analysis/gallery.ts'
import { testGrouping } from '../src/analysis/grouping-test.ts'
import { dependenceOf, shareOfExperts } from '../src/analysis/information.ts'
import { countsOf } from '../src/analysis/layer-findings.ts'
import type { PictureOfImage } from '../src/analysis/pictures.ts'
import { plain } from '../src/analysis/plain.ts'
import { routedItems, weightsOfItems } from '../src/analysis/routed-items.ts'
import { leadOf } from '../src/base/exact-tests.ts'
import { draws } from '../src/base/random.ts'
import { summarizeAnswers } from '../src/tasks/classification/answers.ts'

/** Synthetic findings: a network whose gates have learned some of the superclasses. */
export interface Synthetic {
  readonly classes: readonly string[]
  readonly superclasses: readonly string[] | null
  /** The superclass of each class. */
  readonly superclassOf: readonly number[] | null
  readonly imagesPerClass: number
  /** Classes that have no image. */
  readonly without?: readonly number[]
  readonly layers: readonly {
    readonly name: string
    readonly position: number
    readonly experts: number
    readonly k: number
    /** How much the superclass decides; 0 is chance. */
    readonly sharpness: number
    /** Experts that no image chooses. */
    readonly dead?: readonly number[]
  }[]
  readonly gallery: number
  readonly against?: boolean
}

/** Findings of an imaginary network with consistent numbers. */
export function syntheticFindings(made: Synthetic): {
  findings: Findings
  pictures: Omit<PictureOfImage, 'png'>[]
} {
  const counts = made.classes.map((_, c) => (made.without?.includes(c) ? 0 : made.imagesPerClass))
  const labels = Int32Array.from(counts.flatMap((count, c) => new Array<number>(count).fill(c)))
  const right = made.classes.map((_, c) => 0.42 + 0.45 * draws(1, 'accuracy', c).uniform())
  const perClass = (factor: (c: number) => number): (number | null)[] =>
    counts.map((count, c) => (count === 0 ? null : Math.min(1, right[c]! * factor(c))))
  const mean = (values: readonly (number | null)[]): number => {
    const known = values.filter(value => value !== null)
    return known.reduce((a, b) => a + b, 0) / Math.max(1, known.length)
  }
  const variant = (factor: (c: number) => number) => ({
    top1: mean(perClass(factor)),
    perClass: perClass(factor),
  })
  const trained = variant(() => 1)
  const rightOf = ({ perClass: own }: { readonly perClass: readonly (number | null)[] }): number[] =>
    counts.map((count, c) => Math.round(count * (own[c] ?? 0)))
  /** As if every image that a variant has right, or fewer, were right as trained, too. */
  const pairedWith = (own: ReturnType<typeof variant>) => {
    const [together, alone] = [rightOf(trained), rightOf(own)]
    const over = (of: (c: number) => number): number[] => counts.map((_, c) => Math.max(0, of(c)))
    return {
      together,
      lost: over(c => together[c]! - alone[c]!),
      gained: over(c => alone[c]! - together[c]!),
    }
  }
  const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  const measured = (own: ReturnType<typeof variant>) => {
    const { lost, gained } = pairedWith(own)
    const { top1, perClass: byClass } = own
    return { measures: { top1 }, perClass: byClass, lost: total(lost), gained: total(gained) }
  }
  /** Of variants each of which has the first so many of every class right. */
  const leadAmong = (variants: readonly ReturnType<typeof variant>[], counted: 'right' | 'wrong') => {
    const rows = variants.map(own => rightOf(own).map((n, c) => (counted === 'right' ? n : counts[c]! - n)))
    const both = (a: number, b: number): number =>
      total(counts.map((_, c) => Math.min(rows[a]![c]!, rows[b]![c]!)))
    return leadOf(rows.map(total), both, labels.length)
  }
  const routes = made.layers.map((layer, l) => routed(made, layer, l, labels))

  const both = made.layers.map((layer, l): [LayerFindings, ClassificationExtras['layers'][number]] => {
    const { experts, k } = layer
    const records = routes[l]!
    const { weights, logits } = records
    const ofClass = affinityOf(records, labels, made.classes.length)
    const coarse = made.superclassOf === null ? null : labels.map(label => made.superclassOf?.[label] ?? -1)
    const bySuperclass = coarse === null ? null : affinityOf(records, coarse, made.superclasses?.length ?? 0)
    const share = shares(weights, experts, w => w)
    const activation = shares(weights, experts, w => Number(w > 0))
    const known = (c: number, e: number): number => ofClass.weight[c]?.[e] ?? 0
    const single = share.map((_, e) => variant(c => 0.15 + 0.8 * known(c, e)))
    const without = experts === 1 ? [] : share.map((_, e) => variant(c => 1 - 0.55 * known(c, e)))
    const groupings = [
      groupingAmong('class', made.classes, records, labels),
      ...(coarse === null ? [] : [groupingAmong('superclass', made.superclasses ?? [], records, coarse)]),
    ]
    const core: LayerFindings = {
      name: layer.name,
      place: layer.position,
      style: 'resblock',
      count: experts,
      k,
      inputs: 1,
      constraint: 'importance',
      share,
      activation,
      cvImportance: variation(share),
      cvActivation: variation(activation),
      active: share.filter(value => value > 0.01).length,
      groupings,
      attributes: [],
      attributeLeads: { choice: null, experts: [] },
      dependence: dependenceOf(records),
      leads: {
        single: leadAmong(single, 'right'),
        without: without.length === 0 ? null : leadAmong([...without, trained], 'wrong'),
        pair: pairLead(records),
      },
      coactivation: coactivationOf(records),
      variants: {
        single: single.map(measured),
        without: without.map(measured),
        byK: share.map((_, i) =>
          measured(variant(() => 1.02 - 0.07 * Math.abs(i + 1 - Math.min(experts, k + 1)) ** 0.5)),
        ),
        equal: measured(variant(() => 0.9)),
      },
      history: Array.from({ length: 12 }, (_, at) => {
        const far = Math.exp(-at / 3)
        const importance = share.map((value, e) => {
          const early = draws(3, 'early', l, e).uniform()
          return Math.max(0, value + (value > 0 ? far * (early - 0.5) * 0.5 : 0))
        })
        return {
          epoch: at,
          importance,
          cvImportance: variation(importance),
          active: importance.filter(v => v > 0.01).length,
        }
      }),
      agreement: made.against
        ? {
            against: 'other-run',
            pairs: share.map((_, e) => ({
              expert: e,
              other: (e + 1) % experts,
              similarity: e === 1 ? null : 0.8 - 0.1 * e,
            })),
            mean: 0.61,
            chance: 0.12,
            chance95: 0.21,
            p: 1 / 201,
            permutations: 200,
          }
        : null,
    }
    const own: ClassificationExtras['layers'][number] = {
      map: mapOf(logits, weights, labels, experts),
      experts: share.map((own, expert) => {
        const first = <T extends { lift: number }>(rows: T[]): T[] =>
          rows
            .filter(({ lift }) => lift > 1)
            .sort((a, b) => b.lift - a.lift)
            .slice(0, 8)
        const top = (of: typeof ofClass, index: number) => ({
          weight: of.weight[index]?.[expert] ?? 0,
          lift: of.lift[index]?.[expert] ?? 0,
          activation: of.activation[index]?.[expert] ?? 0,
        })
        const spread = Math.sqrt(
          weights.filter((_, at) => at % experts === expert).reduce((sum, w) => sum + (w - own) ** 2, 0) /
            Math.max(1, labels.length),
        )
        const group =
          bySuperclass === null || made.superclasses === null || made.superclassOf === null
            ? {}
            : {
                superclasses: {
                  names: made.superclasses,
                  images: made.superclasses.map(
                    (_, s) => labels.filter(c => made.superclassOf?.[c] === s).length,
                  ),
                  by: bySuperclass,
                  of: made.superclassOf,
                },
              }
        return {
          expert,
          ...captionOf({
            expert,
            share,
            k,
            overall: own,
            activation: activation[expert]!,
            spread,
            classes: made.classes,
            images: counts,
            byClass: ofClass,
            alone: pairedWith(single[expert]!),
            independence: 1,
            counted: 'right',
            ...group,
          }),
          classes: first(made.classes.map((_, index) => ({ class: index, ...top(ofClass, index) }))),
          superclasses:
            bySuperclass === null
              ? []
              : first(
                  (made.superclasses ?? []).map((_, index) => ({
                    superclass: index,
                    ...top(bySuperclass, index),
                  })),
                ),
          gallery: galleryOf(
            records,
            Array.from(labels, label => [label]),
            expert,
            { count: made.gallery, perClass: 3 },
          ),
        }
      }),
    }
    return [core, own]
  })
  const layers = both.map(([core]) => core)
  const ownLayers = both.map(([, own]) => own)

  const named = labels.map((label, n) =>
    draws(8, 'named', n).uniform() < right[label]!
      ? label
      : Math.floor(draws(8, 'instead', n).uniform() * made.classes.length),
  )
  const answers = plain(
    summarizeAnswers(
      { named, confidences: Float32Array.from(labels, (_, n) => draws(8, 'confidence', n).uniform()) },
      labels,
      made.layers.map(({ name, k }, l) => ({ name, k, inputs: 1, ...routes[l]! })),
      made.classes.length,
    ),
  )
  const galleries = ownLayers.flatMap(({ experts }) => experts.flatMap(({ gallery }) => gallery))
  const seen = [...new Set([...galleries, ...answers.mistakes.map(({ image }) => image)])]
  const pictures = seen
    .sort((a, b) => a - b)
    .map(image => {
      const label = labels[image]!
      const other = (purpose: string, i: number): number =>
        draws(5, purpose, image, i).uniform() < 0.55
          ? label
          : Math.floor(draws(6, purpose, image, i).uniform() * made.classes.length)
      return {
        image,
        labels: [label],
        predictions: [other('prediction', 0)],
        layers: made.layers.map(({ experts }, l) => {
          const row = (values: Float32Array): number[] =>
            Array.from(values.subarray(image * experts, (image + 1) * experts))
          const each = Array.from({ length: experts }, (_, e) => e)
          return {
            weights: row(routes[l]!.weights),
            logits: row(routes[l]!.logits),
            single: each.map(e => [other(`alone ${l}`, e)]),
            without: experts === 1 ? [] : each.map(e => [other(`without ${l}`, e)]),
          }
        }),
      }
    })

  return {
    findings: {
      version: 3,
      task: 'classification',
      run: {
        name: 'cifar100-small-kl',
        recipe: 'cifar100-small',
        step: 15640,
        checkpoint: 'c0ffee',
        configuration: 'c0de',
        epochs: 12,
        extensions: [],
        seed: 42,
        model: 'resnet18, width 16, stem cifar',
        parameters: 1_234_567,
        activeParameters: 812_345,
        multiplyAdds: 35_200_000,
        moiety: '0.1.0',
      },
      data: {
        title: 'CIFAR-100',
        files: null,
        identity: 'beef',
        given: false,
        split: 'test',
        images: labels.length,
        classes: [...made.classes],
        superclasses: made.superclasses === null ? null : [...made.superclasses],
        superclassOf: made.superclassOf === null ? null : [...made.superclassOf],
        perClass: counts,
      },
      loss: 1.4321,
      measures: { top1: trained.top1, top5: Math.min(1, trained.top1 * 1.35) },
      perClass: { top1: trained.perClass },
      extras: {
        task: 'classification',
        chance: 1 / made.classes.length,
        size: 32,
        answers,
        layers: ownLayers,
      },
      learning: [
        {
          run: 'cifar100-small-kl',
          seed: 42,
          points: Array.from({ length: 24 }, (_, at) => ({
            epoch: Math.floor(at / 2),
            split: at % 2 === 0 ? ('train' as const) : ('test' as const),
            loss: 1.4 + 3 / (1 + at) + (at % 2) / 10,
            measures: { top1: 0.6 - 0.5 / (1 + at) },
          })),
        },
      ],
      layers,
    },
    pictures,
  }
}

function groupingAmong(
  name: 'class' | 'superclass',
  names: readonly string[],
  records: { readonly experts: number; readonly weights: Float32Array },
  labels: Int32Array,
): GroupingFindings {
  const count = names.length
  const { experts } = records
  const items = Array.from(labels, (label, image) => ({ image, label, level: 0 }))
  const routed = routedItems(
    { ...records, inputs: 1 },
    items.filter(({ label }) => label >= 0),
  )
  const own = Int32Array.from(routed.items, ({ label }) => label)
  const steps = testGrouping(routed, { labels: own, count }, { permutations: 40, seed: 7 })
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  const { information } = step.value
  return {
    name,
    names: [...names],
    counts: countsOf(own, count),
    affinity: affinityOf(records, labels, count),
    top: names.map(() => new Array<number>(experts).fill(0)),
    information: {
      ...information,
      share: shareOfExperts(information.value, weightsOfItems(routed), experts),
    },
    withinLevel: null,
    association: null,
    above: null,
  }
}

/** Logits with a preference of each superclass, weights by softmax of the K largest. */
function routed(
  made: Synthetic,
  { experts, k, sharpness, dead = [] }: Synthetic['layers'][number],
  l: number,
  labels: Int32Array,
) {
  const weights = new Float32Array(labels.length * experts)
  const logits = new Float32Array(labels.length * experts)
  for (const [n, label] of labels.entries()) {
    const coarse = made.superclassOf?.[label] ?? label
    const row = Array.from({ length: experts }, (_, e) => {
      const taste = draws(11, 'superclass', l, coarse * 64 + e).normal()
      const finer = draws(12, 'class', l, label * 64 + e).normal()
      const noise = draws(13, 'image', l, n * 64 + e).normal()
      return dead.includes(e) ? -9 : sharpness * (1.2 * taste + 0.6 * finer) + 0.9 * noise
    })
    const chosen = Array.from(row.keys())
      .sort((a, b) => row[b]! - row[a]!)
      .slice(0, k)
    const total = chosen.reduce((sum, e) => sum + Math.exp(row[e]!), 0)
    logits.set(row, n * experts)
    for (const e of chosen) weights[n * experts + e] = Math.exp(row[e]!) / total
  }
  return { experts, weights, logits }
}

function shares(weights: Float32Array, experts: number, count: (weight: number) => number): number[] {
  const sums = new Array<number>(experts).fill(0)
  for (const [at, weight] of weights.entries()) sums[at % experts]! += count(weight)
  return sums.map(sum => (weights.length === 0 ? 0 : sum / (weights.length / experts)))
}

function variation(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return mean === 0
    ? 0
    : Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) / mean
}

/** Not UMAP, but as many points: the logits' projection upon a fan of directions. */
function mapOf(
  logits: Float32Array,
  weights: Float32Array,
  labels: Int32Array,
  experts: number,
): ClassificationExtras['layers'][number]['map'] {
  if (labels.length < 30) return null
  const images = Array.from(labels.keys()).filter(n => n % Math.ceil(labels.length / 2000) === 0)
  const project = (n: number, axis: (angle: number) => number): number =>
    Number(
      Array.from({ length: experts }, (_, e) => logits[n * experts + e]! * axis((2 * Math.PI * e) / experts))
        .reduce((a, b) => a + b, 0)
        .toFixed(3),
    )
  const topOf = (n: number): number => {
    const row = Array.from(weights.subarray(n * experts, (n + 1) * experts))
    return row.indexOf(Math.max(...row))
  }
  return {
    method: 'umap',
    images,
    x: images.map(n => project(n, Math.cos)),
    y: images.map(n => project(n, Math.sin)),
    neighbours: 15,
    top: images.map(topOf),
    labels: images.map(n => labels[n]!),
  }
}
