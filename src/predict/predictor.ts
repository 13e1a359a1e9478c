import type { Config } from '../config/config.ts'
import type { Box } from '../data/coco/record.ts'
import type { Detection } from '../data/coco/results.ts'
import type { Extent } from '../data/image.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import type { Engine } from '../runtime/index.ts'
import type { DataIdentity, Normalisation } from '../tasks/data-identity.ts'
import type { DataChoice } from '../tasks/open-run.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { Task } from '../tasks/task.ts'
import type { GivenImage, SkippedImage } from './given-images.ts'

/** Options that some tasks have; `predictRun` refuses those that the run's task does not have. */
export interface TaskOptions {
  /** Classification: how many classes are named, most probable first; 5 by default. */
  readonly top?: number | undefined
  /** Classification, of one class or of many labels: training images shown for each image; 8 by default, none for 0. */
  readonly neighbours?: number | undefined
  /** Likewise: where the training images are, if not where the run had them. */
  readonly data?: DataChoice | undefined
  /**
   * Detection: objects with a score above this are reported; 0.3 by default. Multi-label classification: labels with a
   * probability of at least this, instead of the threshold of each class that held-out images give.
   */
  readonly score?: number | undefined
  /** Detection: whether {@link Predictions.detections} is wanted. */
  readonly coco?: boolean | undefined
}

/** Terminals and pages show neighbours and pictures of so many images, the first ones: a page with more would not open. */
export const mostPictures = 100

/** An expert that computed an input, and its weight. */
export interface ExpertWeight {
  readonly expert: number
  readonly weight: number
}

/** How a layer routed one input of an image. */
export interface InputRouting {
  /** The experts that computed it, most weight first; weights sum to 1. */
  readonly experts: readonly ExpertWeight[]
  /** What the gate gave each expert, [E]. */
  readonly logits: readonly number[]
}

/** A mixture of experts that a run has. */
export interface PredictedLayer {
  readonly name: string
  readonly experts: number
  /** Inputs of an image: 1, or in a detector's head the levels of the pyramid, P3 first. */
  readonly inputs: number
}

/** An image with what the run predicts of it. */
export interface PredictedImage<P> extends Extent {
  readonly path: string
  /** Its size in pixels as the network was given it, without padding; `width` and `height` are as the file has it. */
  readonly input: Extent
  readonly prediction: P
  /** By layer, in the order of {@link Predictions.layers}, and by input. */
  readonly routing: readonly (readonly InputRouting[])[]
}

/** What a run predicts of images. */
export interface Predictions<P> {
  readonly run: string
  /** `classification`, `detection`, … */
  readonly task: string
  /** Of the checkpoint. */
  readonly step: number
  /** Which checkpoint and weights, in words. */
  readonly checkpoint: string
  /** The task's options as they were in effect. */
  readonly settings: Readonly<Record<string, number>>
  readonly layers: readonly PredictedLayer[]
  readonly images: readonly PredictedImage<P>[]
  /** Files that were left out because they cannot be read. */
  readonly skipped: readonly SkippedImage[]
  /** With `coco`: all detections above the run's own threshold, as COCO's evaluation wants them. */
  readonly detections?: readonly Detection[]
}

/** What a person is shown of a prediction, the same in a terminal and on a page. */
export type Figure =
  | { readonly kind: 'text'; readonly text: string }
  /** Fractions, from 0 to 1, as bars. */
  | {
      readonly kind: 'shares'
      readonly heads: readonly [name: string, share: string]
      readonly rows: readonly { readonly name: string; readonly share: number }[]
    }
  | { readonly kind: 'experts'; readonly layer: string; readonly experts: readonly ExpertWeight[] }
  /** Cells are texts, or the experts that computed what the row is about. */
  | {
      readonly kind: 'table'
      readonly caption: string
      readonly heads: readonly string[]
      readonly rows: readonly (readonly (string | readonly ExpertWeight[])[])[]
    }
  | {
      readonly kind: 'images'
      readonly title: string
      readonly note: string | null
      readonly images: readonly {
        readonly name: string
        readonly alt: string
        readonly detail: string
        readonly png: string | null
      }[]
    }

/** A box with a label that is drawn onto a picture. */
export interface Mark {
  /** In pixels of the image as stored. */
  readonly box: Box
  /** What the label says, and what it says where the letters cannot write that. */
  readonly name: string
  readonly fallback: string
  /** Written after the name, and never cut: `0.87`. */
  readonly detail: string
  /** Whose colour the box has. */
  readonly expert: number | undefined
}

/** What a predictor computes with. */
export interface PredictRequest extends TaskOptions {
  readonly run: string
  readonly config: Config
  readonly checkpoint: Checkpoint
  /** Holds the checkpoint's parameters. */
  readonly engine: Engine
  /** What is known of the data that the run was trained on. */
  readonly known: Pick<DataIdentity, 'classes' | 'detection'> & Normalisation
  /** With the training images, where {@link Predictor.usesTrainingImages} asks for them or `data` names them. */
  readonly task: Task | undefined
  readonly images: readonly GivenImage[]
  /** Reports progress, and ends the work by throwing. */
  readonly onProgress: (what: string, done: number, total: number) => void
}

/** What a predictor gives. */
export interface Predicted<P> {
  readonly settings: Readonly<Record<string, number>>
  /** In the order of the images. */
  readonly images: readonly { readonly input: Extent; readonly prediction: P }[]
  readonly routing: readonly RoutedLayer[]
  readonly detections?: readonly Detection[]
}

/** What differs between tasks in predicting; `predictRun`, the command and the page know nothing else of a task. */
export interface Predictor<P> {
  /** The name of its `TaskKind`. */
  readonly task: string
  /** The options that mean something to it. */
  readonly options: readonly (keyof TaskOptions)[]
  /**
   * What becomes of the orientation in an image's EXIF. Networks are given images as in their training: classifiers upright,
   * detectors as they are stored, because boxes belong to stored pixels.
   */
  readonly orientation: 'upright' | 'stored'
  usesTrainingImages(options: TaskOptions): boolean
  /** Batch by batch, decoding the next one meanwhile. @throws MoietyError `diverged`, `data`, `disk` */
  predict(request: PredictRequest): Promise<Predicted<P>>
  /** Sentences about all images, below the page's title. */
  notes(predictions: Predictions<P>): string[]
  figures(image: PredictedImage<P>, predictions: Predictions<P>): Figure[]
  /** What is drawn onto the picture of an image, the most important first; without it pictures have no marks and are small. */
  marks?(image: PredictedImage<P>, predictions: Predictions<P>): Mark[]
}

/** The experts of each layer, for tasks in which an image is one input. */
export function routingFigures(
  { routing }: PredictedImage<unknown>,
  layers: readonly PredictedLayer[],
): Figure[] {
  return layers.flatMap(({ name, inputs }, l) =>
    routing[l]!.map(({ experts }, input): Figure => {
      const layer = inputs === 1 ? name : `${name}, input ${input}`
      return { kind: 'experts', layer, experts }
    }),
  )
}
