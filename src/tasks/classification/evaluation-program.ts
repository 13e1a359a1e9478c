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
} from '../../graph/index.ts'
import { correctCounts } from '../../metrics/correct-counts.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import { activeMultiplyAdds, activeParameterCount, type Classifier, labelInput } from '../../models/index.ts'
import { type Loss, lossOf } from '../../models/loss.ts'
import { type LayerInfo, layerInfo } from '../../moe/index.ts'
import { Scope } from '../../nn/index.ts'
import { routingOutputs } from '../routing.ts'

/** A classifier that can be run, and its mixtures of experts in order. */
export interface EvaluationProgram {
  readonly program: Program
  readonly layers: readonly LayerInfo[]
  readonly parameters: number
  /** Parameters that one image passes through: K of the E experts. */
  readonly activeParameters: number
  /** Of one image, with K of the E experts. */
  readonly multiplyAdds: number
}

/** What is evaluated. */
export interface EvaluationProgramOptions {
  readonly classifier: Classifier
  /** Height and width of an image. */
  readonly size: number
  /** Instead of the cross-entropy. */
  readonly loss?: Loss | undefined
  /** The same network with other routing; what it shares with `classifier` is computed once. */
  readonly variants?: readonly Classifier[] | undefined
}

/**
 * A classifier as a program for any number of images. `LoadedProgram` refuses labels that are not among its classes.
 *
 * Fed: `images` float32 [N, 3, S, S], `labels` int64 [N]. Given: `logits` [N, classes], `loss` (cross-entropy, or the given one, summed
 * over images), `correct1`, `correct5` (counts), and per layer `NAME.weights` and `NAME.logits` [N, E] and its
 * constraint's counters (`NAME.counters.r`). With `variants`, also `predictions` int64 [N, 1 + variants]: the class that the
 * classifier gives each image, and that each variant gives it.
 *
 * Where all experts see all images (`dispatch: 'stacked'`), every variant uses the same results of the same experts, and
 * common-subexpression elimination leaves one copy of the whole network up to the layer and of each expert: where the layer is
 * the last stage, a variant costs one matrix product.
 *
 * @throws MoietyError (usage) for a classifier that returns something else than it must
 */
export function evaluationProgram({
  classifier,
  size,
  loss,
  variants,
}: EvaluationProgramOptions): EvaluationProgram {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const { logits, stats } = checkedClassification(classifier(scope, images), images, null)
  const classes = Number(logits.shape[1])
  const labels = labelInput(graph, 'N', classes)
  const others = (variants ?? []).map(
    variant => variant(Scope.root(graph, { training: false }), images).logits,
  )
  const outputs = new Map([
    ['logits', logits],
    [
      'loss',
      loss === undefined
        ? neg(sum(mul(logSoftmax(logits), oneHot(labels, classes))))
        : sum(lossOf(loss, logits, oneHot(labels, classes))),
    ],
    ...correctCounts(logits, labels),
    ...(variants === undefined
      ? []
      : [
          [
            'predictions',
            concat(
              [logits, ...others].map(one => topK(one, 1).indices),
              1,
            ),
          ] as const,
        ]),
    ...routingOutputs(stats),
  ])
  return {
    program: lower(outputs),
    layers: stats.map(layerInfo),
    parameters: scope.declarations.parameterCount(),
    activeParameters: activeParameterCount(scope.declarations, stats),
    multiplyAdds: activeMultiplyAdds([logits], stats),
  }
}
