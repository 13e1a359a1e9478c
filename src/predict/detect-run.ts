import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { resolveConfig } from '../config/config.ts'
import type { Box } from '../data/coco/record.ts'
import type { Detection } from '../data/coco/results.ts'
import { canvasRule } from '../data/detection/canvas.ts'
import type { Json } from '../files/json.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import { readConfig } from '../run/run-folder.ts'
import { remembered } from '../tasks/data-identity.ts'
import { type DetectorModelConfig, isDetector } from '../tasks/detection/detector-of.ts'
import { DetectorEvaluator } from '../tasks/detection/evaluate-detector.ts'
import type { DetectorRecords, FoundObject } from '../tasks/detection/records.ts'
import { engineOf, newestCheckpoint } from '../tasks/open-run.ts'
import { weightsAt } from '../tasks/routing.ts'
import { imageFiles } from './image-files.ts'
import { asDataset, type GivenImage, givenImages, type KnownData } from './looked-at.ts'

/** Which run looks for objects in which images. */
export interface DetectOptions {
  /** The run's folder; its newest checkpoint looks. */
  readonly run: string
  /** JPEG, PNG or WebP files, and folders of them. */
  readonly images: readonly string[]
  /** Objects with a score above this are told; 0.3 when not given. */
  readonly score?: number
  /** Threads of the engine, instead of as many as in training. */
  readonly threads?: number
  /** Told how it comes along, and of images that are stored turned. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal
}

/** An object that was found in an image. */
export interface Sighting {
  /** Its class, from 0, by name, and by its id in annotation files. */
  readonly class: number
  readonly name: string
  readonly categoryId: number
  readonly score: number
  /** x, y, width, height in pixels of the image as it is stored. */
  readonly box: Box
  /** The level of the pyramid that it was found on: 3 to 7. */
  readonly level: number
  /** By layer, in the order of `Sightings.layers`: the experts that computed that level of the image, most weight first. */
  readonly experts: readonly (readonly { readonly expert: number; readonly weight: number }[])[]
}

/** An image and what was found in it. */
export interface SeenImage extends GivenImage {
  /** By falling score. */
  readonly objects: readonly Sighting[]
}

/** What a run has found in images. */
export interface Sightings {
  readonly run: string
  readonly step: number
  /** Scores of what is told are above this. */
  readonly score: number
  /** The mixtures of experts, in order. */
  readonly layers: readonly { readonly name: string; readonly experts: number }[]
  readonly images: readonly SeenImage[]
  /** Everything above the run's own threshold, for COCO's evaluation, to which doubtful detections count too. */
  readonly results: readonly Detection[]
}

/**
 * Finds objects in images as the run's evaluation does: the same resizing, canvas and non-maximum suppression.
 *
 * @throws MoietyError `data` that names every file that is no image, before anything is computed, a folder without images,
 *   or an image that turns out to be damaged; `usage` for a folder that is no run, or no detector's; `disk` for a damaged
 *   checkpoint; `diverged` where what the network computes is not finite
 */
export async function detectRun(options: DetectOptions): Promise<Sightings> {
  const { run, score = 0.3 } = options
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const config = resolveConfig(readConfig(run), run)
  const { model, data } = config
  if (!isDetector(model)) return refuseClassifier(run)
  const checkpoint = newestCheckpoint(run)
  const known = knownData(checkpoint.extra, run)
  const images = await givenImages(imageFiles(options.images))
  warnOfTurned(images, onEvent)
  const dataset = asDataset(images, known, canvasRule(data.size, data.shortest))
  const engine = await engineOf({ config, checkpoint }, options.threads)
  try {
    const evaluator = new DetectorEvaluator([engine], lowered(model, score), dataset)
    const records = await evaluator.evaluate({
      split: dataset.test,
      batch: Math.min(config.training.batch, images.length),
      onProgress: (done, total) => onEvent({ kind: 'progress', what: 'looking at images', done, total }),
    })
    const { found, routing } = records!
    const own = model.detector.detections.score
    return {
      run: basename(resolve(run)),
      step: checkpoint.step,
      score,
      layers: routing.map(({ name, experts }) => ({ name, experts })),
      images: seen(images, known, records!, score),
      results: found
        .filter(one => one.score > own)
        .map(({ imageId, categoryId, box, score: sure }) => ({ imageId, categoryId, box, score: sure })),
    }
  } finally {
    await engine.stop()
  }
}

/** A detector that tells all that is asked for; suppression goes from the best down, so what it told before stays. */
function lowered(model: DetectorModelConfig, score: number): DetectorModelConfig {
  const { detector } = model
  const { detections } = detector
  const least = Math.min(detections.score, score)
  return { ...model, detector: { ...detector, detections: { ...detections, score: least } } }
}

function seen(
  images: readonly GivenImage[],
  { classes }: KnownData,
  { found, routing }: DetectorRecords,
  score: number,
): SeenImage[] {
  const objects = images.map((): FoundObject[] => [])
  for (const one of found) if (one.score > score) objects[one.image]!.push(one)
  return images.map((image, i) => ({
    ...image,
    objects: objects[i]!.toSorted((a, b) => b.score - a.score).map(
      ({ label, categoryId, score: sure, box, level }) => ({
        class: label,
        name: classes[label]!,
        categoryId,
        score: sure,
        box,
        level: level + finestLevel,
        experts: routing.map(layer => expertsOf(weightsAt(layer, i, level))),
      }),
    ),
  }))
}

/** Level 0 is P3. */
const finestLevel = 3

function expertsOf(weights: Float32Array): { readonly expert: number; readonly weight: number }[] {
  return Array.from(weights, (weight, expert) => ({ expert, weight }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.expert - b.expert)
}

function knownData(extra: Json, run: string): KnownData {
  const known = remembered(extra)
  if (known?.detection && known.mean !== null && known.std !== null) {
    const { classes, mean, std, detection } = known
    return { classes, mean, std, ...detection }
  }
  return fail({
    kind: 'disk',
    message: 'the checkpoint of a detector does not say which classes it finds',
    where: run,
    help: 'it was changed or is of another run; put that right',
  })
}

function refuseClassifier(run: string): never {
  return fail({
    kind: 'usage',
    message: 'the run is a classifier: it finds no boxes',
    where: run,
    help: 'give the run of a detector',
  })
}

function warnOfTurned(images: readonly GivenImage[], onEvent: (event: TrainEvent) => void): void {
  const turned = images.filter(image => image.turned)
  if (turned.length === 0) return
  onEvent({
    kind: 'warning',
    message: `${turned.length === 1 ? 'an image is' : `${turned.length} images are`} stored turned or mirrored, first ${turned[0]!.path}: detectors see images as they are stored, so turn such photographs upright before`,
  })
}
