import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { type Config, resolveConfig } from '../config/config.ts'
import { dataUri } from '../data/image-uri.ts'
import { type Dataset, decodeImage, type PerChannel, UnreadableImage } from '../data/index.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import { readConfig } from '../run/run-folder.ts'
import type { LoadedProgram } from '../runtime/index.ts'
import { floatsOf } from '../runtime/outputs.ts'
import { ClassificationTask } from '../tasks/classification/classification-task.ts'
import { remembered } from '../tasks/data-identity.ts'
import {
  checkpointIdentity,
  type DataChoice,
  engineOf,
  newestCheckpoint,
  openTrainedRun,
} from '../tasks/open-run.ts'
import { type FeatureProgram, featureProgram } from './feature-program.ts'
import { type Neighbour, nearest, type PlacedImages } from './neighbours.ts'
import { placedTrainingImages, placeTrainingImages } from './place-split.ts'

/** Which run says what about which images. */
export interface PredictOptions {
  /** The run's folder; its newest checkpoint predicts. */
  readonly run: string
  /** Paths of JPEG, PNG or WebP files. */
  readonly images: readonly string[]
  /** Classes to name, most probable first; 5 when not given. */
  readonly top?: number
  /** Training images to show for each image; 8 when not given, none for 0. */
  readonly neighbours?: number
  readonly data?: DataChoice
  /** Threads of the engine, instead of as many as in training. */
  readonly threads?: number
  /** Told how everything comes along, and which training images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal
}

/** What the network says about one image. */
export interface Prediction {
  readonly path: string
  /** The square that the network saw, as a PNG data URI. */
  readonly png: string
  readonly classes: readonly { readonly class: number; readonly name: string; readonly probability: number }[]
  readonly layers: readonly {
    readonly name: string
    /** The experts that computed it, most weight first; weights sum to 1. */
    readonly experts: readonly { readonly expert: number; readonly weight: number }[]
    /** What the gate said of each expert, [E]. */
    readonly logits: readonly number[]
  }[]
  /** Training images that are most like it to the network, among those that the same experts computed. */
  readonly neighbours: readonly {
    /** Number within the training split. */
    readonly image: number
    readonly name: string
    /** Cosine of the angle between the features. */
    readonly similarity: number
    /** Whether the same experts computed it in every layer. */
    readonly sameRoute: boolean
    readonly png: string
  }[]
}

/** What a run says about images. */
export interface Predictions {
  readonly run: string
  readonly step: number
  readonly predictions: readonly Prediction[]
}

/**
 * Says of images what they show, which experts looked at them, and what they resemble.
 *
 * @throws MoietyError `data` that names every image that cannot be read, before anything is computed; `usage` for a folder
 *   that is no run or data with other classes; `disk` for a damaged checkpoint; `diverged` where what the network computes is
 *   not finite
 */
export async function predictRun(options: PredictOptions): Promise<Predictions> {
  const { run, top = 5, neighbours = 8, data } = options
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const subject =
    (neighbours === 0 && data === undefined ? withoutData(run) : undefined) ??
    (await withData(run, data, onEvent))
  const { config, checkpoint, dataset } = subject
  const pixels = await decoded(options.images, subject.size)
  const features = featureProgram(config.model, subject.classes.length, subject.size)
  const engine = await engineOf(subject, options.threads)
  try {
    const loaded = await engine.load(features.program)
    const looking = {
      features,
      loaded,
      batch: config.training.batch,
      onProgress: (done: number, total: number) =>
        onEvent({ kind: 'progress', what: 'looking at the training images', done, total }),
    }
    const place = async (images: Dataset): Promise<PlacedImages> =>
      data === undefined
        ? await placedTrainingImages({
            ...looking,
            dataset: images,
            run,
            checkpoint: checkpointIdentity(checkpoint),
          })
        : await placeTrainingImages({ ...looking, dataset: images })
    const placed = neighbours === 0 || dataset === undefined ? undefined : await place(dataset)
    const predictions: Prediction[] = []
    for (const [i, path] of options.images.entries()) {
      options.signal?.throwIfAborted()
      predictions.push(
        await predict({ path, pixels: pixels[i]!, subject, features, loaded, placed, top, neighbours }),
      )
    }
    return { run: basename(resolve(run)), step: checkpoint.step, predictions }
  } finally {
    await engine.stop()
  }
}

/** What a prediction needs of a run. */
interface Subject {
  readonly config: Config
  readonly checkpoint: Checkpoint
  readonly classes: readonly string[]
  /** Height and width of an image. */
  readonly size: number
  readonly mean: PerChannel
  readonly std: PerChannel
  /** Undefined where nobody asks for training images. */
  readonly dataset: Dataset | undefined
}

async function withData(
  run: string,
  data: DataChoice | undefined,
  onEvent: (event: TrainEvent) => void,
): Promise<Subject> {
  const { task, checkpoint } = await openTrainedRun(run, { split: 'train', onEvent, data })
  if (!(task instanceof ClassificationTask)) return refuseOtherTask(run, task.kind.name)
  const { config, data: dataset } = task
  const { classes, size, mean, std } = dataset
  return { config, checkpoint, dataset, classes, size, mean, std }
}

function refuseOtherTask(run: string, task: string): never {
  return fail({
    kind: 'usage',
    message: `expected the run of a classifier, got one of the task ${task}`,
    where: run,
    help: 'give the run of a classifier',
  })
}

/** A run whose checkpoint remembers all that is to be known of its data; undefined for one of an earlier version. */
function withoutData(run: string): Subject | undefined {
  const config = resolveConfig(readConfig(run), run)
  const checkpoint = newestCheckpoint(run)
  const known = remembered(checkpoint.extra)
  if (known === undefined || known.mean === null || known.std === null) return undefined
  const { classes, mean, std } = known
  return { config, checkpoint, classes, size: config.data.size, mean, std, dataset: undefined }
}

/** @returns uint8 [3, size, size] for each path */
async function decoded(paths: readonly string[], size: number): Promise<Uint8Array[]> {
  const outcomes = await Promise.allSettled(paths.map(path => decodeImage(path, size)))
  const unreadable = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
  for (const reason of unreadable) if (!(reason instanceof UnreadableImage)) throw reason
  const [first] = unreadable
  if (first instanceof UnreadableImage) {
    const others = unreadable.slice(1).map(reason => `  ${String(reason.message)}`)
    fail({
      kind: 'data',
      message: `an image cannot be read: ${first.reason}${others.length === 0 ? '' : `; and ${others.length} more:`}`,
      details: others,
      where: first.path,
      help: 'give JPEG, PNG or WebP files',
      cause: first,
    })
  }
  return outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
}

async function predict({
  path,
  pixels,
  subject,
  features,
  loaded,
  placed,
  top,
  neighbours,
}: {
  readonly path: string
  readonly pixels: Uint8Array
  readonly subject: Subject
  readonly features: FeatureProgram
  readonly loaded: LoadedProgram
  readonly placed: PlacedImages | undefined
  readonly top: number
  readonly neighbours: number
}): Promise<Prediction> {
  const { size, mean, std, classes, dataset } = subject
  const area = size * size
  const data = Float32Array.from(pixels, (value, at) => {
    const channel = Math.floor(at / area)
    return (value / 255 - mean[channel]!) / std[channel]!
  })
  const outputs = await loaded.run(
    new Map([['images', { dtype: 'float32', shape: [1, 3, size, size], data } as const]]),
  )
  const values = (name: string): number[] => Array.from(floatsOf(outputs, name))
  const probabilities = values('probabilities')
  if (!probabilities.every(Number.isFinite)) refuseNotFinite(path)
  const weights = features.layers.map(({ name }) => values(`${name}.weights`))
  const near =
    placed === undefined
      ? []
      : nearest(
          {
            features: Float32Array.from(values('features')),
            routes: weights.map(row => Uint8Array.from(row, weight => Number(weight > 0))),
          },
          placed,
          neighbours,
        )
  const shown = dataset === undefined ? [] : await shownNeighbours(near, dataset, features.layers.length)
  return {
    path,
    png: await dataUri(pixels, size),
    classes: byValue(probabilities)
      .slice(0, top)
      .map(([label, probability]) => ({ class: label, name: classes[label]!, probability })),
    layers: features.layers.map(({ name }, l) => ({
      name,
      experts: byValue(weights[l]!)
        .filter(([, weight]) => weight > 0)
        .map(([expert, weight]) => ({ expert, weight })),
      logits: values(`${name}.logits`),
    })),
    neighbours: shown,
  }
}

/** Pictures of training images, one after the other: there may be many. */
async function shownNeighbours(
  near: readonly Neighbour[],
  { classes, size, train }: Dataset,
  layers: number,
): Promise<Prediction['neighbours']> {
  const shown: Prediction['neighbours'][number][] = []
  for (const { image, similarity, sharedLayers } of near)
    shown.push({
      image,
      name: classes[train.labels[image]!]!,
      similarity,
      sameRoute: sharedLayers === layers,
      png: await dataUri(await train.load([image]), size),
    })
  return shown
}

function refuseNotFinite(path: string): never {
  return fail({
    kind: 'diverged',
    message: 'what the network computes is not finite',
    where: path,
    help: 'train anew with a lower optimizer.learningRate, or with training.clipNorm',
  })
}

/** Places and values, largest first, equal ones in order. */
function byValue(values: readonly number[]): [place: number, value: number][] {
  return [...values.entries()].sort(([i, a], [j, b]) => b - a || i - j)
}
