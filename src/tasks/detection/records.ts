import type { DetectionEvaluation } from '../../metrics/detections/index.ts'
import type { Evaluated } from '../task.ts'
import type { DetectionSummary } from './found-and-missed.ts'
import type { FoundObject, TrueObject } from './objects.ts'

export type { FoundObject, TrueObject }

/** What a detector does on a split; see {@link Evaluated}. `objects` and `items` are the same. */
export interface DetectorRecords extends Evaluated {
  readonly evaluation: DetectionEvaluation
  readonly summary: DetectionSummary
  /** In the order of batches, most certain first within an image. */
  readonly found: readonly FoundObject[]
  /** Without crowds. */
  readonly objects: readonly TrueObject[]
}
