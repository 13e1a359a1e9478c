import { createHash } from 'node:crypto'
import { activeShare } from '../metrics/utilization.ts'
import { type ConstraintKind, constraints } from '../moe/index.ts'
import type { Measures } from '../run/events.ts'
import type { Extension } from '../run/extensions.ts'
import type { Latency } from '../run/latency.ts'
import type { LearningPoint } from '../run/learning-curve.ts'
import { scoreOf } from '../tasks/measures.ts'
import type { Findings, GroupingFindings, LayerFindings } from './findings.ts'

/** A run compared with others: what it reached, how its experts share the work, how far they are specialists, and what it cost. */
export interface ComparedRun {
  readonly task: string
  readonly run: string
  readonly recipe: string | null
  readonly seed: number
  readonly step: number
  /** Which checkpoint and weights, in words. */
  readonly checkpoint: string
  /** Whether it was chosen as the best one of its run: those of runs with other seeds are then at other steps. */
  readonly isBest: boolean
  /** What runs share that differ in nothing that decides their numbers but the seed. */
  readonly configuration: string
  /** Shorter plans that its learning rates followed before it was extended; empty for nearly all runs. */
  readonly extensions: readonly Extension[]
  /** What the images are, and what data sets with the same images share: scores on others cannot be compared. */
  readonly data: { readonly title: string; readonly identity: string; readonly images: number }
  /** On held-out images, by the names of the task's measures. */
  readonly measures: Measures
  /** The measure that ranks runs of the task (top-1 accuracy, AP, …), from 0 to 1; null where there was nothing to measure. */
  readonly score: number | null
  /** Parameters, and those that one image passes through. */
  readonly parameters: number
  readonly activeParameters: number
  /** Multiply–adds of an image; null in reports of earlier versions. */
  readonly multiplyAdds: number | null
  /** How long its exported file takes; null where that was not measured. */
  readonly latency: Latency | null
  readonly learning: readonly LearningPoint[]
  /** Of the training; null where it is not known. */
  readonly seconds: number | null
  readonly layers: readonly ComparedLayer[]
}

/** One mixture of experts of a run that is compared. Information is in bits. */
export interface ComparedLayer {
  readonly name: string
  readonly style: string | null
  /** What balances the experts, and whether by a loss (`soft`), by masking experts (`hard`), or not at all. */
  readonly constraint: string
  readonly kind: ConstraintKind
  /** E and K. */
  readonly count: number
  readonly k: number
  readonly active: number
  readonly cvImportance: number
  readonly cvActivation: number
  /** I(group; expert) for each grouping, in bits; a grouping that the run does not have is left out. */
  readonly bits: Readonly<Partial<Record<GroupingFindings['name'], number>>>
  /** I(input; expert), in bits: of images, or of the levels of images. */
  readonly inputBits: number
  /** The score for K = 1 … E. */
  readonly byK: readonly (number | null)[]
  /**
   * What one expert alone costs: the score as trained less that of each active expert alone, averaged by their mean gate
   * weights. Null where no expert is active.
   */
  readonly singleDrop: number | null
  /** What the lack of one expert costs, averaged alike; null also where there is only one. */
  readonly withoutDrop: number | null
}

/** A run as its findings describe it. */
export function comparedRun(
  { task, run, data, measures, layers, learning }: Findings,
  seconds: number | null,
  isBest = false,
): ComparedRun {
  const score = scoreIn(measures)
  return {
    task,
    run: run.name,
    recipe: run.recipe,
    seed: run.seed,
    step: run.step,
    checkpoint: run.which ?? `step ${run.step}`,
    isBest,
    configuration: run.configuration,
    extensions: run.extensions,
    data: { title: data.title, identity: comparedData(data), images: data.images },
    measures,
    score,
    parameters: run.parameters,
    activeParameters: run.activeParameters,
    multiplyAdds: run.multiplyAdds,
    latency: null,
    learning: learning[0]?.points ?? [],
    seconds,
    layers: layers.map(layer => comparedLayer(layer, score)),
  }
}

function scoreIn(measures: Measures): number | null {
  return scoreOf(measures)?.value ?? null
}

/**
 * What data sets share whose scores can be compared: the labels alone would not do, since two folders with as many images
 * of each of as many classes have the same.
 */
function comparedData({ identity, classes, files, split }: Findings['data']): string {
  return createHash('sha256')
    .update(JSON.stringify([identity, classes, files, split]))
    .digest('hex')
}

function comparedLayer(layer: LayerFindings, score: number | null): ComparedLayer {
  const { name, style, constraint, count, k, active, cvImportance, cvActivation } = layer
  const { groupings, dependence, variants } = layer
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
    bits: Object.fromEntries(
      groupings.flatMap(({ name: group, information }) =>
        information === null ? [] : [[group, information.value]],
      ),
    ),
    inputBits: dependence.bits,
    byK: variants.byK.map(({ measures }) => scoreIn(measures)),
    singleDrop: meanDrop(layer, score, variants.single),
    withoutDrop: meanDrop(layer, score, variants.without),
  }
}

/**
 * The score as trained less that of each expert's variant, averaged over active experts with their mean gate weights. An expert
 * that is never used has learned nothing, so it can do nothing alone: counted like the others it would make a collapsed
 * network, whose one expert does everything, look like one of specialists.
 */
function meanDrop(
  { share }: Pick<LayerFindings, 'share'>,
  score: number | null,
  variants: readonly { readonly measures: Measures }[],
): number | null {
  let [weights, sum] = [0, 0]
  for (const [expert, variant] of variants.entries()) {
    const weight = share[expert] ?? 0
    const own = scoreIn(variant.measures)
    if (weight <= activeShare || own === null || score === null) continue
    weights += weight
    sum += weight * (score - own)
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

/** Runs on the same data, as far trained or each at its best, that differ in nothing but the seed. */
export interface Group {
  readonly runs: readonly ComparedRun[]
  /** How many different seeds they have. */
  readonly seeds: number
  /** Of the scores; null where no run has one. */
  readonly score: Spread | null
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
    const key = `${run.configuration} ${run.data.identity} ${run.isBest ? 'best' : run.step}`
    groups.set(key, [...(groups.get(key) ?? []), run])
  }
  return [...groups.values()].map(members => {
    const scores = members.flatMap(({ score }) => score ?? [])
    return {
      runs: members,
      seeds: new Set(members.map(({ seed }) => seed)).size,
      score: scores.length === 0 ? null : spreadOf(scores),
    }
  })
}

/** The data sets of the runs; with more than one, scores cannot be compared. */
export function dataSetsOf(runs: readonly ComparedRun[]): string[] {
  return [...new Map(runs.map(({ data }) => [data.identity, data.title])).values()]
}

export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0)
  return { mean, deviation: values.length < 2 ? null : Math.sqrt(squares / (values.length - 1)) }
}

const order = ['superclass', 'class', 'level', 'size'] as const satisfies readonly GroupingFindings['name'][]

/** By what the layers of some runs are analysed, in the order of columns. */
export function groupingsOf(runs: readonly Pick<ComparedRun, 'layers'>[]): GroupingFindings['name'][] {
  return order.filter(name => runs.some(({ layers }) => layers.some(({ bits }) => bits[name] !== undefined)))
}
