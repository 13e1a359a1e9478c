import {
  asFloat,
  Graph,
  greater,
  less,
  logSoftmax,
  lower,
  mul,
  neg,
  oneHot,
  type Program,
  sum,
} from '../graph/index.ts'
import type { Classifier } from '../models/classifier.ts'
import type { LayerInfo } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'

/** A classifier that can be run, and its mixtures of experts in order. */
export interface EvaluationProgram {
  readonly program: Program
  readonly layers: readonly LayerInfo[]
}

/**
 * A classifier as a program for any number of images.
 *
 * Fed: `images` float32 [N, 3, S, S], `labels` int64 [N]. Given: `logits` [N, classes], `loss` (cross-entropy summed
 * over images), `correct1`, `correct5` (counts), and per layer `NAME.weights` and `NAME.logits` [N, E].
 */
export function evaluationProgram({
  classifier,
  classes,
  size,
}: {
  readonly classifier: Classifier
  readonly classes: number
  readonly size: number
}): EvaluationProgram {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const labels = graph.input('labels', 'int64', ['N'])
  const { logits, stats } = classifier(scope, images)
  const target = oneHot(labels, classes)
  const own = sum(mul(logits, target), [1], { keepDims: true })
  const above = sum(asFloat(greater(logits, own)), [1])
  const outputs = new Map([
    ['logits', logits],
    ['loss', neg(sum(mul(logSoftmax(logits), target)))],
    ['correct1', sum(asFloat(less(above, 1)))],
    ['correct5', sum(asFloat(less(above, 5)))],
    ...stats.flatMap(({ name, routing }) => [
      [`${name}.weights`, routing.weights] as const,
      [`${name}.logits`, routing.cleanLogits] as const,
    ]),
  ])
  return { program: lower(outputs), layers: stats.map(({ name, experts, k }) => ({ name, experts, k })) }
}
