import { fail } from '../base/errors.ts'
import { checkNumber, isCount } from '../base/numbers.ts'
import { type HostTensor, sizeOf } from '../base/tensor.ts'
import type { OptimizerConfig } from '../config/config.ts'
import {
  add,
  asFloat,
  concat,
  finite,
  Graph,
  gradients,
  greater,
  lower,
  mul,
  neg,
  type Program,
  reachableNodes,
  reshape,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts'
import { checkedExtras, contractOf } from '../models/check-outputs.ts'
import { activeParameterCount } from '../models/index.ts'
import { counterOutput, type LayerInfo, layerInfo, type MoeStatistics } from '../moe/index.ts'
import { checkedObject, checkedTensor, describeGiven } from '../nn/contract.ts'
import { type Distribution, type Limit, Scope } from '../nn/index.ts'
import {
  averageStep,
  clipGradients,
  gradientNorm,
  isAveragedStatistic,
  type OptimizerStep,
  optimize,
  trainedTogether,
  withAverages,
  zerosFor,
} from '../optim/index.ts'
import type { BatchForm, BuildObjective, Objective } from '../tasks/objective.ts'

/** All that a training step depends on but its data. */
export interface WriteStepOptions {
  readonly objective: BuildObjective
  readonly form: BatchForm
  readonly optimizer: OptimizerConfig
  /** Largest norm of all gradients together; null: as they are. */
  readonly clipNorm: number | null
  /** Keeps a moving average of the weights in the state (see `averageStep`). Default: none. */
  readonly ema?: { readonly decay: number } | undefined
}

/** An input of random numbers that every step must feed. */
export interface NoiseInput {
  readonly name: string
  readonly shape: readonly number[]
  readonly distribution: Distribution
}

/** A moving average of weights. */
export interface WeightAverage {
  readonly decay: number
  /** The tensors of the state that are averaged. */
  readonly names: readonly string[]
}

/** What the loop and its log have to know of a training step, however it is computed. */
export interface StepFacts {
  readonly needsEpoch: boolean
  /** What moving average of the weights the state keeps; undefined: none. */
  readonly average?: WeightAverage | undefined
  readonly layers: readonly LayerInfo[]
  /** Outputs that are sums over the batch's images, besides the losses, which are means. */
  readonly measures: readonly string[]
  readonly parameterCount: number
  /** Parameters that one image passes through: K of the E experts. */
  readonly activeParameterCount: number
  /** Outputs with those of a limit's numbers that are too large, 0 for the others, by their names (see {@link refuseExceeded}). */
  readonly limits: ReadonlyMap<string, Limit>
  /** First values of everything: model, counters and optimizer. */
  initialState(seed: number): Map<string, HostTensor>
}

/** How a program that is fed like a step is looked through for what is not finite. */
export interface Diagnosis {
  /**
   * A program whose one output `checks` holds, for each label in the order of computation, 0 where all values are finite and
   * NaN where one is not.
   */
  readonly program: Program
  readonly labels: readonly string[]
}

/**
 * A training step as one program: forward, backward, optimizer and counters.
 *
 * Fed: `images` float32 [N, 3, H, W], what the objective asks for, `learningRate` [], `epoch` [] where a constraint is
 * lifted, and the noise. All else is state. Given: the new state, and the metrics `loss`, `taskLoss`, `auxLoss`,
 * `gradientNorm`, `weightNorm` (of the parameters before the step), the objective's measures and per layer `NAME.importance`, `.activation`, `.excluded` [E], `.idle` (places
 * of the K·N that stayed empty) and the constraint's counters after the step (`NAME.counters.r`).
 */
export interface TrainingStep extends StepFacts {
  readonly program: Program
  /** Names of the state without the optimizer's. */
  readonly model: readonly string[]
  /** Output of the program to the name of the state tensor that it becomes. */
  readonly updates: ReadonlyMap<string, string>
  /** Outputs that must be finite for the step to count. */
  readonly guards: readonly string[]
  readonly noise: readonly NoiseInput[]
  /** Looks for the first tensor that is not finite. */
  diagnosis(): Diagnosis
}

/** Writes a training step. @throws MoietyError (usage) for an objective or numbers that cannot be */
export function writeStep(options: WriteStepOptions): TrainingStep {
  const { graph, loss, gradients: raw, metrics, assigned, model, facts, noise } = differentiate(options)
  const { optimizer, clipNorm } = options
  const { norm, weightNorm, optimized } = optimizerStep(graph, raw, optimizer, clipNorm)
  const changed = new Map([...optimized.updates, ...assigned])
  const { average, next } = averageOf(graph, raw, changed, options.ema)
  for (const [name, value] of next) changed.set(name, value)
  const outputs = new Map([
    ...[...metrics].map(([name, { value }]) => [name, value] as const),
    ['gradientNorm', norm] as const,
    ['weightNorm', weightNorm] as const,
    ...statisticsGuard([...assigned.values()]),
    ...limitGuard(
      graph,
      [...facts.limits.keys()].map(name => metrics.get(name)!.value),
    ),
    ...[...changed].map(([name, value]) => [nextValue(name), value] as const),
  ])
  return {
    program: lower(outputs),
    updates: new Map([...changed.keys()].map(name => [nextValue(name), name])),
    guards: guardsOf(facts, assigned),
    noise,
    model,
    ...facts,
    average,
    initialState: seed =>
      withAverages(new Map([...facts.initialState(seed), ...zerosFor(optimized.own)]), average?.names ?? []),
    diagnosis: () => diagnose([loss, norm, ...assigned.values()]),
  }
}

/** The average of what a step changes: parameters and BatchNorm's statistics. */
export function averageOf(
  graph: Graph,
  parameters: readonly Pick<Derivative, 'name'>[],
  changed: ReadonlyMap<string, Tensor>,
  ema: WriteStepOptions['ema'],
): { readonly average: WeightAverage | undefined; readonly next: ReadonlyMap<string, Tensor> } {
  if (ema === undefined) return { average: undefined, next: new Map() }
  const { decay } = ema
  checkNumber(decay, value => value >= 0 && value < 1, {
    where: 'ema.decay',
    expected: 'a number from 0 and below 1',
  })
  const learned = new Set(parameters.map(({ name }) => name))
  const wanted = [...changed].filter(([name]) => learned.has(name) || isAveragedStatistic(name))
  const next = graph.within('average', () =>
    averageStep(
      graph,
      wanted.map(([name, value]) => ({ name, value })),
    ),
  )
  return { average: { decay, names: wanted.map(([name]) => name) }, next }
}

/** The output that holds what a tensor of the state becomes. */
export function nextValue(name: string): string {
  return `next ${name}`
}

/** A parameter and the loss's derivative with respect to it. */
export interface Derivative {
  readonly name: string
  readonly shape: readonly number[]
  readonly gradient: Tensor
}

/** Gradients' norm, clipping and the optimizer, on a graph that has the gradients. */
export function optimizerStep(
  graph: Graph,
  derivatives: readonly Derivative[],
  optimizer: OptimizerConfig,
  clipNorm: number | null,
): { readonly norm: Tensor; readonly weightNorm: Tensor; readonly optimized: OptimizerStep } {
  const trained = graph.within('optimizer', () => trainedTogether(graph, derivatives, optimizer.groups))
  const raw = trained.map(({ gradient }) => gradient)
  if (clipNorm !== null)
    checkNumber(clipNorm, limit => limit > 0, { where: 'clipNorm', expected: 'a norm above 0, or null' })
  const norm = graph.within('gradient norm', () => gradientNorm(raw))
  const used = clipNorm === null ? raw : clipGradients(raw, norm, clipNorm)
  const clipped = trained.map((one, i) => ({ ...one, gradient: used[i]! }))
  const rate = graph.input('learningRate', 'float32', [], {
    least: 0,
    most: Infinity,
    expected: 'a learning rate, a finite number of at least 0',
    help: 'look at the schedule that it comes from',
  })
  const optimized = graph.within('optimizer', () => optimize(clipped, optimizer, afterAll(norm, rate)))
  // Of the parameters that the step began with.
  const weightNorm = graph.within('weight norm', () => gradientNorm(trained.map(({ value }) => value)))
  return { norm, weightNorm, optimized }
}

/**
 * The learning rate, known only when all gradients are. New parameters and moments are two to three times as large as the
 * gradients, and would else be made while activations still lie in memory. Moments do not depend on the rate; but the engine makes
 * what is asked for, and they are asked for by new parameters. It is 0 where the norm is not finite; such a step does not count
 * anyway.
 */
function afterAll(norm: Tensor, rate: Tensor): Tensor {
  return where(finite(norm), rate, 0)
}

/** A number or some that a step reports, and how those of two batches become that of both together. */
export interface Metric {
  readonly value: Tensor
  /** `mean`: weighted by the images; `sum`; `most`: the larger one; `same`: it depends on the state alone. */
  readonly together: 'mean' | 'sum' | 'most' | 'same'
}

/** Numbers that are above their limit; 0 for the others. */
function exceeding({ numbers, most }: Limit): Tensor {
  return mul(numbers, asFloat(greater(numbers, most)))
}

const statisticsOutput = 'statistics'
const limitsOutput = 'limits'

/** Outputs that must be finite for a step to count. */
export function guardsOf(
  { limits }: Pick<StepFacts, 'limits'>,
  assigned: ReadonlyMap<string, Tensor>,
): string[] {
  return [
    ...['loss', 'gradientNorm'],
    ...(assigned.size === 0 ? [] : [statisticsOutput]),
    ...(limits.size === 0 ? [] : [limitsOutput]),
  ]
}

/**
 * The guard that is not finite where a new statistic is not: a variance overflows where the loss does not, and the relu of a graphics
 * card may make 0 of what is not a number, so that neither loss nor gradients show it.
 */
export function statisticsGuard(assigned: readonly Tensor[]): [string, Tensor][] {
  if (assigned.length === 0) return []
  const flat = assigned.map(value => reshape(value, [sizeOf(value.shape.map(Number))]))
  return [[statisticsOutput, sum(concat(flat, 0))]]
}

/** The guard that is infinite where a number is above its limit; none where there are no limits. */
export function limitGuard(graph: Graph, exceeding: readonly Tensor[]): [string, Tensor][] {
  const [first, ...others] = exceeding.map(numbers => sum(numbers))
  if (first === undefined) return []
  const total = others.reduce((all, one) => add(all, one), first)
  return [[limitsOutput, where(greater(total, 0), Infinity, graph.scalar(0))]]
}

/**
 * Refuses a step that did not count because one of its numbers was above a limit: an expert was chosen by more images than it takes.
 *
 * @throws MoietyError as the limit has it
 */
export function refuseExceeded(
  { limits }: Pick<StepFacts, 'limits'>,
  outputs: ReadonlyMap<string, Pick<HostTensor, 'data'>>,
): void {
  for (const [name, { explain }] of limits) {
    const numbers = Array.from(outputs.get(name)!.data, Number)
    const largest = Math.max(...numbers)
    if (largest > 0) fail(explain(numbers.indexOf(largest), largest))
  }
}

/** Forward and backward pass of a batch, before any optimizer. */
export interface Differentiated {
  readonly graph: Graph
  readonly loss: Tensor
  readonly gradients: readonly Derivative[]
  readonly metrics: ReadonlyMap<string, Metric>
  /** New values of statistics, by their names in the state. */
  readonly assigned: ReadonlyMap<string, Tensor>
  readonly noise: readonly NoiseInput[]
  /** Names of the state without the optimizer's. */
  readonly model: readonly string[]
  /** First values are those of the model alone. */
  readonly facts: StepFacts
}

/**
 * Builds a network on a new graph, its losses and their derivatives.
 *
 * @param share - what the derivatives are multiplied by: the part of a batch that this is
 */
export function differentiate(
  { objective, form }: Pick<WriteStepOptions, 'objective' | 'form'>,
  share = 1,
): Differentiated {
  for (const extent of ['images', 'height', 'width'] as const)
    checkNumber(form[extent], isCount, { where: `form.${extent}`, expected: 'a whole number from 1' })
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const images = graph.input('images', 'float32', [form.images, 3, form.height, form.width])
  const { taskLoss, losses, stats, measures } = checkedObjective(objective(scope, images), graph)
  const auxLoss = losses.reduce((total, loss) => add(total, loss), graph.scalar(0))
  const loss = losses.length === 0 ? taskLoss : add(taskLoss, auxLoss)

  const { declarations } = scope
  const { limits } = declarations
  const parameters = [...declarations.parameters.values()]
  if (parameters.length === 0) {
    fail({
      kind: 'usage',
      message: 'a training step expected a network with parameters, but this one has none',
      help: 'build it from layers, or ask the scope with scope.parameter(…), not frozen',
    })
  }
  const derivatives = gradients(
    share === 1 ? loss : mul(loss, share),
    parameters.map(({ name, shape }) => graph.input(name, 'float32', shape)),
  )
  return {
    graph,
    loss,
    gradients: parameters.map(({ name, shape }, i) => ({ name, shape, gradient: derivatives[i]! })),
    metrics: new Map<string, Metric>([
      ['loss', { value: loss, together: 'mean' }],
      ['taskLoss', { value: taskLoss, together: 'mean' }],
      ['auxLoss', { value: auxLoss, together: 'mean' }],
      ...[...measures].map(([name, value]) => [name, { value, together: 'sum' }] as const),
      ...stats.flatMap(layerMetrics),
      ...[...limits].map(([name, limit]) => [name, { value: exceeding(limit), together: 'most' }] as const),
    ]),
    assigned: declarations.updates,
    noise: [...declarations.noise].map(([name, { tensor, distribution }]) => ({
      name,
      shape: tensor.shape.map(Number),
      distribution,
    })),
    model: declarations.all().map(({ name }) => name),
    facts: {
      needsEpoch: graph.inputs.has('epoch'),
      layers: stats.map(layerInfo),
      measures: [...measures.keys()],
      limits,
      parameterCount: declarations.parameterCount(),
      activeParameterCount: activeParameterCount(declarations, stats),
      initialState: seed => declarations.initialState(seed),
    },
  }
}

/** What every step reports of itself. */
const ownMetrics = ['loss', 'taskLoss', 'auxLoss', 'gradientNorm', 'weightNorm'] as const

/** An objective of a user's own may be anything. @throws MoietyError (usage) unless it is one */
function checkedObjective(given: unknown, graph: Graph): Objective {
  const help = 'return { taskLoss, losses, stats, measures }, the last a Map of scalars by name'
  const returner = { who: 'an objective', graph, help }
  const { taskLoss, measures, ...rest } = checkedObject(
    given,
    contractOf(returner, '{ taskLoss, losses, stats, measures }'),
  )
  const scalar = (value: unknown, where: string): Tensor =>
    checkedTensor(value, { ...contractOf(returner, `in \`${where}\` a scalar`), dtype: 'float32', shape: [] })
  if (!(measures instanceof Map)) {
    return fail({
      kind: 'usage',
      message: `an objective must return in \`measures\` a Map, but this one returned ${describeGiven(measures)}`,
      where: 'measures',
      help,
    })
  }
  const own = ownMetrics.find(name => measures.has(name))
  if (own !== undefined) {
    fail({
      kind: 'usage',
      message: `a measure cannot be called "${own}": every step reports that of itself`,
      where: 'measures',
      help: 'give the measure another name',
    })
  }
  return {
    taskLoss: scalar(taskLoss, 'taskLoss'),
    ...checkedExtras(rest, returner),
    measures: new Map(
      Array.from(measures, ([name, value]) => [String(name), scalar(value, `measures.${name}`)] as const),
    ),
  }
}

/** Per layer: Σ_n w, how many images chose each expert, which were excluded, how many places stayed empty, counters. */
function layerMetrics({ name, routing, excluded, k, counters }: MoeStatistics): [string, Metric][] {
  const activation = sum(routing.selected, [0])
  const places = Number(routing.weights.shape[0]) * k
  return [
    [`${name}.importance`, { value: routing.importance, together: 'sum' }],
    [`${name}.activation`, { value: activation, together: 'sum' }],
    [`${name}.excluded`, { value: excluded, together: 'same' }],
    [`${name}.idle`, { value: add(neg(sum(activation)), places), together: 'sum' }],
    ...Object.entries(counters).map(([counter, value]): [string, Metric] => [
      counterOutput(name, counter),
      { value, together: 'mean' },
    ]),
  ]
}

/** x·0 is 0 for a number and NaN for NaN and infinities, so its sum tells in three ops whether a tensor is finite. */
export function diagnose(wanted: readonly Tensor[]): Diagnosis {
  const watched = reachableNodes(wanted)
    .filter(node => node.name !== 'constant')
    .flatMap(node => node.tensors)
    .filter(tensor => tensor.dtype === 'float32')
  const checks = watched.map(tensor => reshape(sum(mul(tensor, 0)), [1]))
  const labels = watched.map(({ node }) =>
    node.name === 'input' ? String(node.attributes?.name) : node.label,
  )
  return { program: lower(new Map([['checks', concat(checks, 0)]])), labels }
}
