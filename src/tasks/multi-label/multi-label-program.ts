import { asFloat, concat, Graph, lower, mean, type Program, sum } from '../../graph/index.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import { activeMultiplyAdds, activeParameterCount, type Classifier } from '../../models/index.ts'
import { type Loss, lossOf } from '../../models/loss.ts'
import { type LayerInfo, layerInfo } from '../../moe/index.ts'
import { Scope } from '../../nn/index.ts'
import { routingOutputs } from '../routing.ts'
import { binaryCrossEntropy, targetInput } from './multi-label-objective.ts'

/** A multi-label network that can be run, and its mixtures of experts in order. */
export interface MultiLabelProgram {
  readonly program: Program
  readonly layers: readonly LayerInfo[]
  readonly parameters: number
  /** Parameters that one image passes through: K of the E experts. */
  readonly activeParameters: number
  /** Of one image, with K of the E experts. */
  readonly multiplyAdds: number
}

/** What is evaluated. */
export interface MultiLabelProgramOptions {
  readonly classifier: Classifier
  /** Height and width of an image. */
  readonly size: number
  /** Instead of the binary cross-entropy. */
  readonly loss?: Loss | undefined
  /** The same network with other routing; what it shares with `classifier` is computed once. */
  readonly variants?: readonly Classifier[] | undefined
}

/**
 * A multi-label network as a program for any number of images.
 *
 * Fed: `images` float32 [N, 3, S, S], `targets` int64 [N, classes]. Given: `logits` [N, (1 + variants) · classes], those of the
 * network and then of each variant; `loss` (mean over classes, summed over images); and its mixtures' routing. Logits, not
 * probabilities: in float32 all probabilities of logits above 17 are 1, and would rank images alike.
 *
 * @throws MoietyError (usage) for a classifier that returns something else than it must
 */
export function multiLabelProgram({
  classifier,
  size,
  loss,
  variants = [],
}: MultiLabelProgramOptions): MultiLabelProgram {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const { logits, stats } = checkedClassification(classifier(scope, images), images, null)
  const others = variants.map(variant => variant(Scope.root(graph, { training: false }), images).logits)
  const targets = targetInput(graph, 'N', Number(logits.shape[1]))
  const outputs = new Map([
    ['logits', others.length === 0 ? logits : concat([logits, ...others], 1)],
    [
      'loss',
      loss === undefined
        ? sum(mean(binaryCrossEntropy(logits, targets), [1]))
        : sum(lossOf(loss, logits, asFloat(targets))),
    ],
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
