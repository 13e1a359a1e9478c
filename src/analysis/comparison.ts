import { createHash } from 'node:crypto'
import { activeShare } from '../metrics/utilization.ts'
import { type ConstraintKind, constraints } from '../moe/index.ts'
import type { Extension } from '../run/extensions.ts'
import type { Findings, LayerFindings } from './findings.ts'

/** A run beside others: what it reached, how its experts share the work, how far they are specialists, and what it cost. */
export interface ComparedRun {
  readonly run: string
  readonly recipe: string | null
  readonly seed: number
  readonly step: number
  /** What runs share that differ in nothing that decides their numbers but the seed. */
  readonly configuration: string
  /** Shorter plans that its learning rates followed before it was extended; empty for nearly all runs. */
  readonly extensions: readonly Extension[]
  /** What the images are, and what data sets with the same images share: accuracies on others cannot be compared. */
  readonly data: { readonly title: string; readonly identity: string; readonly images: number }
  readonly top1: number
  readonly top5: number
  /** Parameters, and those that one image passes through. */
  readonly parameters: number
  readonly activeParameters: number
  /** Of the training; null where it is not known. */
  readonly seconds: number | null
  readonly layers: readonly ComparedLayer[]
}

/** One mixture of experts of a run that is compared. Accuracies are fractions, information is in bits. */
export interface ComparedLayer {
  readonly name: string
  readonly style: string
  /** What balances the experts, and whether by a loss (`soft`), by shutting experts out (`hard`), or not at all. */
  readonly constraint: string
  readonly kind: ConstraintKind
  /** E and K. */
  readonly count: number
  readonly k: number
  readonly active: number
  readonly cvImportance: number
  readonly cvActivation: number
  /** I(superclass; expert) and I(class; expert), in bits; null where the data has no superclasses. */
  readonly superclassBits: number | null
  readonly classBits: number
  /** I(image; expert), in bits. */
  readonly imageBits: number
  /** Accuracy for K = 1 … E. */
  readonly byK: readonly number[]
  /**
   * What one expert alone costs: accuracy as trained less that of each active expert alone, averaged by their mean gate
   * weights. Null where no expert is active.
   */
  readonly singleDrop: number | null
  /** What the lack of one expert costs, averaged alike; null also where there is only one. */
  readonly withoutDrop: number | null
}

/** A run as its findings tell it. */
export function comparedRun({ run, data, accuracy, layers }: Findings, seconds: number | null): ComparedRun {
  return {
    run: run.name,
    recipe: run.recipe,
    seed: run.seed,
    step: run.step,
    configuration: run.configuration,
    extensions: run.extensions,
    data: { title: data.title, identity: comparedData(data), images: data.images },
    top1: accuracy.top1,
    top5: accuracy.top5,
    parameters: run.parameters,
    activeParameters: run.activeParameters,
    seconds,
    layers: layers.map(layer => comparedLayer(layer, accuracy.top1)),
  }
}

/**
 * What data sets share whose accuracies can be compared: the labels alone would not do, since two folders with as many images
 * of each of as many classes have the same.
 */
function comparedData({ identity, classes, files, split }: Findings['data']): string {
  return createHash('sha256')
    .update(JSON.stringify([identity, classes, files, split]))
    .digest('hex')
}

function comparedLayer(layer: LayerFindings, top1: number): ComparedLayer {
  const { name, style, constraint, count, k, active, cvImportance, cvActivation } = layer
  const { information, dependence, variants } = layer
  return {
    name,
    style,
    constraint,
    kind: constraints.find(constraint)?.kind ?? 'other',
    count,
    k,
    active,
    cvImportance,
    cvActivation,
    superclassBits: information.superclass?.bits ?? null,
    classBits: information.class.bits,
    imageBits: dependence.bits,
    byK: variants.byK.map(({ top1: one }) => one),
    singleDrop: meanDrop(layer, top1, variants.single),
    withoutDrop: meanDrop(layer, top1, variants.without),
  }
}

/**
 * Accuracy as trained less that of each expert's variant, averaged over active experts with their mean gate weights. An expert
 * that is never used has learned nothing, so it can do nothing alone: counted like the others it would make a collapsed
 * network, whose one expert does everything, look like one of specialists.
 */
function meanDrop(
  { share }: Pick<LayerFindings, 'share'>,
  top1: number,
  variants: readonly { readonly top1: number }[],
): number | null {
  let [weights, sum] = [0, 0]
  for (const [expert, variant] of variants.entries()) {
    const weight = share[expert] ?? 0
    if (weight <= activeShare) continue
    weights += weight
    sum += weight * (top1 - variant.top1)
  }
  return weights === 0 ? null : sum / weights
}

/** The kind of a run: that of its constraints, `other` where they differ; undefined for a network without mixtures. */
export function kindOfRun({ layers }: ComparedRun): ConstraintKind | undefined {
  const kinds = new Set(layers.map(({ kind }) => kind))
  if (kinds.size === 0) return undefined
  const [only] = kinds
  return kinds.size === 1 ? only : 'other'
}

/** Runs on the same data, as far trained, that differ in nothing but the seed. */
export interface Group {
  readonly runs: readonly ComparedRun[]
  /** How many different seeds they have. */
  readonly seeds: number
  readonly top1: Spread
}

/** Mean and standard deviation of the sample; the latter null for a single value. */
export interface Spread {
  readonly mean: number
  readonly deviation: number | null
}

/** Groups in the order in which they first appear. */
export function groupsOf(runs: readonly ComparedRun[]): Group[] {
  const groups = new Map<string, ComparedRun[]>()
  for (const run of runs) {
    const key = `${run.configuration} ${run.data.identity} ${run.step}`
    groups.set(key, [...(groups.get(key) ?? []), run])
  }
  return [...groups.values()].map(members => ({
    runs: members,
    seeds: new Set(members.map(({ seed }) => seed)).size,
    top1: spreadOf(members.map(({ top1 }) => top1)),
  }))
}

/** The data sets of the runs; with more than one, accuracies cannot be compared. */
export function dataSetsOf(runs: readonly ComparedRun[]): string[] {
  return [...new Map(runs.map(({ data }) => [data.identity, data.title])).values()]
}

export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0)
  return { mean, deviation: values.length < 2 ? null : Math.sqrt(squares / (values.length - 1)) }
}
