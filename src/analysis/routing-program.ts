import type { ModelConfig } from '../config/config.ts'
import {
  concat,
  Graph,
  logSoftmax,
  lower,
  mul,
  neg,
  oneHot,
  type Program,
  sum,
  topK,
} from '../graph/index.ts'
import { correctCounts } from '../metrics/correct-counts.ts'
import { activeParameterCount, labelInput } from '../models/index.ts'
import { type LayerInfo, layerInfo } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { overridesOf, type Variant } from './variants.ts'

/** A program that routes images and says what each variant of the network makes of them. */
export interface RoutingProgram {
  readonly program: Program
  /** The mixtures in the order in which images pass them. */
  readonly layers: readonly LayerInfo[]
  readonly parameters: number
  /** Parameters that one image passes through. */
  readonly activeParameters: number
}

export interface RoutingProgramOptions {
  readonly model: ModelConfig
  readonly classes: number
  /** Height and width of an image. */
  readonly size: number
  /** The first is the network as it was trained. */
  readonly variants: readonly Variant[]
}

/**
 * The network and some of its variants as one program. All experts see all images, so every variant uses the same results
 * of the same experts, and common-subexpression elimination leaves one copy of all that variants share: the whole network up
 * to the layer, and each of its experts. Where the layer is the last stage, a variant costs one matrix product.
 *
 * Fed: `images` float32 [N, 3, S, S], `labels` int64 [N]. Given: `predictions` int64 [N, variants], `loss` (cross-entropy
 * summed over images, as trained), `correct1`, `correct5` (counts, as trained), and per layer `NAME.weights` and
 * `NAME.logits` float32 [N, E], as trained.
 */
export function routingProgram(options: RoutingProgramOptions): RoutingProgram {
  const { model, classes, size, variants } = options
  const graph = new Graph()
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const labels = labelInput(graph, 'N', classes)
  const scopes = variants.map(() => Scope.root(graph, { training: false }))
  const built = variants.map((variant, v) => {
    const classifier = classifierOf(model, {
      classes,
      override: overridesOf(variant, model),
      dispatch: 'stacked',
    })
    return classifier(scopes[v]!, images)
  })
  const { logits, stats } = built[0]!
  const outputs = new Map([
    [
      'predictions',
      concat(
        built.map(result => topK(result.logits, 1).indices),
        1,
      ),
    ],
    ['loss', neg(sum(mul(logSoftmax(logits), oneHot(labels, classes))))],
    ...correctCounts(logits, labels),
    ...stats.flatMap(({ name, routing }) => [
      [`${name}.weights`, routing.weights] as const,
      [`${name}.logits`, routing.cleanLogits] as const,
    ]),
  ])
  const { declarations } = scopes[0]!
  return {
    program: lower(outputs),
    layers: stats.map(layerInfo),
    parameters: declarations.parameterCount(),
    activeParameters: activeParameterCount(declarations, stats),
  }
}
