import { add, mul } from '../../graph/index.ts'
import { type Detector, detectionLosses, weightedLosses } from '../../models/index.ts'
import type { BuildObjective } from '../objective.ts'

/** What a detector's objective depends on. */
export interface DetectionObjectiveOptions {
  readonly detector: Detector
  /** Anchors of an image (A). */
  readonly anchors: number
  /** What the boxes' loss is multiplied by. */
  readonly boxWeight: number
  /** How far from 0 and 1 the focal loss keeps probabilities; null: only as far as float32 needs it. */
  readonly scoreClamp?: number | null
}

/** Names of the inputs that say what every anchor should say. */
export const targetInputs = { classes: 'classTargets', boxes: 'boxTargets' } as const

/**
 * The loss of a detector (METHOD.md §5.1). It is fed `classTargets` int64 [N, A] and `boxTargets` float32 [N, A, 4]
 * (`anchorTargets`), and measures both parts of the loss, `classificationLoss` and `regressionLoss`, summed over images.
 */
export function detectionObjective({
  detector,
  anchors,
  boxWeight,
  scoreClamp = null,
}: DetectionObjectiveOptions): BuildObjective {
  return (scope, images) => {
    const { graph } = scope
    // Of the images that it is given: a shared step has an objective for each part of the form.
    const count = Number(images.dim(0))
    const targets = {
      classes: graph.input(targetInputs.classes, 'int64', [count, anchors]),
      boxes: graph.input(targetInputs.boxes, 'float32', [count, anchors, 4]),
    }
    const { classes, boxes, losses, stats } = detector(scope, images)
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
  }
}
