import { add, logSoftmax, mean, mul, neg, oneHot, sum, type Tensor } from '../../graph/index.ts'
import { correctCounts } from '../../metrics/correct-counts.ts'
import type { Classifier } from '../../models/index.ts'
import type { BuildObjective } from '../objective.ts'

/** What a classifier's objective depends on. */
export interface ClassificationObjectiveOptions {
  readonly classifier: Classifier
  readonly classes: number
  readonly labelSmoothing: number
}

/**
 * Cross-entropy of a classifier. It is fed `labels` int64 [N], and measures `correct1` and `correct5`: images whose class is
 * the likeliest, or among the five likeliest.
 */
export function classificationObjective(options: ClassificationObjectiveOptions): BuildObjective {
  return (scope, images) => {
    const labels = scope.graph.input('labels', 'int64', [images.dim(0)])
    const { logits, losses, stats } = options.classifier(scope, images)
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
