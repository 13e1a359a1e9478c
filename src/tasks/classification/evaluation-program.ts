import { Graph, logSoftmax, lower, mul, neg, oneHot, type Program, sum } from '../../graph/index.ts'
import { correctCounts } from '../../metrics/correct-counts.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import { type Classifier, labelInput } from '../../models/index.ts'
import { counterOutput, type LayerInfo, layerInfo } from '../../moe/index.ts'
import { Scope } from '../../nn/index.ts'

/** A classifier that can be run, and its mixtures of experts in order. */
export interface EvaluationProgram {
  readonly program: Program
  readonly layers: readonly LayerInfo[]
}

/**
 * A classifier as a program for any number of images. `LoadedProgram` refuses labels that are not among its classes.
 *
 * Fed: `images` float32 [N, 3, S, S], `labels` int64 [N]. Given: `logits` [N, classes], `loss` (cross-entropy summed
 * over images), `correct1`, `correct5` (counts), and per layer `NAME.weights` and `NAME.logits` [N, E] and its
 * constraint's counters (`NAME.counters.r`).
 *
 * @throws MoietyError (usage) for a classifier that returns something else than it must
 */
export function evaluationProgram({
  classifier,
  size,
}: {
  readonly classifier: Classifier
  readonly size: number
}): EvaluationProgram {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const { logits, stats } = checkedClassification(classifier(scope, images), images, null)
  const classes = Number(logits.shape[1])
  const labels = labelInput(graph, 'N', classes)
  const target = oneHot(labels, classes)
  const outputs = new Map([
    ['logits', logits],
    ['loss', neg(sum(mul(logSoftmax(logits), target)))],
    ...correctCounts(logits, labels),
    ...stats.flatMap(({ name, routing, counters }) => [
      [`${name}.weights`, routing.weights] as const,
      [`${name}.logits`, routing.cleanLogits] as const,
      ...Object.entries(counters).map(([counter, value]) => [counterOutput(name, counter), value] as const),
    ]),
  ])
  return { program: lower(outputs), layers: stats.map(layerInfo) }
}
