import { fail } from '../base/errors.ts'
import { dataUri } from '../data/image-uri.ts'
import { decodeImage, type Split } from '../data/index.ts'
import { floatsOf } from '../runtime/outputs.ts'
import { checkpointIdentity } from '../tasks/open-run.ts'
import { RoutingCollector } from '../tasks/routing.ts'
import type { TrainedImages } from './features.ts'
import { FeatureNetwork, trainingFeatures } from './features.ts'
import { decodeImages } from './given-images.ts'
import { type Neighbour, nearest } from './neighbours.ts'
import { type Figure, mostPictures, type Predicted, type PredictRequest } from './predictor.ts'

/** A training image that is most like an image to the network, among those that the same experts computed. */
export interface ImageNeighbour {
  /** Number within the training split. */
  readonly image: number
  /** Its class, or its classes. */
  readonly name: string
  /** Cosine of the angle between the features. */
  readonly similarity: number
  /** Whether the same experts computed it in every layer. */
  readonly sameRoute: boolean
  /** A data URI; null for images after the first hundred. */
  readonly png: string | null
}

export const neighboursByDefault = 8

/** How a task whose network is given whole images predicts. */
export interface ImageTask<P> {
  /** The training images, where neighbours are wanted. */
  readonly data: TrainedImages | undefined
  /** What a training image shows. */
  nameOf(image: number): string
  /** What the logits of an image say. */
  read(logits: Float32Array): P
}

/** Predicts batch by batch, with the training images that are most like each image. @throws MoietyError `diverged`, `data` */
export async function predictImages<P extends object>(
  request: PredictRequest,
  { data: trained, nameOf, read }: ImageTask<P>,
): Promise<Pick<Predicted<P & { readonly neighbours: readonly ImageNeighbour[] }>, 'images' | 'routing'>> {
  const { run, config, checkpoint, engine, known, images, onProgress, data } = request
  const { neighbours = neighboursByDefault } = request
  const { classes, mean, std } = known
  const { size } = trained ?? config.data
  const { batch } = config.training
  const network = await FeatureNetwork.load(engine, {
    ...{ model: config.model, classes: classes.length, size, mean, std, batch },
  })
  const { layers, channels } = network
  const cache = data === undefined ? { run, checkpoint: checkpointIdentity(checkpoint) } : undefined
  const training =
    trained &&
    (await trainingFeatures(network, trained, cache, (done, total) =>
      onProgress('looking at the training images', done, total),
    ))
  const described = (near: readonly Neighbour[], train: Pick<Split, 'load'>, withPictures: boolean) =>
    Promise.all(
      near.map(
        async ({ image, similarity, sharedLayers }): Promise<ImageNeighbour> => ({
          image,
          name: nameOf(image),
          similarity,
          sameRoute: sharedLayers === layers.length,
          png: withPictures ? await dataUri(await train.load([image]), size) : null,
        }),
      ),
    )
  const collector = new RoutingCollector(images.length)
  const predictions: (P & { readonly neighbours: readonly ImageNeighbour[] })[] = []
  const load = async (indices: Uint32Array | readonly number[]) => {
    const asked = Array.from(indices, index => images[index]!)
    return Buffer.concat(await decodeImages(asked, ({ path }) => decodeImage(path, size)))
  }
  for await (const { indices, outputs } of network.batches({ length: images.length, load })) {
    collector.add(indices, outputs, layers)
    const row = (name: string, place: number, length: number): Float32Array =>
      floatsOf(outputs, name).subarray(place * length, (place + 1) * length)
    for (const [place, index] of indices.entries()) {
      const logits = row('logits', place, classes.length)
      if (!logits.every(Number.isFinite)) refuseNotFinite(images[index]!.path)
      const routes = layers.map(({ name, experts }) =>
        Uint8Array.from(row(`${name}.weights`, place, experts), weight => Number(weight > 0)),
      )
      const near =
        training && nearest({ features: row('features', place, channels), routes }, training, neighbours)
      const neighbouring = trained && near ? await described(near, trained.train, index < mostPictures) : []
      predictions.push({ ...read(logits), neighbours: neighbouring })
      onProgress('predicting', index + 1, images.length)
    }
  }
  return {
    images: predictions.map(prediction => ({ input: { width: size, height: size }, prediction })),
    routing: collector.routing,
  }
}

/** The training images of a prediction, as a terminal and a page show them. */
export function neighbourFigures(neighbours: readonly ImageNeighbour[]): Figure[] {
  if (neighbours.length === 0) return []
  const others = neighbours.filter(({ sameRoute }) => !sameRoute).length
  return [
    {
      kind: 'images',
      title: 'Training images most like it',
      note: others === 0 ? null : `too few have the same experts: the last ${others} have others`,
      images: neighbours.map(({ image: number, name, similarity, sameRoute, png }) => ({
        name,
        alt: `training image ${number}`,
        detail: `${similarity.toFixed(2)}${sameRoute ? '' : ', other experts'}`,
        png,
      })),
    },
  ]
}

function refuseNotFinite(path: string): never {
  return fail({
    kind: 'diverged',
    message: 'what the network computes is not finite',
    where: path,
    help: 'train again with a lower optimizer.learningRate, or with training.clipNorm',
  })
}
