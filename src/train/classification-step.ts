import {
  type ClassificationObjectiveOptions,
  classificationObjective,
} from '../tasks/classification/classification-objective.ts'
import { type TrainingStep, type WriteStepOptions, writeStep } from './step.ts'

/** All that a classifier's training step depends on but its data. */
export interface StepOptions
  extends ClassificationObjectiveOptions,
    Pick<WriteStepOptions, 'optimizer' | 'clipNorm'> {
  /** Images in a step (N). */
  readonly batch: number
  /** Height and width of an image. */
  readonly size: number
}

/** Writes the training step of a classifier; see {@link classificationObjective} for what it is fed and measures. */
export function trainingStep(options: StepOptions): TrainingStep {
  return writeStep(classifierStepOptions(options))
}

/** What that step is written from. */
export function classifierStepOptions({
  batch,
  size,
  optimizer,
  clipNorm,
  ...options
}: StepOptions): WriteStepOptions {
  const form = { images: batch, height: size, width: size }
  return { objective: classificationObjective(options), form, optimizer, clipNorm }
}
