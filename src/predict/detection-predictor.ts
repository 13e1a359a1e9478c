import { basename, extname } from 'node:path'
import { fail } from '../base/errors.ts'
import type { ModelConfig } from '../config/config.ts'
import type { Box } from '../data/coco/record.ts'
import { type CanvasRule, canvasesOf, canvasRule, resizedSize } from '../data/detection/canvas.ts'
import type { DetectionDataset, DetectionSplit } from '../data/detection/detection-dataset.ts'
import { decodeStored } from '../data/image.ts'
import type { DetectorModelConfig } from '../tasks/detection/detector-of.ts'
import { DetectorEvaluator } from '../tasks/detection/evaluate-detector.ts'
import { decodeImages, type GivenImage } from './given-images.ts'
import type {
  ExpertWeight,
  Figure,
  Mark,
  Predicted,
  PredictedImage,
  PredictedLayer,
  Predictor,
  PredictRequest,
} from './predictor.ts'

/** An object that was found in an image. */
export interface PredictedObject {
  /** Its class, from 0, by name, and by its id in annotation files. */
  readonly class: number
  readonly name: string
  readonly categoryId: number
  readonly score: number
  /** x, y, width, height in pixels of the image as stored. */
  readonly box: Box
  /** The level of the pyramid that it was found on: 3 to 7. In layers with five inputs, that of P3 is the first. */
  readonly level: number
}

/** What a detector predicts of an image. */
export interface ObjectPrediction {
  /** In results files: its name where all images have numbers for names, otherwise counted from 1. */
  readonly id: number
  /** By falling score. */
  readonly objects: readonly PredictedObject[]
}

/** Boxes with classes, found as the run's evaluation finds them: the same resizing, canvas and non-maximum suppression. */
export const detectionPredictor: Predictor<ObjectPrediction> = {
  task: 'detection',
  options: ['score', 'coco'],
  orientation: 'stored',
  usesTrainingImages: () => false,
  predict,
  notes: ({ layers, images, settings }) => {
    const found = images.reduce((total, { prediction }) => total + prediction.objects.length, 0)
    const colouring = layers[colouringLayer(layers)]
    return [
      `${found} object${found === 1 ? '' : 's'} with a score above ${settings.score}.`,
      colouring === undefined
        ? 'This detector has no experts, so all boxes have one colour.'
        : `A box has the colour and the number of the expert of ${headName(colouring)} with the largest weight where it was found.`,
    ]
  },
  figures: (image, { layers, settings }) => [objectTable(image, layers, settings.score!)],
  marks: (image, { layers }) => {
    const layer = colouringLayer(layers)
    return image.prediction.objects.map(({ name, categoryId, score, box, level }): Mark => {
      const expert = layer === -1 ? undefined : expertsAt(image, layer, level)[0]?.expert
      const detail = `${score.toFixed(2)}${expert === undefined ? '' : ` · e${expert}`}`
      return { box, name, fallback: `#${categoryId}`, detail, expert }
    })
  },
}

async function predict(request: PredictRequest): Promise<Predicted<ObjectPrediction>> {
  const { config, engine, images, score = 0.3, coco = false, onProgress } = request
  const rule = canvasRule(config.data.size, config.data.shortest)
  const dataset = asDataset(images, request, rule)
  const model = withScoreThreshold(config.model, score)
  const { found, routing } = (await new DetectorEvaluator([engine], model, dataset).evaluate({
    split: dataset.test,
    batch: Math.min(config.training.batch, images.length),
    onProgress: (done, total) => onProgress('predicting', done, total),
  }))!
  const objects = images.map((): PredictedObject[] => [])
  for (const { image, label, categoryId, score: own, box, level } of found)
    if (own > score)
      objects[image]!.push({
        ...{ class: label, name: dataset.classes[label]!, categoryId, score: own, box },
        level: level + finestLevel,
      })
  const threshold = config.model.detector!.detections.score
  return {
    settings: { score },
    images: images.map(({ width, height }, i) => ({
      input: resizedSize(rule, width, height),
      prediction: {
        id: dataset.test.scenes[i]!.id,
        objects: objects[i]!.toSorted((a, b) => b.score - a.score),
      },
    })),
    routing,
    ...(coco ? { detections: found.filter(one => one.score > threshold) } : {}),
  }
}

/** Suppression goes from the best down, so that a lower threshold keeps what was found above the former one. */
function withScoreThreshold(model: ModelConfig, score: number): DetectorModelConfig {
  const detector = model.detector!
  const { detections } = detector
  const least = Math.min(detections.score, score)
  return { ...model, detector: { ...detector, detections: { ...detections, score: least } } }
}

/** The images as a data set without objects, whose batches are made as those that the run was trained on. */
function asDataset(
  images: readonly GivenImage[],
  { run, known }: PredictRequest,
  rule: CanvasRule,
): DetectionDataset {
  const { classes, mean, std, detection } = known
  if (detection === null)
    return fail({
      kind: 'disk',
      message: 'the checkpoint of a detector does not say which classes it finds',
      where: run,
      help: 'it was changed or is of another run; put that right',
    })
  const ids = imageIds(images)
  const split: DetectionSplit = {
    length: images.length,
    scenes: images.map(({ path, width, height }, i) => ({
      ...{ id: ids[i]!, name: basename(path), width, height, objects: [] },
    })),
    load: async indices =>
      await decodeImages(
        Array.from(indices, index => images[index]!),
        async image => {
          const size = resizedSize(rule, image.width, image.height)
          return { pixels: await decodeStored(image.path, image, size), ...size }
        },
      ),
  }
  return {
    ...{ name: 'coco', title: `${images.length} images`, classes, mean, std, ...detection },
    ...{ superclasses: undefined, superclassOf: undefined, skipped: [] },
    canvases: canvasesOf(rule),
    train: split,
    test: split,
  }
}

/**
 * Ids for images in a results file of COCO's format. Where every file's name is a number (`000000000139.jpg`) and no two
 * are the same, it is that number, as COCO names its images; otherwise images are counted from 1 in the order given.
 */
function imageIds(images: readonly GivenImage[]): number[] {
  const numbers = images.map(({ path }) => {
    const name = basename(path, extname(path))
    return /^\d+$/.test(name) ? Number(name) : Number.NaN
  })
  const own = numbers.every(Number.isSafeInteger) && new Set(numbers).size === numbers.length
  return own ? numbers : images.map((_, i) => i + 1)
}

/** Level 0 is P3. */
const finestLevel = 3

/** The experts that computed a level of an image, most weight first. */
function expertsAt(
  { routing }: PredictedImage<ObjectPrediction>,
  layer: number,
  level: number,
): readonly ExpertWeight[] {
  const inputs = routing[layer]!
  return inputs[inputs.length === 1 ? 0 : level - finestLevel]!.experts
}

/**
 * The place, among the layers, of the mixture whose experts give boxes their colours: the classification head's, the only
 * head's that is one, or that of both; otherwise the last one of the backbone. −1 where there is none.
 */
function colouringLayer(layers: readonly PredictedLayer[]): number {
  const head = layers.findIndex(({ name }) => name.startsWith('head'))
  return head === -1 ? layers.length - 1 : head
}

function objectTable(
  image: PredictedImage<ObjectPrediction>,
  layers: readonly PredictedLayer[],
  score: number,
): Figure {
  const { objects } = image.prediction
  if (objects.length === 0) return { kind: 'text', text: `nothing with a score above ${score}` }
  return {
    kind: 'table',
    caption: 'Objects, in pixels of the image',
    heads: ['class', 'score', 'x', 'y', 'width', 'height', 'level', ...layers.map(headName)],
    rows: objects.map(one => [
      one.name,
      one.score.toFixed(2),
      ...one.box.map(side => side.toFixed(0)),
      `P${one.level}`,
      ...layers.map((_, layer) => expertsAt(image, layer, one.level)),
    ]),
  }
}

/** `classification` of `head.classification_head`. */
function headName({ name }: PredictedLayer): string {
  return name.replace(/^head\./, '').replace(/_head(\..*)?$/, '')
}
