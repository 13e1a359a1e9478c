import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { type Config, resolveConfig } from '../config/config.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import { readConfig } from '../run/run-folder.ts'
import type { Device } from '../runtime/index.ts'
import { type CheckpointChoice, chosenCheckpoint } from '../tasks/choose-checkpoint.ts'
import { remembered, trainedNormalisation } from '../tasks/data-identity.ts'
import { kindOfTask } from '../tasks/kinds.ts'
import { type DataChoice, engineOf, openTrainedRun } from '../tasks/open-run.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import { checkedImages, type GivenImage, type SkippedImage } from './given-images.ts'
import { imageFiles } from './image-paths.ts'
import type { InputRouting, PredictedImage, Predictions, Predictor, TaskOptions } from './predictor.ts'
import { type Prediction, predictorOf } from './predictors.ts'

/** Which run predicts what for which images. */
export interface PredictOptions extends TaskOptions, CheckpointChoice {
  /** The run's folder. */
  readonly run: string
  /** Image files, folders of them, and patterns such as `photos/**`. */
  readonly images: readonly string[]
  /** Whether files that cannot be read end the prediction, the default, or are left out. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** Threads of the engine, instead of as many as in training. */
  readonly threads?: number | undefined
  /** Device of the engine, instead of that of the training. */
  readonly device?: Device | undefined
  /** Reports how everything comes along, and which training images were left out. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Predicts what images show, and reports which experts computed them. Images are decoded batch by batch.
 *
 * @throws MoietyError `data` that names every image that cannot be read, before anything is computed, or for a folder or pattern
 *   without images; `usage` for a folder that is no run, an option that the run's task does not have, or data with other classes; `disk`
 *   for a damaged checkpoint; `diverged` where what the network computes is not finite
 */
export async function predictRun(options: PredictOptions): Promise<Predictions<Prediction>> {
  const {
    run,
    images: paths,
    unreadable = 'stop',
    threads,
    device,
    signal,
    onEvent: listener,
    checkpoint,
    weights,
    ...taskOptions
  } = options
  const choice = { checkpoint, weights }
  const onEvent = stoppedBy(signal, listener)
  const onProgress = (what: string, done: number, total: number): void =>
    onEvent({ kind: 'progress', what, done, total })
  const config = resolveConfig(readConfig(run), run)
  const predictor = predictorOf(kindOfTask(config).name)
  refuseOptions(taskOptions, predictor)
  const { images, skipped } = await checkedImages(imageFiles(paths), unreadable, (done, total) =>
    onProgress('checking images', done, total),
  )
  warnOfSkipped(skipped, onEvent)
  if (predictor.orientation === 'stored') warnOfTurned(images, onEvent)
  const needsData = taskOptions.data !== undefined || predictor.usesTrainingImages(taskOptions)
  const opened =
    (needsData ? undefined : withoutData(run, config, choice)) ??
    (await withData(run, taskOptions.data, choice, onEvent))
  const engine = await engineOf(opened, { threads, device })
  try {
    const predicted = await predictor.predict({ run, ...opened, engine, images, ...taskOptions, onProgress })
    const { settings, routing, detections } = predicted
    return {
      run: basename(resolve(run)),
      task: predictor.task,
      step: opened.checkpoint.step,
      checkpoint: opened.checkpoint.description,
      settings,
      layers: routing.map(({ name, experts, inputs }) => ({ name, experts, inputs })),
      images: images.map(
        ({ path, width, height }, i): PredictedImage<Prediction> => ({
          ...{ path, width, height, ...predicted.images[i]! },
          routing: routing.map(layer => routingOf(layer, i)),
        }),
      ),
      skipped,
      ...(detections === undefined ? {} : { detections }),
    }
  } finally {
    await engine.stop()
  }
}

function refuseOptions(given: TaskOptions, { task, options }: Predictor<Prediction>): void {
  const names = ['top', 'neighbours', 'data', 'score', 'coco'] as const satisfies (keyof TaskOptions)[]
  const other = names.find(name => given[name] !== undefined && !options.includes(name))
  if (other === undefined) return
  fail({
    kind: 'usage',
    message: `${other} means nothing for a run of the task ${task}`,
    where: `option ${other}`,
    help: `leave it out; ${task} has ${options.join(', ')}`,
  })
}

/** A run without its data; undefined for a checkpoint of an earlier version, which does not say how images are normalised. */
function withoutData(run: string, config: Config, choice: CheckpointChoice) {
  const checkpoint = chosenCheckpoint(run, choice)
  const { extra } = checkpoint
  const [known, normalisation] = [remembered(extra), trainedNormalisation(extra)]
  if (known === undefined || normalisation === undefined) return undefined
  return { config, checkpoint, known: { ...known, ...normalisation }, task: undefined }
}

async function withData(
  run: string,
  data: DataChoice | undefined,
  choice: CheckpointChoice,
  onEvent: (event: TrainEvent) => void,
) {
  const { task, checkpoint } = await openTrainedRun(run, { split: 'train', onEvent, data, ...choice })
  const { mean, std } = task.data
  return { config: task.config, checkpoint, known: { ...task.identity, mean, std }, task }
}

function routingOf({ inputs, experts, weights, logits }: RoutedLayer, image: number): InputRouting[] {
  return Array.from({ length: inputs }, (_, input) => {
    const start = (image * inputs + input) * experts
    return {
      experts: Array.from(weights.subarray(start, start + experts), (weight, expert) => ({ expert, weight }))
        .filter(({ weight }) => weight > 0)
        .sort((a, b) => b.weight - a.weight || a.expert - b.expert),
      logits: Array.from(logits.subarray(start, start + experts)),
    }
  })
}

function warnOfSkipped(skipped: readonly SkippedImage[], onEvent: (event: TrainEvent) => void): void {
  if (skipped.length === 0) return
  const examples = skipped.slice(0, 3).map(({ path, reason }) => `${path} (${reason})`)
  const more = skipped.length - examples.length
  onEvent({
    kind: 'warning',
    message: `left out ${skipped.length === 1 ? 'a file' : `${skipped.length} files`} that cannot be read: ${examples.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
  })
}

function warnOfTurned(images: readonly GivenImage[], onEvent: (event: TrainEvent) => void): void {
  const turned = images.filter(image => image.turned)
  if (turned.length === 0) return
  onEvent({
    kind: 'warning',
    message: `${turned.length === 1 ? 'an image is' : `${turned.length} images are`} stored turned or mirrored, first ${turned[0]!.path}: detectors are given images as they are stored, so turn such photographs upright before`,
  })
}
