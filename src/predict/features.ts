import { join } from 'node:path'
import { MoietyError } from '../base/errors.ts'
import { inOrder } from '../base/in-order.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { ModelConfig } from '../config/config.ts'
import { type Dataset, makeBatch, type Split } from '../data/index.ts'
import { isThere, nodeDisk } from '../files/disk.ts'
import { readRegular, sizeLimits } from '../files/regular-file.ts'
import { replaceFile } from '../files/replace-files.ts'
import { decodeSafetensors, encodeSafetensors } from '../files/safetensors.ts'
import { Graph, lower, type Program } from '../graph/index.ts'
import { counterOutput, type LayerInfo, layerInfo } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'
import type { Engine, LoadedProgram } from '../runtime/index.ts'
import { floatsOf } from '../runtime/outputs.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import type { Normalisation } from '../tasks/data-identity.ts'
import type { PlacedImages } from './neighbours.ts'

/** What the program of a {@link FeatureNetwork} depends on. */
export interface FeatureOptions extends Normalisation {
  readonly model: ModelConfig
  readonly classes: number
  /** Height and width of an image. */
  readonly size: number
  /** Images computed at once. */
  readonly batch: number
}

/** A classifier in an engine that gives features, too. */
export class FeatureNetwork {
  private constructor(
    readonly options: FeatureOptions,
    /** The mixtures in the order in which images pass them. */
    readonly layers: readonly LayerInfo[],
    /** Length of an image's features (C). */
    readonly channels: number,
    readonly loaded: LoadedProgram,
  ) {}

  /** @param engine - holds the parameters */
  static async load(engine: Engine, options: FeatureOptions): Promise<FeatureNetwork> {
    const { program, layers, channels } = featureProgram(options)
    return new FeatureNetwork(options, layers, channels, await engine.load(program))
  }

  /**
   * The outputs of {@link featureProgram} for the images of a split, in order; the next batch is decoded meanwhile.
   *
   * @throws MoietyError `data`
   */
  batches(split: Pick<Split, 'length' | 'load'>) {
    const { batch, mean, std } = this.options
    const unlabelled = { ...split, labels: new Int32Array(split.length), coarse: undefined }
    return inOrder(Math.ceil(split.length / batch), 2, async number => {
      const start = number * batch
      const indices = Uint32Array.from({ length: Math.min(batch, split.length - start) }, (_, i) => start + i)
      const { images } = await makeBatch(unlabelled, indices, { mean, std, seed: 0, epoch: 0 })
      return { indices, outputs: await this.loaded.run(new Map([['images', images]])) }
    })
  }
}

/**
 * A classifier as it was trained. Fed: `images` float32 [N, 3, S, S]. Given: `logits` float32 [N, classes], `features`
 * [N, C] (what the last layer makes the logits of), and per layer `NAME.weights` and `NAME.logits` [N, E] and its
 * constraint's counters.
 */
function featureProgram({ model, classes, size }: FeatureOptions): {
  readonly program: Program
  readonly layers: LayerInfo[]
  readonly channels: number
} {
  const graph = new Graph()
  const images = graph.input('images', 'float32', ['N', 3, size, size])
  const network = classifierOf(model, { classes })
  const { logits, features, stats } = network(Scope.root(graph, { training: false }), images)
  const outputs = new Map([
    ['logits', logits],
    ['features', features],
    ...stats.flatMap(({ name, routing, counters }) => [
      [`${name}.weights`, routing.weights] as const,
      [`${name}.logits`, routing.cleanLogits] as const,
      ...Object.entries(counters).map(([counter, value]) => [counterOutput(name, counter), value] as const),
    ]),
  ])
  return { program: lower(outputs), layers: stats.map(layerInfo), channels: Number(features.shape[1]) }
}

/** The images that a network was trained on. */
export interface TrainedImages extends Pick<Dataset, 'title' | 'size' | 'content'>, Normalisation {
  readonly train: Pick<Split, 'length' | 'load'>
  /** A hash of all labels, see `DataIdentity`. */
  readonly labels: string
}

/** Features and routes of every training image, in the order of the split. */
async function computeTrainingFeatures(
  network: FeatureNetwork,
  { train }: TrainedImages,
  onProgress: (done: number, total: number) => void,
): Promise<PlacedImages> {
  const { channels, layers } = network
  const images = train.length
  const features = new Float32Array(images * channels)
  const routes = layers.map(({ experts }) => ({ experts, chosen: new Uint8Array(images * experts) }))
  for await (const { indices, outputs } of network.batches(train)) {
    const start = indices[0]!
    features.set(floatsOf(outputs, 'features'), start * channels)
    for (const [l, { name, experts }] of layers.entries())
      routes[l]!.chosen.set(
        floatsOf(outputs, `${name}.weights`).map(weight => Number(weight > 0)),
        start * experts,
      )
    onProgress(start + indices.length, images)
  }
  return { images, channels, features, routes }
}

/**
 * Features and routes of every training image, cached in the run's folder for the next prediction. The cache belongs to one
 * checkpoint and one data set, which is known by its labels, title, normalisation and the content of its files, not by its pixels; any other,
 * or a damaged file, is computed again and replaced. A folder that cannot be written, as on a full disk, gets no cache.
 *
 * @param cache - the run's folder and the checkpoint's identity; undefined for other data than the run's own, for which there
 *   is no cache
 */
export async function trainingFeatures(
  network: FeatureNetwork,
  dataset: TrainedImages,
  cache: { readonly run: string; readonly checkpoint: string } | undefined,
  onProgress: (done: number, total: number) => void,
): Promise<PlacedImages> {
  if (cache === undefined) return await computeTrainingFeatures(network, dataset, onProgress)
  const file = join(cache.run, 'training-features.safetensors')
  const { title, size, mean, std, content, labels } = dataset
  const metadata = {
    checkpoint: cache.checkpoint,
    labels,
    data: JSON.stringify({ title, size, mean, std, content }),
  }
  const cached = readCache(file, metadata, network, dataset.train.length)
  if (cached !== undefined) return cached
  const placed = await computeTrainingFeatures(network, dataset, onProgress)
  const tensors = new Map<string, HostTensor>([
    ['features', { dtype: 'float32', shape: [placed.images, placed.channels], data: placed.features }],
    ...placed.routes.map(({ experts, chosen }, l): [string, HostTensor] => [
      `${network.layers[l]!.name}.chosen`,
      { dtype: 'uint8', shape: [placed.images, experts], data: chosen },
    ]),
  ])
  try {
    replaceFile(nodeDisk, file, encodeSafetensors(tensors, metadata))
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
  }
  return placed
}

function readCache(
  file: string,
  metadata: Record<string, string>,
  { channels, layers }: FeatureNetwork,
  images: number,
): PlacedImages | undefined {
  if (!isThere(file)) return undefined
  try {
    const cached = decodeSafetensors(readRegular(file, sizeLimits.cache), file)
    if (Object.entries(metadata).some(([key, value]) => cached.metadata[key] !== value)) return undefined
    const features = cached.tensors.get('features')
    const routes = layers.map(({ name, experts }) => ({
      experts,
      chosen: cached.tensors.get(`${name}.chosen`)?.data,
    }))
    if (!(features?.data instanceof Float32Array) || features.data.length !== images * channels)
      return undefined
    const whole = routes.flatMap(({ experts, chosen }) =>
      chosen instanceof Uint8Array && chosen.length === images * experts ? [{ experts, chosen }] : [],
    )
    if (whole.length !== layers.length) return undefined
    return { images, channels, features: features.data, routes: whole }
  } catch {
    return undefined
  }
}
