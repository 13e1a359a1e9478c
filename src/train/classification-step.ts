import { correctCounts } from '../evaluate/correct.ts'
import { add, logSoftmax, mean, mul, neg, oneHot, sum, type Tensor } from '../graph/index.ts'
import { checkedClassification } from '../models/checked.ts'
import { type Classifier, labelInput } from '../models/index.ts'
import { checkFunction } from '../nn/contract.ts'
import { checkNumber, isCount } from './numbers.ts'
import { type BuildObjective, type TrainingStep, type WriteStepOptions, writeStep } from './step.ts'

/** All that a classifier's training step depends on but its data. */
export interface StepOptions extends Pick<WriteStepOptions, 'optimizer' | 'clipNorm'> {
  readonly classifier: Classifier
  readonly classes: number
  /** Images in a step (N). */
  readonly batch: number
  /** Height and width of an image. */
  readonly size: number
  readonly labelSmoothing: number
}

/**
 * Writes the training step of a classifier. Besides what `TrainingStep` says it is fed `labels` int64 [N], and measures
 * `correct1` and `correct5`: images whose class is the likeliest, or among the five likeliest. `LoadedProgram` refuses labels
 * that are not among the classes.
 *
 * @throws MoietyError (usage) for options that cannot be, or a classifier that returns something else than it must
 */
export function trainingStep(options: StepOptions): TrainingStep {
  return writeStep(classifierStepOptions(options))
}

/** What that step is written from. @throws MoietyError (usage) for options that cannot be */
export function classifierStepOptions(options: StepOptions): WriteStepOptions {
  const { classifier, classes, batch, size, optimizer, clipNorm, labelSmoothing } = options
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
  return {
    objective: classifying(options),
    form: { images: batch, height: size, width: size },
    optimizer,
    clipNorm,
  }
}

function classifying(options: StepOptions): BuildObjective {
  return (scope, images) => {
    const { classes, classifier } = options
    const labels = labelInput(scope.graph, images.dim(0), classes)
    const { logits, losses, stats } = checkedClassification(classifier(scope, images), images, classes)
    const taskLoss = scope.graph.within('loss', () => crossEntropy(logits, labels, options))
    return { taskLoss, losses, stats, measures: new Map(correctCounts(logits, labels)) }
  }
}

/** −Σ_c q_c ln p_c averaged over images, q the label smoothed over all classes (Szegedy et al. 2016). */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { classes, labelSmoothing }: Pick<StepOptions, 'classes' | 'labelSmoothing'>,
): Tensor {
  const target = oneHot(labels, classes)
  const smoothed =
    labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / classes)
  return neg(mean(sum(mul(logSoftmax(logits), smoothed), [1])))
}
