import { add, mul } from '../../graph/index.ts'
import { checkedDetection } from '../../models/check-outputs.ts'
import { anchorTargetInputs, type Detector, detectionLosses, weightedLosses } from '../../models/index.ts'
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
  }
}
