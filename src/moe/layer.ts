import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import {
  add,
  and,
  asFloat,
  expandLike,
  filledLike,
  globalAveragePool,
  less,
  linear,
  mul,
  onesLike,
  reshape,
  softplus,
  stopGradient,
  sum,
  type Tensor,
  zeroRows,
  zerosLike,
} from '../graph/index.ts'
import { kaimingUniform } from '../nn/initialise.ts'
import { channelsOf, type Layer } from '../nn/layers.ts'
import type { Initialiser, Scope } from '../nn/scope.ts'
import type { Constraint, Counters } from './constraints/constraint.ts'
import { denseDispatch, sparseDispatch, stackedDispatch } from './dispatch.ts'
import type { Gate } from './gates.ts'
import { describeRouting, type Routing, route, type Weighting } from './routing.ts'

/**
 * How images are routed when the layer is analysed rather than trained: by the gate with another K or without an
 * expert, to one expert alone, or to all with equal weight.
 */
export type RoutingOverride =
  | { readonly kind: 'gate'; readonly k?: number; readonly without?: number }
  | { readonly kind: 'single'; readonly expert: number }
  | { readonly kind: 'equal' }

/** Ways to compute Σ w·E(x) that agree: the chosen experts only, all of them, or all of them for analysis. */
export type DispatchName = 'sparse' | 'dense' | 'stacked'

const dispatches = { sparse: sparseDispatch, dense: denseDispatch, stacked: stackedDispatch } as const

/** What a mixture of experts is made of. */
export interface MoeOptions {
  /** The experts (E of them); any block. All must give the same shape. */
  readonly experts: readonly Layer[]
  readonly gate: Gate
  /** How many experts compute each image (K). */
  readonly k: number
  readonly constraint: Constraint
  readonly weighting?: Weighting
  readonly dispatch?: DispatchName
  /** Noise on the logits in training; default: as the constraint wants. */
  readonly noise?: boolean
  /** The epoch from which the constraint is off; null: never. */
  readonly lift?: number | null
  readonly override?: RoutingOverride
}

/** A mixture of experts as reports know it. */
export interface LayerInfo {
  /** Its name, e.g. `layer4`. */
  readonly name: string
  readonly experts: number
  readonly k: number
  /** Names of its constraint's counters. */
  readonly counters: readonly string[]
}

/** What a layer did with a batch, as symbolic tensors. */
export interface MoeStatistics {
  readonly name: string
  readonly experts: number
  readonly k: number
  /** The constraint's counters, after the step in training, by name. */
  readonly counters: Counters
  readonly routing: Routing
  /** 1 for experts that the constraint excluded in this step, [E]. */
  readonly excluded: Tensor
}

/** What reports know of a layer, from what it did. */
export function layerInfo({ name, experts, k, counters }: MoeStatistics): LayerInfo {
  return { name, experts, k, counters: Object.keys(counters) }
}

/** The output of a program that holds a counter of a layer's constraint. */
export function counterOutput(layer: string, counter: string): string {
  return `${layer}.counters.${counter}`
}

/** The result of a mixture-of-experts layer. A loss that is part of the result cannot be forgotten. */
export interface MoeResult {
  readonly output: Tensor
  /** Auxiliary losses, scalars, to be added to the task's. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/** Name of the scalar input that holds the current epoch (from 0), where a constraint is lifted. */
export const epochInput = 'epoch'

/**
 * A sparsely-gated mixture of experts (METHOD.md §1.1): each image of x [N, C, H, W] goes to K of the E experts,
 * and their results are added with the gate's weights.
 *
 * Parameters at the scope: `gate.*`, `gate.noise.weight` [E, C] with noise, `experts.I.*`; statistics:
 * `constraint.*`. With a single expert there is no gate, no noise and no loss: the layer is that expert.
 *
 * @throws MoietyError (usage) when K is not between 1 and E, K = 1 with softmax after top-k and E > 1, or the override
 *   names an expert or a K that is not there
 */
export function mixtureOfExperts(scope: Scope, x: Tensor, options: MoeOptions): MoeResult {
  const {
    experts,
    gate,
    k,
    constraint,
    weighting = 'softmax-after-top-k',
    dispatch = 'sparse',
    override,
  } = options
  checkOptions(scope, options)
  if (override !== undefined) checkOverride(scope, experts.length, override)
  if (experts.length === 1) return singleExpert(scope, x, experts[0]!)

  const clean = scope.in('gate', inner => gate(inner, x, experts.length))
  const noiseScale =
    (options.noise ?? constraint.noise)
      ? scope.in('gate', inner => noiseScaleOf(inner, x, experts.length))
      : undefined
  const logits =
    scope.training && noiseScale !== undefined
      ? add(
          clean,
          mul(
            scope.in('gate', inner => inner.noise('noise', clean.shape)),
            noiseScale,
          ),
        )
      : clean

  const counters = declareCounters(scope, constraint, experts.length)
  const lift = options.lift ?? null
  const active =
    lift === null || !scope.training ? undefined : less(scope.graph.input(epochInput, 'float32', []), lift)
  const barred = scope.training ? constraint.excluded?.(counters) : undefined
  const excluded = barred !== undefined && active !== undefined ? and(barred, active) : barred
  const bias = choiceBias(scope, constraint, counters, active, lift)

  const weights =
    overriddenWeights(override, logits) ??
    route(logits, {
      k: override?.kind === 'gate' ? (override.k ?? k) : k,
      weighting,
      excluded:
        override?.kind === 'gate' && override.without !== undefined
          ? expertMask(logits, override.without)
          : excluded,
      bias,
    })
  const routing = describeRouting(weights, logits, clean, scope.training ? noiseScale : undefined, k)
  const output = dispatches[dispatch](scope, x, weights, experts)

  const losses: Tensor[] = []
  let after = counters
  if (scope.training) {
    const loss = constraint.loss?.(routing)
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
    experts: experts.length,
    k,
    counters: after,
    routing,
    excluded: excluded === undefined ? none : asFloat(excluded),
  }
  return { output, losses, stats: [stats] }
}

function checkOptions(scope: Scope, { experts, k, weighting = 'softmax-after-top-k' }: MoeOptions): void {
  if (!Number.isInteger(k) || k < 1 || k > experts.length) {
    fail({
      kind: 'usage',
      message: `a mixture of experts expected 1 ≤ K ≤ E, but got K = ${k} and E = ${experts.length}`,
      where: scope.path,
      help: 'choose a K of at most the number of experts',
    })
  }
  if (k === 1 && experts.length > 1 && weighting === 'softmax-after-top-k') {
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

/** E = 1: the plain expert (METHOD.md §1.1). */
function singleExpert(scope: Scope, x: Tensor, expert: Layer): MoeResult {
  const output = scope.in('experts', all => all.in('0', inner => expert(inner, x)))
  const ones = onesLike(zeroRows(x, [1]))
  const routing = describeRouting(ones, ones, ones, undefined, 1)
  const excluded = zerosLike(sum(ones, [0]))
  return {
    output,
    losses: [],
    stats: [{ name: scope.path, experts: 1, k: 1, counters: {}, routing, excluded }],
  }
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
    const known = inner.statistic('active', [1], () => Float32Array.of(1))
    if (active === undefined) return mul(bias, known)
    const now = reshape(asFloat(active), [1])
    inner.assign('active', now)
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
