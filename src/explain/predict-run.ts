import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { decodeImage, UnreadableImage } from '../data/index.ts'
import { type DataChoice, engineOf, openTrainedRun, type TrainedRun } from '../evaluate/trained-run.ts'
import type { TrainEvent } from '../run/events.ts'
import type { LoadedProgram } from '../runtime/index.ts'
import { type FeatureProgram, featureProgram } from './feature-program.ts'
import { nearest, type PlacedImages } from './neighbours.ts'
import { dataUri } from './pictures.ts'
import { placedTrainingImages } from './place-split.ts'

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
 *   that is no run or data with other classes; `disk` for a damaged checkpoint
 */
export async function predictRun(options: PredictOptions): Promise<Predictions> {
  const { run, onEvent = () => undefined, top = 5, neighbours = 8 } = options
  const trained = await openTrainedRun(run, {
    split: 'train',
    onEvent,
    ...(options.data === undefined ? {} : { data: options.data }),
  })
  const { config, dataset, checkpoint } = trained
  const pixels = await decoded(options.images, dataset.size)
  const features = featureProgram(config.model, dataset.classes.length, dataset.size)
  const engine = await engineOf(trained, options.threads)
  try {
    const loaded = await engine.load(features.program)
    const placed =
      neighbours === 0
        ? undefined
        : await placedTrainingImages({
            run,
            step: checkpoint.step,
            dataset,
            features,
            loaded,
            batch: config.training.batch,
            onProgress: (done, total) =>
              onEvent({ kind: 'progress', what: 'looking at the training images', done, total }),
          })
    const predictions: Prediction[] = []
    for (const [i, path] of options.images.entries())
      predictions.push(
        await predict({ path, pixels: pixels[i]!, trained, features, loaded, placed, top, neighbours }),
      )
    return { run: basename(resolve(run)), step: checkpoint.step, predictions }
  } finally {
    await engine.stop()
  }
}

/** @returns uint8 [3, size, size] for each path */
async function decoded(paths: readonly string[], size: number): Promise<Uint8Array[]> {
  const outcomes = await Promise.allSettled(paths.map(path => decodeImage(path, size)))
  const unreadable = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
  for (const reason of unreadable) if (!(reason instanceof UnreadableImage)) throw reason
  const [first] = unreadable
  if (first instanceof UnreadableImage) {
    const others = unreadable.slice(1).map(reason => `\n  ${String(reason.message)}`)
    fail({
      kind: 'data',
      message: `an image cannot be read: ${first.reason}${others.length === 0 ? '' : `; and ${others.length} more:${others.join('')}`}`,
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
  trained,
  features,
  loaded,
  placed,
  top,
  neighbours,
}: {
  readonly path: string
  readonly pixels: Uint8Array
  readonly trained: TrainedRun
  readonly features: FeatureProgram
  readonly loaded: LoadedProgram
  readonly placed: PlacedImages | undefined
  readonly top: number
  readonly neighbours: number
}): Promise<Prediction> {
  const { dataset } = trained
  const { size, mean, std, classes, train } = dataset
  const area = size * size
  const data = Float32Array.from(pixels, (value, at) => {
    const channel = Math.floor(at / area)
    return (value / 255 - mean[channel]!) / std[channel]!
  })
  const outputs = await loaded.run(
    new Map([['images', { dtype: 'float32', shape: [1, 3, size, size], data } as const]]),
  )
  const values = (name: string): number[] => Array.from(outputs.get(name)?.data ?? [], Number)
  const probabilities = values('probabilities')
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
  const seen = await train.load(near.map(({ image }) => image))
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
    neighbours: await Promise.all(
      near.map(async ({ image, similarity, sharedLayers }, i) => ({
        image,
        name: classes[train.labels[image]!]!,
        similarity,
        sameRoute: sharedLayers === features.layers.length,
        png: await dataUri(seen.subarray(i * 3 * area, (i + 1) * 3 * area), size),
      })),
    ),
  }
}

/** Places and values, largest first, equal ones in order. */
function byValue(values: readonly number[]): [place: number, value: number][] {
  return [...values.entries()].sort(([i, a], [j, b]) => b - a || i - j)
}
