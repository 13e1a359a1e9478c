import type { HostTensor } from '../base/tensor.ts'
import { correctCounts } from '../evaluate/correct.ts'
import {
  add,
  concat,
  Graph,
  gradients,
  logSoftmax,
  lower,
  mean,
  mul,
  neg,
  oneHot,
  type Program,
  reachableNodes,
  reshape,
  sum,
  type Tensor,
} from '../graph/index.ts'
import type { Classifier } from '../models/classifier.ts'
import { activeParameterCount } from '../models/index.ts'
import { counterOutput, type LayerInfo, layerInfo, type MoeStatistics } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'
import type { OptimizerConfig } from '../run/config.ts'
import { clipGradients, gradientNorm, optimize } from './optimizers.ts'

/** All that a training step depends on but its data. */
export interface StepOptions {
  readonly classifier: Classifier
  readonly classes: number
  /** Images in a step (N). */
  readonly batch: number
  /** Height and width of an image. */
  readonly size: number
  readonly optimizer: OptimizerConfig
  readonly labelSmoothing: number
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
 * Fed: `images` float32 [N, 3, S, S], `labels` int64 [N], `learningRate` [], `epoch` [] where a constraint is
 * lifted, and the noise. All else is state. Given: the new state, and the metrics `loss`, `taskLoss`, `auxLoss`,
 * `gradientNorm`, `correct1`, `correct5` and per layer `NAME.importance`, `.activation`, `.excluded` [E], `.idle` (places
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

/** Writes the training step of a classifier. */
export function trainingStep(options: StepOptions): TrainingStep {
  const { classifier, batch, size, optimizer, clipNorm } = options
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const images = graph.input('images', 'float32', [batch, 3, size, size])
  const labels = graph.input('labels', 'int64', [batch])
  const rate = graph.input('learningRate', 'float32', [])
  const { logits, losses, stats } = classifier(scope, images)

  const taskLoss = graph.within('loss', () => crossEntropy(logits, labels, options))
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
    ...correctCounts(logits, labels),
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
    parameterCount: declarations.parameterCount(),
    activeParameterCount: activeParameterCount(declarations, stats),
    initialState: seed => new Map([...declarations.initialState(seed), ...optimized.initial]),
    diagnosis: () => diagnose([loss, norm]),
  }
}

/** −Σ_c q_c ln p_c averaged over images, q the label smoothed over all classes (Szegedy et al. 2016). */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { classes, labelSmoothing }: Pick<StepOptions, 'classes' | 'labelSmoothing'>,
): Tensor {
  const target = oneHot(labels, classes)
  const smoothed =
    labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / classes)
  return neg(mean(sum(mul(logSoftmax(logits), smoothed), [1])))
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
