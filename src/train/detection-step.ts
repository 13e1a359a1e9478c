import { type DetectionObjectiveOptions, detectionObjective } from '../tasks/detection/detection-objective.ts'
import { type TrainingStep, type WriteStepOptions, writeStep } from './step.ts'

/** All that a detector's training step depends on but its data. */
export interface DetectionStepOptions
  extends DetectionObjectiveOptions,
    Omit<WriteStepOptions, 'objective'> {}

/** Writes the training step of a detector; see {@link detectionObjective} for what it is fed and measures. */
export function detectionStep({ form, optimizer, clipNorm, ...options }: DetectionStepOptions): TrainingStep {
  return writeStep({ objective: detectionObjective(options), form, optimizer, clipNorm })
}
