import type { HostTensor } from '../base/tensor.ts'
import type { LayerSummary, Measures, TrainEvent } from '../run/events.ts'
import type { DataIdentity } from './data-identity.ts'
import type { BatchForm, BuildObjective } from './objective.ts'

/** What a step is fed of the data. */
export interface TaskBatch {
  readonly form: BatchForm
  /** Images and what they should be taken for, by the names of the step's inputs. */
  readonly feeds: ReadonlyMap<string, HostTensor>
}

/** What the network does on held-out images. */
export interface TestResult {
  readonly loss: number
  /** As a line of the log has them. */
  readonly measures: Measures
  readonly layers: readonly LayerSummary[]
}

/** How an evaluation can be followed and ended. */
export interface TestOptions {
  readonly signal?: AbortSignal | undefined
  /** Told after each batch how many of all images are done. */
  readonly onProgress: (done: number, total: number) => void
}

/**
 * What is learned from what: all that the training loop does not know of classifiers and detectors. A batch is a function
 * of (seed, epoch, number), so that an interrupted training goes on as if nothing had been.
 */
export interface Task {
  /** What the images are and how many. */
  readonly title: string
  /** What a person should know of the data: files that were left out, boxes that were changed. */
  readonly notices: readonly TrainEvent[]
  readonly identity: DataIdentity
  readonly stepsPerEpoch: number
  /** The forms of an epoch's batches, each once; first the one with the most images. */
  forms(epoch: number): readonly BatchForm[]
  /**
   * How much a step of an epoch computes, beside other epochs' steps. Where it changes, so do the forms of all batches.
   */
  work(epoch: number): number
  /** The network and its loss on batches of a form. */
  objective(form: BatchForm): BuildObjective
  /** The images of each of an epoch's batches, `stepsPerEpoch` of them. */
  batches(epoch: number): readonly Uint32Array[]
  /** @throws MoietyError `data` where an image cannot be read */
  load(images: Uint32Array, epoch: number): Promise<TaskBatch>
  /** What a step measured, as the log and the progress line have it. */
  trainMeasures(means: Readonly<Record<string, number>>): Measures
  /** The split that `test` looks at. */
  readonly heldOut: 'val' | 'test'
  /** Makes ready for `test`: what cannot be evaluated shows now. */
  prepareTest(): Promise<void>
  /** The network that is in the engine on held-out images; undefined when it was interrupted. */
  test(options: TestOptions): Promise<TestResult | undefined>
}
