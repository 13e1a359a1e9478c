import { ClassificationTask } from '../tasks/classification/classification-task.ts'
import {
  type ImageNeighbour,
  neighbourFigures,
  neighboursByDefault,
  predictImages,
} from './image-predictor.ts'
import { type Predicted, type Predictor, type PredictRequest, routingFigures } from './predictor.ts'

/** What a classifier predicts of an image. */
export interface ClassPrediction {
  /** The most probable first. */
  readonly classes: readonly { readonly class: number; readonly name: string; readonly probability: number }[]
  /** Training images that are most like it to the network, among those that the same experts computed. */
  readonly neighbours: readonly ImageNeighbour[]
}

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
    return [
      {
        kind: 'shares',
        heads: ['class', 'probability'],
        rows: classes.map(({ name, probability }) => ({ name, share: probability })),
      },
      ...routingFigures(image, layers),
      ...neighbourFigures(neighbours),
    ]
  },
}

async function predict(request: PredictRequest): Promise<Predicted<ClassPrediction>> {
  const { task, known, top = 5, neighbours = neighboursByDefault } = request
  const data = task instanceof ClassificationTask && neighbours > 0 ? task.data : undefined
  const predicted = await predictImages(request, {
    data: data && { ...data, labels: task!.identity.labels },
    nameOf: image => known.classes[data!.train.labels[image]!]!,
    read: logits => ({
      classes: byValue(softmaxOf(logits))
        .slice(0, top)
        .map(([label, probability]) => ({ class: label, name: known.classes[label]!, probability })),
    }),
  })
  return { settings: { top, neighbours }, ...predicted }
}

/** Probabilities of one image's logits. */
function softmaxOf(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const powers = Float64Array.from(logits, logit => Math.exp(logit - most))
  const total = powers.reduce((a, b) => a + b, 0)
  return powers.map(power => power / total)
}

/** Places and values, largest first, equal ones in order. */
function byValue(values: Float64Array): [place: number, value: number][] {
  return [...values.entries()].sort(([i, a], [j, b]) => b - a || i - j)
}
