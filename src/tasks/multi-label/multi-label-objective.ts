import { checkNumber, isCount } from '../../base/numbers.ts'
import {
  add,
  asFloat,
  type Dim,
  type Graph,
  greaterOrEqual,
  mean,
  mul,
  reshape,
  softplus,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import type { Classifier } from '../../models/index.ts'
import { checkFunction } from '../../nn/contract.ts'
import { mixedInputs, shareInput } from '../mixed-inputs.ts'
import type { BuildObjective } from '../objective.ts'

/** What the objective of a multi-label network depends on. */
export interface MultiLabelObjectiveOptions {
  /** Its logits are one number for each class, whose sigmoid is the probability that the image shows it. */
  readonly classifier: Classifier
  readonly classes: number
  /** Part of each target that is spread over both answers. */
  readonly labelSmoothing: number
  /** How much the images that show a class count in its loss. Default: 1 each. */
  readonly positiveWeights?: readonly number[] | undefined
  /** Whether images are mixed: `otherTargets` int64 [N, classes] and `labelShares` float32 [N] are fed too. Default: not. */
  readonly mixed?: boolean | undefined
}

/**
 * Binary cross-entropy of each class, averaged over classes and images. It is fed `targets` int64 [N, classes], 1 or 0, and measures
 * `found`, `positives` and `right`: labels with a probability of at least 0.5, labels that images have, and both.
 * `LoadedProgram` refuses targets that are neither 0 nor 1.
 *
 * @throws MoietyError (usage) for options that cannot be, or a classifier that returns something else than it must
 */
export function multiLabelObjective(options: MultiLabelObjectiveOptions): BuildObjective {
  const { classifier, classes, labelSmoothing, positiveWeights, mixed = false } = options
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
  if (positiveWeights !== undefined)
    checkNumber(positiveWeights.length, length => length === classes, {
      where: 'positiveWeights.length',
      expected: `a weight for each of ${classes} classes`,
    })
  return (scope, images) => {
    const targets = targetInput(scope.graph, images.dim(0), classes)
    const { logits, losses, stats } = checkedClassification(classifier(scope, images), images, classes)
    const taskLoss = scope.graph.within('loss', () =>
      mean(
        binaryCrossEntropy(logits, mixed ? mixedTarget(targets, classes) : targets, {
          labelSmoothing,
          positiveWeights,
        }),
      ),
    )
    return { taskLoss, losses, stats, measures: new Map(labelCounts(logits, targets)) }
  }
}

/** λ of one image's targets and 1 − λ of the other's, [N, classes]. */
function mixedTarget(targets: Tensor, classes: number): Tensor {
  const { graph } = targets
  const images = targets.dim(0)
  const others = targetInput(graph, images, classes, mixedTargets.others)
  const share = reshape(shareInput(graph, images), [images, 1])
  return add(mul(asFloat(targets), share), mul(asFloat(others), sub(1, share)))
}

/** Names of the inputs of a step for mixed images, besides `images` and `targets`. */
export const mixedTargets = { others: 'otherTargets', shares: mixedInputs.shares } as const

/**
 * `targets` int64 [N, classes]: 1 where an image has the label, otherwise 0.
 *
 * @param images - N
 */
export function targetInput(graph: Graph, images: Dim, classes: number, name = 'targets'): Tensor {
  return graph.input(name, 'int64', [images, classes], {
    least: 0,
    most: 1,
    expected: 'targets that are 0 or 1',
    help: 'give each image a number for each class: 1 where it has the label, otherwise 0',
  })
}

/**
 * −w q ln σ(x) − (1 − q) ln(1 − σ(x)) of each image and class, written as (1 + (w − 1) q) ln(1 + eˣ) − w q x, which no logit overflows; w
 * is the class's weight, torch's `pos_weight`. With smoothing s the target q is 1 − s/2 for a label and s/2 otherwise.
 *
 * @param logits - float32 [N, classes]
 * @param targets - [N, classes]: int64 0 or 1, or float32 from 0 to 1
 */
export function binaryCrossEntropy(
  logits: Tensor,
  targets: Tensor,
  {
    labelSmoothing = 0,
    positiveWeights,
  }: Partial<Pick<MultiLabelObjectiveOptions, 'labelSmoothing' | 'positiveWeights'>> = {},
): Tensor {
  const target = targets.dtype === 'float32' ? targets : asFloat(targets)
  const smoothed = labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / 2)
  if (positiveWeights === undefined) return sub(softplus(logits), mul(smoothed, logits))
  const weights = logits.graph.constant('float32', [1, positiveWeights.length], positiveWeights)
  const ofBoth = add(mul(smoothed, sub(weights, 1)), 1)
  return sub(mul(ofBoth, softplus(logits)), mul(mul(smoothed, weights), logits))
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
