import { add, mul } from '../graph/index.ts'
import { checkedDetection } from '../models/checked.ts'
import { detectionLosses, weightedLosses } from '../models/detection/index.ts'
import { anchorTargetInputs, type Detector } from '../models/index.ts'
import { type TrainingStep, type WriteStepOptions, writeStep } from './step.ts'

/** All that a detector's training step depends on but its data. */
export interface DetectionStepOptions extends Omit<WriteStepOptions, 'objective'> {
  readonly detector: Detector
  /** Anchors of an image (A). */
  readonly anchors: number
  /** What the boxes' loss is multiplied by. */
  readonly boxWeight: number
  /** How far from 0 and 1 the focal loss keeps probabilities; null: only as far as float32 needs it. */
  readonly scoreClamp?: number | null
}

/**
 * Writes the training step of a detector (METHOD.md §5.1). Besides what `TrainingStep` says it is fed `classTargets` int64
 * [N, A] and `boxTargets` float32 [N, A, 4] (`anchorTargets`), and measures both parts of its loss, `classificationLoss` and
 * `regressionLoss`, summed over images.
 */
export function detectionStep(options: DetectionStepOptions): TrainingStep {
  return writeStep(detectorStepOptions(options))
}

/** What that step is written from. */
export function detectorStepOptions({
  detector,
  anchors,
  boxWeight,
  scoreClamp = null,
  ...options
}: DetectionStepOptions): WriteStepOptions {
  return {
    ...options,
    objective: (scope, images) => {
      const { graph } = scope
      // Of the images that it is given: a shared step has an objective for each part of the form.
      const count = Number(images.dim(0))
      const said = checkedDetection(detector(scope, images), images, anchors)
      const { classes, boxes, losses, stats } = said
      const targets = anchorTargetInputs(graph, [count, anchors], Number(classes.value.dim(2)))
      const { classification, regression } = graph.within('loss', () =>
        weightedLosses(detectionLosses(classes, boxes, targets, { clamp: scoreClamp }), boxWeight),
      )
      return {
        taskLoss: add(classification, regression),
        losses,
        stats,
        measures: new Map([
          ['classificationLoss', mul(classification, count)],
          ['regressionLoss', mul(regression, count)],
        ]),
      }
    },
  }
}
