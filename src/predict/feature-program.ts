import type { ModelConfig } from '../config/config.ts'
import { Graph, lower, type Program, softmax } from '../graph/index.ts'
import { type LayerInfo, layerInfo } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'

/** A program for images that nobody has labelled. */
export interface FeatureProgram {
  readonly program: Program
  /** The mixtures in the order in which images pass them. */
  readonly layers: readonly LayerInfo[]
  /** Length of an image's features (C). */
  readonly channels: number
}

/**
 * The network as it was trained. Fed: `images` float32 [N, 3, S, S]. Given: `probabilities` float32 [N, classes], `features`
 * [N, C] (what the last layer makes the logits of), and per layer `NAME.weights` and `NAME.logits` [N, E].
 */
export function featureProgram(model: ModelConfig, classes: number, size: number): FeatureProgram {
  const graph = new Graph()
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const network = classifierOf(model, { classes })
  const { logits, features, stats } = network(Scope.root(graph, { training: false }), images)
  const outputs = new Map([
    ['probabilities', softmax(logits)],
    ['features', features],
    ...stats.flatMap(({ name, routing }) => [
      [`${name}.weights`, routing.weights] as const,
      [`${name}.logits`, routing.cleanLogits] as const,
    ]),
  ])
  return { program: lower(outputs), layers: stats.map(layerInfo), channels: Number(features.shape[1]) }
}
