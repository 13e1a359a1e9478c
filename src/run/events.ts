import type { Progress } from '../data/dataset.ts'
import type { Measures } from '../metrics/measure.ts'
import type { LayerSummary, PreferredClass } from '../metrics/preferred-classes.ts'
import type { LayerStats } from '../metrics/utilization.ts'

export type { LayerStats, LayerSummary, Measures, PreferredClass }

/** Events of a training while it runs, and its summary. Accuracies are fractions from 0 to 1, times are seconds. */

/** Events of a training, discriminated by `kind`. Times in seconds, accuracies from 0 to 1. */
export type TrainEvent =
  | {
      readonly kind: 'start'
      readonly run: string
      /** Description of the images and their number. */
      readonly data: string
      readonly parameters: number
      readonly activeParameters: number
      readonly steps: number
      readonly resumedFrom: number | null
    }
  | {
      readonly kind: 'step'
      readonly step: number
      readonly steps: number
      readonly epoch: number
      readonly loss: number
      /** Means of the epoch so far, on training images. */
      readonly measures: Measures
      readonly learningRate: number
      readonly imagesPerSecond: number
      readonly secondsLeft: number
      readonly layers: readonly LayerStats[]
    }
  | {
      readonly kind: 'epoch'
      readonly epoch: number
      readonly epochs: number
      /** Training is tested on `val`, and on `test` where the data has no `val`. */
      readonly split: 'train' | 'val' | 'test'
      readonly loss: number
      readonly taskLoss: number
      readonly auxLoss: number
      readonly measures: Measures
      readonly seconds: number
      readonly layers: readonly LayerStats[]
    }
  | { readonly kind: 'checkpoint'; readonly path: string }
  /**
   * Programs are being made, which can take long and cannot be interrupted. From `isDone` false to true nothing is lost if the
   * process ends: the newest checkpoint has everything, or, where the training has diverged, no other will be written.
   */
  | { readonly kind: 'preparing'; readonly isDone: boolean }
  | {
      readonly kind: 'alarm'
      readonly layer: string
      /** Experts with next to no weight. */
      readonly starved: readonly number[]
      readonly message: string
    }
  | { readonly kind: 'warning'; readonly message: string }
  /** What was chosen where the configuration leaves a choice. */
  | { readonly kind: 'note'; readonly message: string }
  | {
      readonly kind: 'skipped'
      readonly files: readonly { readonly path: string; readonly reason: string }[]
    }
  | { readonly kind: 'progress'; readonly what: string; readonly done: number; readonly total: number }

/** Progress of opening data, and notes of it, as events. */
export function progressEvent({ what, done, total, isNote }: Progress): TrainEvent {
  return isNote === true ? { kind: 'warning', message: what } : { kind: 'progress', what, done, total }
}

/**
 * A listener through which `signal` aborts the work: every long phase reports its progress after each batch, and the first report
 * after the signal throws the signal's reason.
 */
export function stoppedBy(
  signal: AbortSignal | undefined,
  onEvent: (event: TrainEvent) => void = () => undefined,
): (event: TrainEvent) => void {
  return event => {
    signal?.throwIfAborted()
    onEvent(event)
  }
}

/** What a network takes for an image. */
export interface NetworkCost {
  readonly parameters: number
  /** Parameters that one image passes through: K of the E experts. */
  readonly activeParameters: number
  /** Multiply–adds of convolutions and matrix products for one image (of a detector on its first canvas), with K of the E experts. */
  readonly multiplyAdds: number
}

/** What a training ends with; also in `summary.json`. */
export interface TrainSummary {
  readonly run: string
  readonly interrupted: boolean
  /** The split of the numbers here: `val`, or `test` where the data has no `val`. */
  readonly split: 'val' | 'test'
  /** On held-out images, after the last epoch that was evaluated; empty where none was. */
  readonly measures: Measures
  /** Time of the training, whole epochs before a resume included; the time of an interrupted epoch is not known. */
  readonly seconds: number
  /** What an image takes. */
  readonly cost: NetworkCost
  readonly layers: readonly LayerSummary[]
  /** The test that was best, whose checkpoint is kept; absent where there was none. */
  readonly best?: {
    readonly measure: string
    readonly value: number
    readonly step: number
    readonly epoch: number
  }
}
