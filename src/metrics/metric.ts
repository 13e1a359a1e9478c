import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator, Registry } from '../base/component.ts'
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

/** Computes a number from what a classifier gave. */
export type Metric = (predictions: Predictions) => number

/** What a metric says besides. */
export interface MetricFacts {
  /** How it is shown: `percent` 71.3 %, or `fraction` 0.713. */
  readonly format: MeasureDefinition['format']
}

/** A metric that a configuration can name. */
export type MetricDefinition = Creator<'metric', Metric> & MetricFacts

/**
 * Defines what is measured on held-out images besides accuracy, so that a configuration can name it in `training.metrics`. Its
 * name is the key in logs, summaries and tables.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineMetric<const Name extends string, Options extends z.ZodRawShape>(
  spec: CreatorSpec<Name, Options, Metric> & MetricFacts,
) {
  return defineCreator('metric', spec)
}

/** Metrics that a program or `--use` has added. */
export const metrics = new Registry<MetricDefinition, readonly []>('metric', [])
