import { heldOutSplit } from '../data/index.ts'
import { MultiLabelTask } from '../tasks/multi-label/multi-label-task.ts'
import {
  type ImageNeighbour,
  neighbourFigures,
  neighboursByDefault,
  predictImages,
} from './image-predictor.ts'
import { type Predicted, type Predictor, type PredictRequest, routingFigures } from './predictor.ts'

/** A class that an image is said to show. */
export interface PredictedLabel {
  readonly class: number
  readonly name: string
  readonly probability: number
  /** That the probability reaches. */
  readonly threshold: number
}

/** What a multi-label network predicts of an image. */
export interface LabelPrediction {
  /** Those with a probability of at least their thresholds, the most probable first. */
  readonly labels: readonly PredictedLabel[]
  /** The most probable class that does not reach its threshold; null where every class does. */
  readonly next: PredictedLabel | null
  /** Training images that are most like it to the network, among those that the same experts computed. */
  readonly neighbours: readonly ImageNeighbour[]
}

/** Labels at the thresholds that an evaluation chooses, experts, and the training images that are most like an image. */
export const multiLabelPredictor: Predictor<LabelPrediction> = {
  task: 'multi-label',
  options: ['score', 'neighbours', 'data'],
  orientation: 'upright',
  usesTrainingImages: ({ neighbours = neighboursByDefault, score }) => neighbours > 0 || score === undefined,
  predict,
  notes: ({ settings }) => [
    settings.score === undefined
      ? 'A label is given where its probability reaches its class’s threshold, the one with the highest F1 on held-out images.'
      : `A label is given where its probability is at least ${settings.score}.`,
  ],
  figures: (image, { layers }) => {
    const { labels, next, neighbours } = image.prediction
    return [
      labels.length === 0
        ? { kind: 'text', text: `no label${next === null ? '' : `; nearest: ${describe(next)}`}` }
        : {
            kind: 'shares',
            heads: ['label', 'probability'],
            rows: labels.map(({ name, probability }) => ({ name, share: probability })),
          },
      ...routingFigures(image, layers),
      ...neighbourFigures(neighbours),
    ]
  },
}

function describe({ name, probability, threshold }: PredictedLabel): string {
  return `${name} with ${probability.toFixed(3)}, below its threshold ${threshold.toFixed(3)}`
}

async function predict(request: PredictRequest): Promise<Predicted<LabelPrediction>> {
  const { task, known, score, neighbours = neighboursByDefault } = request
  const { classes } = known
  const own = task instanceof MultiLabelTask ? task : undefined
  const thresholds =
    score === undefined && own !== undefined ? await thresholdsOf(own, request) : classes.map(() => score!)
  const data = neighbours > 0 ? own?.data : undefined
  const predicted = await predictImages(request, {
    data: data && { ...data, labels: own!.identity.labels },
    nameOf: image => {
      const shown = classes.filter((_, label) => data!.train.targets[image * classes.length + label] === 1)
      return shown.length === 0 ? 'no label' : shown.join(' + ')
    },
    read: logits => {
      const all = Array.from(
        logits,
        (logit, label): PredictedLabel => ({
          class: label,
          name: classes[label]!,
          // In float64, as thresholds are compared in an evaluation.
          probability: 1 / (1 + Math.exp(-logit)),
          threshold: thresholds[label]!,
        }),
      ).sort((a, b) => b.probability - a.probability || a.class - b.class)
      const isFound = ({ probability, threshold }: PredictedLabel): boolean => probability >= threshold
      return { labels: all.filter(isFound), next: all.find(one => !isFound(one)) ?? null }
    },
  })
  return { settings: { ...(score === undefined ? {} : { score }), neighbours }, ...predicted }
}

/** The thresholds that an evaluation of held-out images chooses. @throws MoietyError `diverged`, `data` */
async function thresholdsOf(task: MultiLabelTask, { engine, onProgress }: PredictRequest): Promise<number[]> {
  const evaluation = task.evaluation([engine])
  const result = (await evaluation.run(heldOutSplit(task.data), {
    onProgress: (done, total) => onProgress('choosing thresholds', done, total),
  }))!
  await evaluation.release()
  return result.classes.map(({ threshold }) => threshold)
}
