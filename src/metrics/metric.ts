import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator } from '../base/component.ts'
import { fail } from '../base/errors.ts'
import { showValue } from '../base/schemas.ts'
import type { Box } from '../data/box.ts'
import type { DataTask } from '../data/datasets/dataset-facts.ts'
import type { MeasureDefinition } from './measure.ts'

/** What a classifier gave for the images of a split. */
export interface Predictions {
  /** int32 [N]: the class of each image. */
  readonly labels: Int32Array
  /** float32 [N, classes]: the softmax of the logits, row after row. */
  readonly probabilities: Float32Array
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
}

/** What a multi-label network gave for the images of a split. */
export interface LabelPredictions {
  /** uint8 [N, classes], row after row: 1 where the image shows the class, otherwise 0. */
  readonly targets: Uint8Array
  /** float64 [N, classes]: the sigmoid of the logits, row after row. */
  readonly probabilities: Float64Array
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
}

/** What a detector found in the images of a split. */
export interface BoxPredictions {
  readonly images: readonly {
    /** What is there; boxes are x, y, width and height in pixels of the stored image. */
    readonly objects: readonly { readonly box: Box; readonly label: number; readonly crowd: boolean }[]
    /** What was found, most certain first. */
    readonly found: readonly { readonly box: Box; readonly label: number; readonly score: number }[]
  }[]
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
}

/** What the network of each task gave. */
export interface PredictionsOfTask {
  readonly classification: Predictions
  readonly 'multi-label': LabelPredictions
  readonly detection: BoxPredictions
}

/** Computes a number from what a network gave. */
export type Metric<Task extends DataTask = 'classification'> = (
  predictions: PredictionsOfTask[Task],
) => number

/** What a metric says besides. */
export interface MetricFacts {
  /** How it is shown: `percent` 71.3 %, or `fraction` 0.713. */
  readonly format: MeasureDefinition['format']
  /** Whether more (the default) or less of it is better: for the best checkpoint and early stopping. */
  readonly better?: 'max' | 'min'
}

/** A metric of one task. */
export type MetricOfTask<Task extends DataTask> = Creator<'metric', Metric<Task>> &
  MetricFacts & { readonly task: Task }

/** A metric that a configuration can name. */
export type MetricDefinition = { readonly [Task in DataTask]: MetricOfTask<Task> }[DataTask]

const tasks: readonly DataTask[] = ['classification', 'multi-label', 'detection']

/**
 * Defines what is measured on held-out images besides accuracy or average precision, so that a configuration can name it in
 * `training.metrics`. Its name is the key in logs, summaries and tables. Its `task` is the one whose networks it measures; by
 * default classification.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineMetric<
  const Name extends string,
  Options extends z.ZodRawShape,
  const Task extends DataTask = 'classification',
>(spec: CreatorSpec<Name, Options, Metric<Task>> & MetricFacts & { readonly task?: Task }) {
  const task = (spec.task ?? 'classification') as Task
  if (tasks.includes(task)) return defineCreator('metric', { ...spec, task })
  return fail({
    kind: 'usage',
    message: `expected a task, one of ${tasks.join(', ')}, came ${showValue(task)}`,
    where: `the metric "${spec.name}"`,
    help: 'leave it out for classifiers',
  })
}
