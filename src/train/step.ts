import type { HostTensor } from '../base/tensor.ts'
import {
  add,
  concat,
  Graph,
  gradients,
  lower,
  mul,
  neg,
  type Program,
  reachableNodes,
  reshape,
  sum,
  type Tensor,
} from '../graph/index.ts'
import { activeParameterCount } from '../models/index.ts'
import { counterOutput, type LayerInfo, layerInfo, type MoeStatistics } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'
import type { OptimizerConfig } from '../run/config.ts'
import { clipGradients, gradientNorm, optimize } from './optimizers.ts'

/** Of what form the images of a batch are; each form has a program of its own. Extents in pixels. */
export interface BatchForm {
  /** N. */
  readonly images: number
  readonly height: number
  readonly width: number
}

/** What a network makes of a batch, and what it should have made of it. */
export interface Objective {
  /** The task's loss, a scalar: a mean over the batch's images. */
  readonly taskLoss: Tensor
  /** Auxiliary losses, scalars, to be added to it. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
  /** What else is measured: scalars that are sums over the batch's images, by name. */
  readonly measures: ReadonlyMap<string, Tensor>
}

/**
 * Builds a network and its task's loss at a scope. What the images should be taken for, it asks of the graph as inputs.
 *
 * @param images - float32 [N, 3, H, W]
 */
export type BuildObjective = (scope: Scope, images: Tensor) => Objective

/** All that a training step depends on but its data. */
export interface WriteStepOptions {
  readonly objective: BuildObjective
  readonly form: BatchForm
  readonly optimizer: OptimizerConfig
  /** Largest norm of all gradients together; null: as they are. */
  readonly clipNorm: number | null
}

/** An input of standard normal numbers that every step must feed. */
export interface NoiseInput {
  readonly name: string
  readonly shape: readonly number[]
}

/**
 * A training step as one program: forward, backward, optimizer and counters.
 *
 * Fed: `images` float32 [N, 3, H, W], what the objective asks for, `learningRate` [], `epoch` [] where a constraint is
 * lifted, and the noise. All else is state. Given: the new state, and the metrics `loss`, `taskLoss`, `auxLoss`,
 * `gradientNorm`, the objective's measures and per layer `NAME.importance`, `.activation`, `.excluded` [E], `.idle` (places
 * of the K·N that stayed empty) and the constraint's counters after the step (`NAME.counters.r`).
 */
export interface TrainingStep {
  readonly program: Program
  /** Output of the program to the name of the state tensor that it becomes. */
  readonly updates: ReadonlyMap<string, string>
  /** Outputs that must be finite for the step to count. */
  readonly guards: readonly string[]
  readonly noise: readonly NoiseInput[]
  readonly needsEpoch: boolean
  readonly layers: readonly LayerInfo[]
  /** Outputs that are sums over the batch's images, besides the losses, which are means. */
  readonly measures: readonly string[]
  readonly parameterCount: number
  /** Parameters that one image passes through: K of the E experts. */
  readonly activeParameterCount: number
  /** First values of everything: model, counters and optimizer. */
  initialState(seed: number): Map<string, HostTensor>
  /**
   * A program that looks for the first tensor that is not finite when fed like the step. Its one output `checks` holds,
   * for each label in the order of computation, 0 where all values are finite and NaN where one is not.
   */
  diagnosis(): { readonly program: Program; readonly labels: readonly string[] }
}

/** Writes a training step. */
export function writeStep({ objective, form, optimizer, clipNorm }: WriteStepOptions): TrainingStep {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const images = graph.input('images', 'float32', [form.images, 3, form.height, form.width])
  const { taskLoss, losses, stats, measures } = objective(scope, images)
  const rate = graph.input('learningRate', 'float32', [])
  const auxLoss = losses.reduce((total, loss) => add(total, loss), graph.scalar(0))
  const loss = losses.length === 0 ? taskLoss : add(taskLoss, auxLoss)

  const { declarations } = scope
  const parameters = [...declarations.parameters.values()].map(({ name, shape }) => ({
    name,
    shape,
    value: graph.input(name, 'float32', shape),
  }))
  const raw = gradients(
    loss,
    parameters.map(({ value }) => value),
  )
  const norm = graph.within('gradient norm', () => gradientNorm(raw))
  const used = clipNorm === null ? raw : clipGradients(raw, norm, clipNorm)
  const trained = parameters.map((parameter, i) => ({ ...parameter, gradient: used[i]! }))
  const optimized = graph.within('optimizer', () => optimize(trained, optimizer, rate))

  const changed = new Map([...optimized.updates, ...declarations.updates])
  const metrics = new Map([
    ['loss', loss],
    ['taskLoss', taskLoss],
    ['auxLoss', auxLoss],
    ['gradientNorm', norm],
    ...measures,
    ...stats.flatMap(layerOutputs),
  ])
  const outputs = new Map([
    ...metrics,
    ...[...changed].map(([name, value]) => [`next ${name}`, value] as const),
  ])
  return {
    program: lower(outputs),
    updates: new Map([...changed.keys()].map(name => [`next ${name}`, name])),
    guards: ['loss', 'gradientNorm'],
    noise: [...declarations.noise].map(([name, tensor]) => ({ name, shape: tensor.shape.map(Number) })),
    needsEpoch: graph.inputs.has('epoch'),
    layers: stats.map(layerInfo),
    measures: [...measures.keys()],
    parameterCount: declarations.parameterCount(),
    activeParameterCount: activeParameterCount(declarations, stats),
    initialState: seed => new Map([...declarations.initialState(seed), ...optimized.initial]),
    diagnosis: () => diagnose([loss, norm]),
  }
}

/** Per layer: Σ_n w, how many images chose each expert, which were excluded, how many places stayed empty, counters. */
function layerOutputs({ name, routing, excluded, k, counters }: MoeStatistics): [string, Tensor][] {
  const activation = sum(routing.selected, [0])
  const places = Number(routing.weights.shape[0]) * k
  return [
    [`${name}.importance`, routing.importance],
    [`${name}.activation`, activation],
    [`${name}.excluded`, excluded],
    [`${name}.idle`, add(neg(sum(activation)), places)],
    ...Object.entries(counters).map(([counter, value]): [string, Tensor] => [
      counterOutput(name, counter),
      value,
    ]),
  ]
}

/** x·0 is 0 for a number and NaN for NaN and infinities, so its sum tells in three ops whether a tensor is finite. */
function diagnose(wanted: readonly Tensor[]): ReturnType<TrainingStep['diagnosis']> {
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
