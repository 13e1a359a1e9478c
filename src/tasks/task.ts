import type { HostTensor } from '../base/tensor.ts'
import type { Config } from '../config/config.ts'
import type { OnProgress, SplitName } from '../data/index.ts'
import type { MeasureDefinition } from '../metrics/measure.ts'
import type { LayerStats, Measures, NetworkCost, TrainEvent } from '../run/events.ts'
import type { Engine } from '../runtime/index.ts'
import type { DataIdentity, Normalisation } from './data-identity.ts'
import type { BatchForm, BuildObjective } from './objective.ts'
import type { LabelledItem, RoutedLayer } from './routing.ts'
import type { Mixture, RoutingOverrides, Variant } from './variants.ts'

/** What a step is fed of the data. */
export interface TaskBatch {
  readonly form: BatchForm
  /** Images and targets, by the names of the step's inputs. */
  readonly feeds: ReadonlyMap<string, HostTensor>
}

/** How an evaluation reports and is ended. */
export interface TestOptions {
  readonly signal?: AbortSignal | undefined
  /** Called after each batch with the images that are done and all of them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** A table for a terminal or a page: plain texts, the first column a name. */
export interface TextTable {
  readonly title: string
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** An image as the data has it, not normalised. */
export interface StoredPicture {
  /** uint8 [3, height, width], planar RGB. */
  readonly pixels: Uint8Array
  readonly width: number
  readonly height: number
}

/** What a network does on a split. */
export interface Evaluated {
  readonly images: number
  /** Mean over images. */
  readonly loss: number
  /** By the names of the task's measures. */
  readonly measures: Measures
  readonly layers: readonly LayerStats[]
  /** In the order of `layers`. */
  readonly routing: readonly RoutedLayer[]
  readonly items: readonly LabelledItem[]
  /** What else the task counts, as `eval --json` prints it. */
  readonly details: Readonly<Record<string, unknown>>
  /** The same for a person. */
  readonly tables: readonly TextTable[]
}

/** A network in engines, ready to be run on splits. */
export interface Evaluation<E extends Evaluated = Evaluated> {
  /** Builds and loads the programs, so that what cannot be evaluated fails before the first step of a training. */
  prepare(split: SplitName): Promise<void>
  /**
   * Runs a split through the network, in the order of the data. Engines with as many threads give the same bits, however many
   * engines there are. Undefined if `signal` came first.
   *
   * @throws MoietyError `diverged` if the loss is not finite, `data`
   */
  run(split: SplitName, options?: TestOptions): Promise<E | undefined>
  /** Releases its programs and their memory. */
  release(): Promise<void>
}

/** How many images of a data set an evaluation can be asked for. */
export interface SplitSizes {
  readonly train: { readonly length: number }
  readonly val?: { readonly length: number } | undefined
  readonly test: { readonly length: number }
}

/** What every data set says of itself. */
export interface TaskData extends SplitSizes, Normalisation {
  /** What the images are and how many. */
  readonly title: string
  readonly classes: readonly string[]
  /** By class, of data with boxes: the number of a category in its files. */
  readonly categoryIds?: readonly number[] | undefined
  readonly superclasses: readonly string[] | undefined
  /** By class; -1 where it has none. */
  readonly superclassOf: ArrayLike<number> | undefined
  /** A hash of the content of its files, see `Dataset.content`. */
  readonly content?: string | undefined
}

/**
 * What is learned from what: all that training, evaluation and analysis do not know of classifiers and detectors. A batch is a
 * function of (seed, epoch, number), so that an interrupted training resumes as if it had not been interrupted.
 */
export interface Task<out E extends Evaluated = Evaluated, out V extends VariantResult = VariantResult> {
  readonly kind: TaskKind
  readonly config: Config
  readonly data: TaskData
  /** Warnings about the data: files that were left out, boxes that were changed. */
  readonly notices: readonly TrainEvent[]
  /** What a training says of its data before it begins. */
  readonly trainingNotes?: readonly string[]
  readonly identity: DataIdentity
  readonly facts: NetworkFacts
  /** The mixtures of the network in the order in which its programs report them. */
  readonly mixtures: readonly Mixture[]

  /** @throws MoietyError `data` for data from which nothing can be learned */
  checkTrainable(): void
  readonly stepsPerEpoch: number
  /** The forms of an epoch's batches, each once; first the one with the most images. */
  forms(epoch: number): readonly BatchForm[]
  /**
   * How much a step of an epoch computes, relative to other epochs' steps. Where it changes, so do the forms of all batches.
   */
  work(epoch: number): number
  /** The images of each of an epoch's batches, `stepsPerEpoch` of them. */
  batches(epoch: number): readonly Uint32Array[]
  /** @throws MoietyError `data` where an image cannot be read */
  load(images: Uint32Array, epoch: number): Promise<TaskBatch>
  /** Some images of a split for people to look at; a task that has none leaves it out. @throws MoietyError `data` */
  pictures?(split: SplitName, images: readonly number[]): Promise<readonly StoredPicture[]>
  /** The files of a split's images, relative to the data's folder; undefined where images have none. */
  imageNames?(split: SplitName): readonly string[] | undefined
  /** The network and its loss on batches of a form. */
  objective(form: BatchForm): BuildObjective
  /** What a step measured, as the log and the progress line show it. */
  trainMeasures(means: Readonly<Record<string, number>>): Measures

  /**
   * The network as a program for held-out images.
   *
   * @param engines - they hold its parameters as their state
   * @param overrides - how mixtures route instead of as trained; one for all, or by place
   */
  evaluation(engines: readonly Engine[], overrides?: RoutingOverrides): Evaluation<E>
  /**
   * The network as trained and variants of its mixtures on a split, each variant computed on the same images. Where a task can,
   * one program computes many variants.
   */
  withVariants(engine: Engine, split: SplitName, options?: VariantOptions): Promise<EvaluatedVariants<E, V>>
}

/** Which variants, and how the work reports. */
export interface VariantOptions {
  /** All of each mixture by default. */
  readonly variants?: readonly Variant[]
  /** Ends the work by throwing. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined
}

/** What a variant of the network does on a split. */
export interface VariantResult {
  readonly variant: Variant
  readonly measures: Measures
  /** Of tasks that give each image one class: that class, for each image. */
  readonly predictions: Int32Array | null
  /** The ranking measure of each class, of tasks that have it in addition to `predictions`. */
  readonly perClass?: readonly (number | null)[]
}

/** A network and its variants on a split. */
export interface EvaluatedVariants<E extends Evaluated = Evaluated, V extends VariantResult = VariantResult> {
  readonly trained: E
  readonly variants: readonly V[]
}

/** What a network is, for people. */
export interface NetworkFacts extends NetworkCost {
  /** `resnet18, width 64, cifar stem` */
  readonly description: string
}

/** A task before its data is open. */
export interface TaskKind {
  readonly name: string
  /** What exported models call it: the name that model hubs have for it, if they have one. */
  readonly exportName: 'image-classification' | 'multi-label-image-classification' | 'object-detection'
  /** What it is measured by on held-out images, the measure that ranks runs first. */
  readonly measures: readonly MeasureDefinition[]
  /** Whether a configuration describes this task. */
  accepts(config: Config): boolean
  /** Opens the data that a configuration names. @throws MoietyError `data`, `usage` */
  open(config: Config, options: OpenTaskOptions): Promise<Task>
}

/** How a task's data is opened. */
export interface OpenTaskOptions {
  readonly onProgress?: OnProgress | undefined
  /** Normalises images by this instead of by the data's own mean and standard deviation. */
  readonly normalisation?: Normalisation | undefined
}
