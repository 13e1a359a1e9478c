import { checkNumber, isCount } from '../../base/numbers.ts'
import { add, logSoftmax, mean, mul, neg, oneHot, sum, type Tensor } from '../../graph/index.ts'
import { correctCounts } from '../../metrics/correct-counts.ts'
import { checkedClassification } from '../../models/check-outputs.ts'
import { type Classifier, labelInput } from '../../models/index.ts'
import { checkFunction } from '../../nn/contract.ts'
import type { BuildObjective } from '../objective.ts'

/** What a classifier's objective depends on. */
export interface ClassificationObjectiveOptions {
  readonly classifier: Classifier
  readonly classes: number
  readonly labelSmoothing: number
}

/**
 * Cross-entropy of a classifier. It is fed `labels` int64 [N], and measures `correct1` and `correct5`: images whose class is
 * the likeliest, or among the five likeliest. `LoadedProgram` refuses labels that are not among the classes.
 *
 * @throws MoietyError (usage) for options that cannot be, or a classifier that returns something else than it must
 */
export function classificationObjective(options: ClassificationObjectiveOptions): BuildObjective {
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
    const labels = labelInput(scope.graph, images.dim(0), classes)
    const { logits, losses, stats } = checkedClassification(
      classifier(scope.labelled({ indices: labels, classes }), images),
      images,
      classes,
    )
    const taskLoss = scope.graph.within('loss', () => crossEntropy(logits, labels, options))
    return { taskLoss, losses, stats, measures: new Map(correctCounts(logits, labels)) }
  }
}

/** −Σ_c q_c ln p_c averaged over images, q the label smoothed over all classes (Szegedy et al. 2016). */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { classes, labelSmoothing }: Pick<ClassificationObjectiveOptions, 'classes' | 'labelSmoothing'>,
): Tensor {
  const target = oneHot(labels, classes)
  const smoothed =
    labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / classes)
  return neg(mean(sum(mul(logSoftmax(logits), smoothed), [1])))
}
