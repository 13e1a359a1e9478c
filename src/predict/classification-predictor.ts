import { fail } from '../base/errors.ts'
import { dataUri } from '../data/image-uri.ts'
import { type Dataset, decodeImage } from '../data/index.ts'
import { floatsOf } from '../runtime/outputs.ts'
import { ClassificationTask } from '../tasks/classification/classification-task.ts'
import { checkpointIdentity } from '../tasks/open-run.ts'
import { RoutingCollector } from '../tasks/routing.ts'
import { FeatureNetwork, trainingFeatures } from './features.ts'
import { decodeImages } from './given-images.ts'
import { type Neighbour, nearest } from './neighbours.ts'
import {
  mostPictures,
  type Predicted,
  type Predictor,
  type PredictRequest,
  routingFigures,
} from './predictor.ts'

/** What a classifier predicts of an image. */
export interface ClassPrediction {
  /** The most probable first. */
  readonly classes: readonly { readonly class: number; readonly name: string; readonly probability: number }[]
  /** Training images that are most like it to the network, among those that the same experts computed. */
  readonly neighbours: readonly {
    /** Number within the training split. */
    readonly image: number
    readonly name: string
    /** Cosine of the angle between the features. */
    readonly similarity: number
    /** Whether the same experts computed it in every layer. */
    readonly sameRoute: boolean
    /** A data URI; null for images after the first hundred. */
    readonly png: string | null
  }[]
}

const neighboursByDefault = 8

/** Classes, experts, and the training images that are most like an image. */
export const classificationPredictor: Predictor<ClassPrediction> = {
  task: 'classification',
  options: ['top', 'neighbours', 'data'],
  orientation: 'upright',
  usesTrainingImages: ({ neighbours = neighboursByDefault }) => neighbours > 0,
  predict,
  notes: () => [],
  figures: (image, { layers }) => {
    const { classes, neighbours } = image.prediction
    const others = neighbours.filter(({ sameRoute }) => !sameRoute).length
    return [
      {
        kind: 'shares',
        heads: ['class', 'probability'],
        rows: classes.map(({ name, probability }) => ({ name, share: probability })),
      },
      ...routingFigures(image, layers),
      ...(neighbours.length === 0
        ? []
        : [
            {
              kind: 'images' as const,
              title: 'Training images most like it',
              note: others === 0 ? null : `too few have the same experts: the last ${others} have others`,
              images: neighbours.map(({ image: number, name, similarity, sameRoute, png }) => ({
                name,
                alt: `training image ${number}`,
                detail: `${similarity.toFixed(2)}${sameRoute ? '' : ', other experts'}`,
                png,
              })),
            },
          ]),
    ]
  },
}

async function predict(request: PredictRequest): Promise<Predicted<ClassPrediction>> {
  const { run, config, checkpoint, engine, known, task, images, onProgress } = request
  const { top = 5, neighbours = neighboursByDefault, data } = request
  const { classes, mean, std } = known
  const dataset = task instanceof ClassificationTask && neighbours > 0 ? task.data : undefined
  const { size } = dataset ?? config.data
  const { batch } = config.training
  const network = await FeatureNetwork.load(engine, {
    ...{ model: config.model, classes: classes.length, size, mean, std, batch },
  })
  const { layers, channels } = network
  const cache = data === undefined ? { run, checkpoint: checkpointIdentity(checkpoint) } : undefined
  const training =
    dataset &&
    (await trainingFeatures(network, dataset, cache, (done, total) =>
      onProgress('looking at the training images', done, total),
    ))
  const collector = new RoutingCollector(images.length)
  const predictions: ClassPrediction[] = []
  const load = async (indices: Uint32Array | readonly number[]) => {
    const asked = Array.from(indices, index => images[index]!)
    return Buffer.concat(await decodeImages(asked, ({ path }) => decodeImage(path, size)))
  }
  for await (const { indices, outputs } of network.batches({ length: images.length, load })) {
    collector.add(indices, outputs, layers)
    const row = (name: string, place: number, length: number): Float32Array =>
      floatsOf(outputs, name).subarray(place * length, (place + 1) * length)
    for (const [place, index] of indices.entries()) {
      const probabilities = row('probabilities', place, classes.length)
      if (!probabilities.every(Number.isFinite)) refuseNotFinite(images[index]!.path)
      const routes = layers.map(({ name, experts }) =>
        Uint8Array.from(row(`${name}.weights`, place, experts), weight => Number(weight > 0)),
      )
      const near =
        training && nearest({ features: row('features', place, channels), routes }, training, neighbours)
      predictions.push({
        classes: byValue(probabilities)
          .slice(0, top)
          .map(([label, probability]) => ({ class: label, name: classes[label]!, probability })),
        neighbours:
          dataset && near ? await described(near, dataset, layers.length, index < mostPictures) : [],
      })
      onProgress('predicting', index + 1, images.length)
    }
  }
  return {
    settings: { top, neighbours },
    images: predictions.map(prediction => ({ input: { width: size, height: size }, prediction })),
    routing: collector.routing,
  }
}

async function described(
  near: readonly Neighbour[],
  { classes, size, train }: Dataset,
  layers: number,
  withPictures: boolean,
): Promise<ClassPrediction['neighbours']> {
  return await Promise.all(
    near.map(async ({ image, similarity, sharedLayers }) => ({
      image,
      name: classes[train.labels[image]!]!,
      similarity,
      sameRoute: sharedLayers === layers,
      png: withPictures ? await dataUri(await train.load([image]), size) : null,
    })),
  )
}

function refuseNotFinite(path: string): never {
  return fail({
    kind: 'diverged',
    message: 'what the network computes is not finite',
    where: path,
    help: 'train again with a lower optimizer.learningRate, or with training.clipNorm',
  })
}

/** Places and values, largest first, equal ones in order. */
function byValue(values: Float32Array): [place: number, value: number][] {
  return [...values.entries()].sort(([i, a], [j, b]) => b - a || i - j)
}
