import { checkNumber, isCount } from '../../base/numbers.ts'
import { add, logSoftmax, mean, mul, neg, oneHot, reshape, sub, sum, type Tensor } from '../../graph/index.ts'
import { correctCounts } from '../../metrics/correct-counts.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import { type Classifier, labelInput } from '../../models/index.ts'
import { checkFunction } from '../../nn/contract.ts'
import { mixedInputs, shareInput } from '../mixed-inputs.ts'
import type { BuildObjective } from '../objective.ts'

/** What a classifier's objective depends on. */
export interface ClassificationObjectiveOptions {
  readonly classifier: Classifier
  readonly classes: number
  readonly labelSmoothing: number
  /** How much each class counts in the loss. Default: 1 each. */
  readonly classWeights?: readonly number[] | undefined
  /** Whether images are mixed: `otherLabels` int64 [N] and `labelShares` float32 [N] are fed too. Default: not. */
  readonly mixed?: boolean | undefined
}

/**
 * Cross-entropy of a classifier. It is fed `labels` int64 [N], and measures `correct1` and `correct5`: images whose class is
 * the likeliest, or among the five likeliest. `LoadedProgram` refuses labels that are not among the classes.
 *
 * @throws MoietyError (usage) for options that cannot be, or a classifier that returns something else than it must
 */
export function classificationObjective(options: ClassificationObjectiveOptions): BuildObjective {
  const { classifier, classes, labelSmoothing, classWeights, mixed = false } = options
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
  if (classWeights !== undefined)
    checkNumber(classWeights.length, length => length === classes, {
      where: 'classWeights.length',
      expected: `a weight for each of ${classes} classes`,
    })
  return (scope, images) => {
    const labels = labelInput(scope.graph, images.dim(0), classes)
    const { logits, losses, stats } = checkedClassification(
      classifier(scope.labelled({ indices: labels, classes }), images),
      images,
      classes,
    )
    const taskLoss = scope.graph.within('loss', () =>
      crossEntropy(logits, mixed ? mixedTarget(labels, classes) : oneHot(labels, classes), options),
    )
    return { taskLoss, losses, stats, measures: new Map(correctCounts(logits, labels)) }
  }
}

/** λ for one class and 1 − λ for the other, [N, classes]. */
function mixedTarget(labels: Tensor, classes: number): Tensor {
  const { graph } = labels
  const [images] = labels.shape
  const others = labelInput(graph, images!, classes, mixedInputs.others)
  const share = reshape(shareInput(graph, images!), [images!, 1])
  return add(mul(oneHot(labels, classes), share), mul(oneHot(others, classes), sub(1, share)))
}

/**
 * −Σ_c w_c q_c ln p_c averaged over images, q the target smoothed over all classes (Szegedy et al. 2016), w the weights of the
 * classes, as torch's `CrossEntropyLoss(weight, label_smoothing)` has them in the sum.
 *
 * @param target - [N, classes], rows that sum to 1
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor,
  {
    classes,
    labelSmoothing,
    classWeights,
  }: Pick<ClassificationObjectiveOptions, 'classes' | 'labelSmoothing' | 'classWeights'>,
): Tensor {
  const smoothed =
    labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / classes)
  const weighted =
    classWeights === undefined
      ? smoothed
      : mul(smoothed, logits.graph.constant('float32', [1, classes], classWeights))
  return neg(mean(sum(mul(logSoftmax(logits), weighted), [1])))
}
