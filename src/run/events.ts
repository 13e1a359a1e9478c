/** Events of a training while it runs, and its summary. Accuracies are fractions from 0 to 1, times are seconds. */

/** How one mixture-of-experts layer used its experts; arrays have one value per expert (E). */
export interface LayerStats {
  readonly name: string
  /** Share of each expert in all weights; sums to 1. */
  readonly importance: readonly number[]
  /** Share of images that chose the expert; sums to K. */
  readonly activation: readonly number[]
  readonly cvImportance: number
  readonly cvActivation: number
  /** Experts with more than 1 % of the importance. */
  readonly active: number
  /** Fraction of steps in which a hard constraint excluded the expert. */
  readonly excluded: readonly number[]
  /** The constraint's counters at the end, by name, e.g. `r` of the relative importance constraint; often one per expert. */
  readonly counters: Readonly<Record<string, readonly number[]>>
}

/**
 * What is measured besides the loss, by name. Of a classifier `top1` and `top5`, fractions of images. Of a detector on
 * training images `classificationLoss` and `regressionLoss`, on held-out images COCO's twelve numbers (`AP`, `AP50`, …),
 * null where there is nothing to measure.
 */
export type Measures = Readonly<Record<string, number | null>>

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
  | { readonly kind: 'alarm'; readonly layer: string; readonly message: string }
  | { readonly kind: 'warning'; readonly message: string }
  /** What was chosen where the configuration leaves a choice. */
  | { readonly kind: 'note'; readonly message: string }
  | {
      readonly kind: 'skipped'
      readonly files: readonly { readonly path: string; readonly reason: string }[]
    }
  | { readonly kind: 'progress'; readonly what: string; readonly done: number; readonly total: number }

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

/** A class that an expert prefers: its share of the expert's weight, and that share ÷ the class's share of images. */
export interface PreferredClass {
  readonly name: string
  readonly weight: number
  readonly lift: number
}

/** How a layer used its experts, and the classes that each expert prefers, most first. */
export type LayerSummary = LayerStats & {
  readonly preferred: readonly { readonly expert: number; readonly classes: readonly PreferredClass[] }[]
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
  readonly layers: readonly LayerSummary[]
}
