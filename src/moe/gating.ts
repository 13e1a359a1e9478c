import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import {
  add,
  and,
  asFloat,
  concat,
  expandLike,
  filledLike,
  type Graph,
  globalAveragePool,
  less,
  linear,
  mul,
  onesLike,
  reshape,
  slice,
  softplus,
  stopGradient,
  sum,
  type Tensor,
  zeroRows,
  zerosLike,
} from '../graph/index.ts'
import { checkedTensor, checkFunction } from '../nn/contract.ts'
import type { Initialiser } from '../nn/initialise.ts'
import { kaimingUniform } from '../nn/initialise.ts'
import { channelsOf } from '../nn/layers.ts'
import type { Labels, Scope } from '../nn/scope.ts'
import { activeStatistic, checkedConstraint, checkFree } from './constraints/checked.ts'
import type { Constraint, Counters } from './constraints/constraint.ts'
import type { Gate } from './gates/gate.ts'
import { describeRouting, type Routing, route, type Weighting } from './routing.ts'

import { contextualOverride, type RoutingOverride } from './routing-context.ts'

/** How inputs find their experts. */
export interface GatingOptions {
  /** How many experts there are (E). */
  readonly experts: number
  readonly gate: Gate
  /** How many experts compute each image (K). */
  readonly k: number
  readonly constraint: Constraint
  readonly weighting?: Weighting
  /** Noise on the logits in training; default: as the constraint wants. */
  readonly noise?: boolean
  /** The epoch from which the constraint is off; null: never. */
  readonly lift?: number | null
  readonly override?: RoutingOverride | undefined
}

/** A mixture of experts as reports know it. */
export interface LayerInfo {
  /** Its name, e.g. `layer4`. */
  readonly name: string
  readonly experts: number
  readonly k: number
  /** How many inputs of each image it routes: one, or the levels of a feature pyramid. */
  readonly inputs: number
  /** The constraint's name. */
  readonly constraint: string
  /** Names of its constraint's counters. */
  readonly counters: readonly string[]
}

/** What a layer did with a batch, as symbolic tensors. */
export interface MoeStatistics {
  readonly name: string
  readonly experts: number
  readonly k: number
  /** The constraint's name. */
  readonly constraint: string
  /** How many inputs of each image were routed; row = input · N + image. */
  readonly inputs: number
  /** The constraint's counters, after the step in training, by name. */
  readonly counters: Counters
  readonly routing: Routing
  /** 1 for experts that the constraint excluded in this step, [E]. */
  readonly excluded: Tensor
}

/** What reports know of a layer, from what it did. */
export function layerInfo({ name, experts, k, inputs, constraint, counters }: MoeStatistics): LayerInfo {
  return { name, experts, k, inputs, constraint, counters: Object.keys(counters) }
}

/** The output of a program that holds a counter of a layer's constraint. */
export function counterOutput(layer: string, counter: string): string {
  return `${layer}.counters.${counter}`
}

/** Name of the scalar input that holds the current epoch (from 0), where a constraint is lifted. */
export const epochInput = 'epoch'

/** The current epoch; NaN would be before no epoch, and lift the constraint. */
function epochOf(graph: Graph): Tensor {
  return graph.input(epochInput, 'float32', [], {
    least: 0,
    most: Infinity,
    expected: 'the number of an epoch from 0',
    help: 'feed how many epochs are done',
  })
}

/** Where inputs go: a weight for each of their images and each expert, with what the constraint has to say. */
export interface Gating {
  /** [N, E] for each input, in their order. */
  readonly weights: readonly Tensor[]
  /** Auxiliary losses, scalars, to be added to the task's. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/**
 * Routes the images of several inputs by one gate (METHOD.md §1.1): the five levels of a feature pyramid, say, whose routed
 * unit is (image, level). Constraints and statistics see all rows together, input by input: row = input · N + image.
 *
 * Parameters at the scope: `gate.*`, `gate.noise.weight` [E, C] with noise; statistics: `constraint.*`. With a single expert
 * there is no gate, no noise and no loss.
 *
 * @param xs - [N, C, H, W] each, of any H and W
 * @throws MoietyError (usage) when K is not between 1 and E, K = 1 with softmax after top-k and E > 1, the override
 *   names an expert or a K that is not there, or the gate or the constraint returns something else than it must
 */
export function gateInputs(scope: Scope, xs: readonly Tensor[], options: GatingOptions): Gating {
  const { experts, gate, k, weighting = 'softmax-after-top-k' } = options
  const override = contextualOverride(scope) ?? options.override
  checkOptions(scope, options)
  const constraint = checkedConstraint(options.constraint, scope, experts)
  if (override !== undefined) checkOverride(scope, experts, override)
  if (experts === 1) return toSingleExpert(scope, xs)

  const clean = scope.in('gate', inner =>
    xs.map(x =>
      // A gate of a user's own may give anything.
      checkedTensor(gate(inner, x, experts), {
        who: 'a gate',
        returns: 'its logits',
        graph: scope.graph,
        dtype: 'float32',
        shape: [x.shape[0]!, experts],
        where: inner.path,
        help: 'return one logit for each image and expert, such as linear(scope, globalAveragePool(x), experts)',
      }),
    ),
  )
  const noiseScale =
    (options.noise ?? constraint.noise)
      ? scope.in('gate', inner => xs.map(x => noiseScaleOf(inner, x, experts)))
      : undefined
  const logits =
    scope.training && noiseScale !== undefined
      ? scope.in('gate', inner => withNoise(inner, clean, noiseScale))
      : clean

  const counters = declareCounters(scope, constraint, experts)
  const lift = options.lift ?? null
  const active = lift === null || !scope.training ? undefined : less(epochOf(scope.graph), lift)
  const barred = scope.training ? constraint.excluded?.(counters) : undefined
  const excluded = barred !== undefined && active !== undefined ? and(barred, active) : barred
  const bias = choiceBias(scope, constraint, counters, active, lift)

  // A row's weights depend on that row alone, so each input is routed by itself.
  const weights = logits.map(
    own =>
      overriddenWeights(override, own) ??
      route(own, {
        k: override?.kind === 'gate' ? (override.k ?? k) : k,
        weighting,
        excluded:
          override?.kind === 'gate' && override.without !== undefined
            ? expertMask(own, override.without)
            : excluded,
        bias,
      }),
  )
  const routing = describeRouting(
    concat(weights, 0),
    concat(logits, 0),
    concat(clean, 0),
    scope.training && noiseScale !== undefined ? concat(noiseScale, 0) : undefined,
    k,
  )

  const losses: Tensor[] = []
  let after = counters
  if (scope.training) {
    const loss = constraint.loss?.(routing, { labels: labelsOf(scope, xs.length) })
    if (loss !== undefined) losses.push(active === undefined ? loss : mul(loss, asFloat(active)))
    const updated = Object.entries(constraint.update?.(counters, routing) ?? {})
    after = {
      ...counters,
      ...Object.fromEntries(updated.map(([name, value]) => [name, stopGradient(value)])),
    }
    for (const [name] of updated) scope.in('constraint', inner => inner.assign(name, after[name]!))
  }
  const none = zerosLike(routing.importance)
  const stats: MoeStatistics = {
    name: scope.path,
    experts,
    k,
    constraint: constraint.name,
    inputs: xs.length,
    counters: after,
    routing,
    excluded: excluded === undefined ? none : asFloat(excluded),
  }
  return { weights, losses, stats: [stats] }
}

/** The class of each row: the labels of the images once for each input. */
function labelsOf({ labels }: Scope, inputs: number): Labels | undefined {
  if (labels === undefined || inputs === 1) return labels
  return { ...labels, indices: concat(new Array<Tensor>(inputs).fill(labels.indices), 0) }
}

function checkOptions(
  scope: Scope,
  { experts, gate, k, weighting = 'softmax-after-top-k' }: GatingOptions,
): void {
  checkFunction(gate, {
    what: 'a gate',
    where: scope.path,
    help: 'give gapFc, convGapFc() or (scope, x, experts) => logits',
  })
  if (!Number.isInteger(k) || k < 1 || k > experts) {
    fail({
      kind: 'usage',
      message: `a mixture of experts expected 1 ≤ K ≤ E, but got K = ${k} and E = ${experts}`,
      where: scope.path,
      help: 'choose a K of at most the number of experts',
    })
  }
  if (k === 1 && experts > 1 && weighting === 'softmax-after-top-k') {
    fail({
      kind: 'usage',
      message:
        'K = 1 with softmax after top-k gives the gate no gradient: the softmax of a single logit is constantly 1',
      where: scope.path,
      help: 'use weighting "softmax-before-top-k", whose weight is straight-through, or K ≥ 2',
    })
  }
}

function checkOverride(scope: Scope, experts: number, override: RoutingOverride): void {
  if (override.kind === 'equal') return
  const expert = override.kind === 'single' ? override.expert : override.without
  if (expert !== undefined && (!Number.isInteger(expert) || expert < 0 || expert >= experts)) {
    fail({
      kind: 'usage',
      message: `expected an expert from 0 to ${experts - 1}, but got ${expert}`,
      where: scope.path,
      help: 'experts are counted from 0',
    })
  }
  if (override.kind === 'single') return
  const left = experts - (override.without === undefined ? 0 : 1)
  const k = override.k ?? 1
  if (!Number.isInteger(k) || k < 1 || k > experts || left === 0) {
    fail({
      kind: 'usage',
      message:
        left === 0
          ? 'without its only expert, a layer has none left'
          : `expected 1 ≤ K ≤ E, but got K = ${k} and E = ${experts}`,
      where: scope.path,
      help: 'choose another K or expert for the analysis',
    })
  }
}

/** E = 1: every image goes to the one expert (METHOD.md §1.1). */
function toSingleExpert(scope: Scope, xs: readonly Tensor[]): Gating {
  const weights = xs.map(x => onesLike(zeroRows(x, [1])))
  const ones = concat(weights, 0)
  const routing = describeRouting(ones, ones, ones, undefined, 1)
  const excluded = zerosLike(sum(ones, [0]))
  const stats = {
    name: scope.path,
    experts: 1,
    k: 1,
    constraint: 'none',
    inputs: xs.length,
    counters: {},
    routing,
    excluded,
  }
  return { weights, losses: [], stats: [stats] }
}

/** z + ε ⊙ s. The numbers ε of all inputs are one input of the graph, `noise` [inputs · N, E]. */
function withNoise(scope: Scope, clean: readonly Tensor[], scale: readonly Tensor[]): readonly Tensor[] {
  const rows = concat(clean, 0)
  const noise = scope.noise('noise', rows.shape)
  let end = 0
  return clean.map((logits, i) => {
    if (clean.length === 1) return add(logits, mul(noise, scale[i]!))
    const start = end
    end += Number(logits.shape[0])
    return add(logits, mul(slice(noise, 0, start, end), scale[i]!))
  })
}

/** softplus(GAP(x)·Wn + 0.01): the standard deviation of the logits' noise, [N, E]. Wn is `noise.weight` [E, C]. */
function noiseScaleOf(scope: Scope, x: Tensor, experts: number): Tensor {
  const weight = scope.in('noise', inner =>
    inner.parameter('weight', [experts, channelsOf(x)], kaimingUniform),
  )
  return softplus(add(linear(globalAveragePool(x), weight), 0.01))
}

function declareCounters(scope: Scope, constraint: Constraint, experts: number): Counters {
  const first = Object.entries(constraint.init?.(experts) ?? {})
  scope.in('constraint', inner => checkFree([...first.map(([name]) => name), activeStatistic], inner))
  const declare = (name: string, value: HostTensor): Tensor => {
    const initialise: Initialiser = () => Float32Array.from(value.data, Number)
    return scope.in('constraint', inner => inner.statistic(name, value.shape, initialise))
  }
  return Object.fromEntries(first.map(([name, value]) => [name, declare(name, value)]))
}

/**
 * What a constraint adds to the logits for the choice, in training and in evaluation: the experts learned from the images
 * that were chosen for them with it. Evaluation knows no epoch, so whether the bias has been lifted is a statistic of the
 * layer (`constraint.active`, [1]).
 */
function choiceBias(
  scope: Scope,
  constraint: Constraint,
  counters: Counters,
  active: Tensor | undefined,
  lift: number | null,
): Tensor | undefined {
  const bias = constraint.bias?.(counters)
  if (bias === undefined || lift === null) return bias
  return scope.in('constraint', inner => {
    const known = inner.statistic(activeStatistic, [1], () => Float32Array.of(1))
    if (active === undefined) return mul(bias, known)
    const now = reshape(asFloat(active), [1])
    inner.assign(activeStatistic, now)
    return mul(bias, now)
  })
}

function overriddenWeights(override: RoutingOverride | undefined, logits: Tensor): Tensor | undefined {
  switch (override?.kind) {
    case 'equal':
      return filledLike(logits, 1 / Number(logits.shape[1]))
    case 'single':
      return expandLike(asFloat(expertMask(logits, override.expert)), logits)
    default:
      return undefined
  }
}

/** bool [E], true at one expert. */
function expertMask(logits: Tensor, expert: number): Tensor {
  const experts = Number(logits.shape[1])
  return logits.graph.constant(
    'bool',
    [experts],
    Array.from({ length: experts }, (_, i) => Number(i === expert)),
  )
}
