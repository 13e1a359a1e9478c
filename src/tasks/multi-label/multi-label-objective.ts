import { checkNumber, isCount } from '../../base/numbers.ts'
import {
  add,
  asFloat,
  type Dim,
  type Graph,
  greaterOrEqual,
  mean,
  mul,
  softplus,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import type { Classifier } from '../../models/index.ts'
import { checkFunction } from '../../nn/contract.ts'
import type { BuildObjective } from '../objective.ts'

/** What the objective of a multi-label network depends on. */
export interface MultiLabelObjectiveOptions {
  /** Its logits are one number for each class, whose sigmoid is the probability that the image shows it. */
  readonly classifier: Classifier
  readonly classes: number
  /** Part of each target that is spread over both answers. */
  readonly labelSmoothing: number
}

/**
 * Binary cross-entropy of each class, averaged over classes and images. It is fed `targets` int64 [N, classes], 1 or 0, and measures
 * `found`, `positives` and `right`: labels with a probability of at least 0.5, labels that images have, and both.
 * `LoadedProgram` refuses targets that are neither 0 nor 1.
 *
 * @throws MoietyError (usage) for options that cannot be, or a classifier that returns something else than it must
 */
export function multiLabelObjective(options: MultiLabelObjectiveOptions): BuildObjective {
  const { classifier, classes, labelSmoothing } = options
  checkFunction(classifier, {
    what: 'a classifier',
    where: 'classifier',
    help: 'give (scope, images) => ({ logits, losses, stats })',
  })
  checkNumber(classes, isCount, { where: 'classes', expected: 'a whole number of classes from 1' })
  checkNumber(labelSmoothing, smoothing => smoothing >= 0 && smoothing < 1, {
    where: 'labelSmoothing',
    expected: 'a number from 0 and below 1',
  })
  return (scope, images) => {
    const targets = targetInput(scope.graph, images.dim(0), classes)
    const { logits, losses, stats } = checkedClassification(classifier(scope, images), images, classes)
    const taskLoss = scope.graph.within('loss', () =>
      mean(binaryCrossEntropy(logits, targets, labelSmoothing)),
    )
    return { taskLoss, losses, stats, measures: new Map(labelCounts(logits, targets)) }
  }
}

/**
 * `targets` int64 [N, classes]: 1 where an image has the label, otherwise 0.
 *
 * @param images - N
 */
export function targetInput(graph: Graph, images: Dim, classes: number): Tensor {
  return graph.input('targets', 'int64', [images, classes], {
    least: 0,
    most: 1,
    expected: 'targets that are 0 or 1',
    help: 'give each image a number for each class: 1 where it has the label, otherwise 0',
  })
}

/**
 * −q ln σ(x) − (1 − q) ln(1 − σ(x)) of each image and class, written as ln(1 + eˣ) − q·x, which no logit overflows. With smoothing s
 * the target q is 1 − s/2 for a label and s/2 otherwise.
 *
 * @param logits - float32 [N, classes]
 * @param targets - int64 [N, classes], 0 or 1
 */
export function binaryCrossEntropy(logits: Tensor, targets: Tensor, labelSmoothing = 0): Tensor {
  const target = asFloat(targets)
  const smoothed = labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / 2)
  return sub(softplus(logits), mul(smoothed, logits))
}

/** Sums over images and classes, by the names that {@link multiLabelObjective} gives them. */
function labelCounts(logits: Tensor, targets: Tensor): [string, Tensor][] {
  // A logit of 0 is a probability of 0.5.
  const found = asFloat(greaterOrEqual(stopGradient(logits), 0))
  const positives = asFloat(targets)
  return [
    ['found', sum(found)],
    ['positives', sum(positives)],
    ['right', sum(mul(found, positives))],
  ]
}
