import type { MetricsLine } from '../run/metrics-log.ts'
import { accuracyOf, pairedCounts, predictionLead } from '../tasks/classification/accuracy.ts'
import type { LabelledItem, RoutedLayer } from '../tasks/routing.ts'
import type { TaskData, VariantResult } from '../tasks/task.ts'
import type { Mixture, Variant } from '../tasks/variants.ts'
import { affinityOf } from './affinity.ts'
import type { Analysed, Grouping, Predicted, Progress } from './analysed.ts'
import type { Attribute } from './attributes/attribute.ts'
import { attributesOfLayer, classSets } from './attributes/attribute-findings.ts'
import { coactivationOf, pairLead } from './coactivation.ts'
import { associationOf } from './contingency.ts'
import type { GroupingFindings, LayerFindings, VariantFindings } from './findings.ts'
import { permutationsOf, type TestOptions, testGrouping } from './grouping-test.ts'
import { dependenceOf, shareOfExperts } from './information.ts'
import { type RoutedItems, routedItems, topExperts, weightsOfItems } from './routed-items.ts'
import { historyOf } from './training-history.ts'
import { variantsAt } from './variants-at.ts'

export interface LayerFacts extends TestOptions {
  readonly analysed: Analysed
  /** Number of the layer in what was evaluated. */
  readonly index: number
  readonly mixture: Mixture
  readonly data: Pick<TaskData, 'classes' | 'superclasses' | 'superclassOf'>
  readonly log: readonly MetricsLine[]
  /** Of the images of the split. */
  readonly attributes: readonly Attribute[]
  readonly onProgress: Progress
}

/** Everything that there is to say about one mixture of experts of any task, but how it agrees with another run's. */
export async function layerFindings(facts: LayerFacts): Promise<Omit<LayerFindings, 'agreement'>> {
  const { analysed, index, mixture, data, log } = facts
  const { evaluated, variants, predicted } = analysed
  const layer = evaluated.routing[index]!
  const { importance, activation, cvImportance, cvActivation, active } = evaluated.layers[index]!
  const groupings: GroupingFindings[] = []
  for (const grouping of [...usualGroupings(layer, evaluated.items, data), ...analysed.groupings(layer)])
    groupings.push(await groupingFindings(layer, grouping, facts))
  const of = (kind: Variant['kind']): VariantResult[] => variantsAt(variants, mixture, kind)
  const each = (kind: Variant['kind']): VariantFindings[] =>
    of(kind).map(variant => variantFindings(variant, predicted, data.classes.length))
  return {
    name: layer.name,
    place: mixture.place,
    style: mixture.style,
    count: layer.experts,
    k: layer.k,
    inputs: layer.inputs,
    constraint: mixture.constraint,
    share: [...importance],
    activation: [...activation],
    cvImportance,
    cvActivation,
    active,
    groupings,
    ...(await attributesOfLayer(
      layer,
      facts.attributes,
      classSets(evaluated.items, evaluated.images),
      facts,
      (steps, what, total) => drained(steps, done => facts.onProgress(what, done, total)),
    )),
    dependence: dependenceOf(layer),
    leads: {
      ...predictionLeads(of('single'), of('without'), predicted),
      // Levels of an image are no independent witnesses.
      pair: layer.inputs === 1 ? pairLead(layer) : null,
    },
    coactivation: coactivationOf(layer),
    variants: { single: each('single'), without: each('without'), byK: each('k'), equal: each('equal')[0]! },
    history: historyOf(log, layer.name),
  }
}

/** Class, superclass where there are any, and level where images have several. */
function usualGroupings(
  layer: RoutedLayer,
  items: readonly LabelledItem[],
  { classes, superclasses, superclassOf }: LayerFacts['data'],
): Grouping[] {
  const inputs = layer.weights.length / layer.experts
  const group = ({ label }: LabelledItem): number => superclassOf?.[label] ?? -1
  return [
    { name: 'class', names: classes, items, withCells: false },
    ...(superclasses === undefined
      ? []
      : [
          {
            name: 'superclass' as const,
            names: superclasses,
            items: items.map(item => ({ ...item, label: group(item) })),
            withCells: false,
          },
        ]),
    ...(layer.inputs === 1
      ? []
      : [
          {
            name: 'level' as const,
            names: Array.from({ length: layer.inputs }, (_, level) => `P${level + 3}`),
            items: Array.from({ length: inputs }, (_, row) => {
              const level = row % layer.inputs
              return { image: Math.floor(row / layer.inputs), label: level, level }
            }),
            withCells: true,
          },
        ]),
  ]
}

async function groupingFindings(
  layer: RoutedLayer,
  { name, names, items, withCells }: Grouping,
  { permutations, seed, onProgress }: LayerFacts,
): Promise<GroupingFindings> {
  const { experts } = layer
  const count = names.length
  const all = routedItems(layer, items)
  const routed = routedItems(
    layer,
    items.filter(({ label }) => label >= 0),
  )
  const labels = labelsOf(routed)
  const ofLevels = name === 'level'
  const labelling = {
    labels,
    count,
    withCells,
    exchanged: ofLevels ? ('within images' as const) : ('everywhere' as const),
    withinLevel: !ofLevels && layer.inputs > 1,
  }
  const total = permutationsOf(labelling, { permutations, seed })
  const tests =
    routed.items.length === 0
      ? null
      : await drained(testGrouping(routed, labelling, { permutations, seed }), done =>
          onProgress(`permuting ${plurals[name]}`, done, total),
        )
  const top = topTable(routed, labels, count)
  const association = associationOf(top, experts)
  return {
    name,
    names: [...names],
    counts: countsOf(labels, count),
    affinity: affinityOf({ experts, weights: weightsOfItems(all) }, labelsOf(all), count),
    top: names.map((_, group) => Array.from(top.subarray(group * experts, (group + 1) * experts))),
    information: tests && {
      ...tests.information,
      share: shareOfExperts(tests.information.value, weightsOfItems(routed), experts),
    },
    withinLevel: tests?.withinLevel ?? null,
    association:
      tests === null || association === null
        ? null
        : { chiSquared: tests.chiSquared, v: association.v, corrected: association.corrected },
    above: withCells ? (tests?.above ?? names.map(() => new Array<number>(experts).fill(1))) : null,
  }
}

const plurals = { class: 'classes', superclass: 'superclasses', level: 'levels', size: 'sizes' } as const

function labelsOf({ items }: RoutedItems<LabelledItem>): Int32Array {
  return Int32Array.from(items, ({ label }) => label)
}

/** Items of each group by their top expert, [groups · E]. */
function topTable({ unit, weights, experts }: RoutedItems, labels: Int32Array, groups: number): Float64Array {
  const top = topExperts(weights, experts)
  const counts = new Float64Array(groups * experts)
  for (const [at, own] of unit.entries()) counts[labels[at]! * experts + top[own]!]! += 1
  return counts
}

/** Runs steps to their end; now and then reports how far they are and lets others have a turn. */
export async function drained<T>(steps: Generator<number, T>, onStep: (done: number) => void): Promise<T> {
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

function variantFindings(
  { measures, predictions, perClass: known }: VariantResult,
  predicted: Predicted | null,
  classes: number,
): VariantFindings {
  const own = { measures: { ...measures } }
  if (predicted === null || predictions === null)
    return { ...own, perClass: known === undefined ? null : [...known], gained: null, lost: null }
  const { labels } = predicted
  const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0)
  const { lost, gained } = pairedCounts(predicted.predictions, predictions, labels, classes)
  const { perClass } = accuracyOf(predictions, labels, classes)
  return { ...own, perClass, gained: total(gained), lost: total(lost) }
}

/** What may be called first: each is held against all others of its kind. */
function predictionLeads(
  single: readonly VariantResult[],
  without: readonly VariantResult[],
  predicted: Predicted | null,
): Pick<LayerFindings['leads'], 'single' | 'without'> {
  if (predicted === null) return { single: null, without: null }
  const { labels, predictions } = predicted
  const of = (variants: readonly VariantResult[]): Int32Array[] =>
    variants.flatMap(variant => variant.predictions ?? [])
  return {
    single: predictionLead(of(single), labels, 'right'),
    without: without.length === 0 ? null : predictionLead([...of(without), predictions], labels, 'wrong'),
  }
}

/** Items of each group; those with −1 belong to none. */
export function countsOf(labels: Int32Array, groups: number): number[] {
  const counts = new Array<number>(groups).fill(0)
  for (const label of labels) if (label >= 0) counts[label]! += 1
  return counts
}
