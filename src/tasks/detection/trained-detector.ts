import { fail } from '../../base/errors.ts'
import { type Config, resolveConfig } from '../../config/config.ts'
import { type DetectionDataset, openDetectionDataset } from '../../data/detection/index.ts'
import { type SplitName, splitNamed } from '../../data/index.ts'
import type { Checkpoint } from '../../run/checkpoint.ts'
import type { TrainEvent } from '../../run/events.ts'
import { readConfig } from '../../run/run-folder.ts'
import { refuseOtherClasses, trainedNormalisation, usualSplit } from '../data-identity.ts'
import { type DataChoice, newestCheckpoint } from '../open-run.ts'
import { type DetectorModelConfig, isDetector } from './detector-of.ts'

/** A detector that has been trained, with its newest checkpoint and its data. */
export interface TrainedDetector {
  /** The run's folder. */
  readonly run: string
  readonly config: Config & { readonly model: DetectorModelConfig }
  readonly checkpoint: Checkpoint
  readonly dataset: DetectionDataset
  /** The split to look at; it has an image. */
  readonly split: SplitName
}

export interface OpenDetectorOptions {
  /** Images with boxes of the same classes, instead of what the run was trained on. */
  readonly data?: DataChoice
  /** The split that must have an image; by default the one that the run was tested on while it trained. */
  readonly split?: SplitName | undefined
  /** Told how opening the data comes along, and what was left out or changed. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Looks at the configuration before anything slow is done; throws where it does not suit. */
  readonly check?: (config: Config) => void
}

/** Whether a run's model is a detector. @throws MoietyError `usage` for a folder that is no run */
export function isDetectorRun(run: string): boolean {
  return isDetector(resolveConfig(readConfig(run), run).model)
}

/**
 * Opens a detector's run in order to look at what it has learned.
 *
 * @throws MoietyError `usage` for a folder that is no run or the run of a classifier, a run without a checkpoint, or data
 *   without boxes or with other classes; `data`, also for a split without images; `disk` for a damaged checkpoint
 */
export async function openTrainedDetector(
  run: string,
  { data, split: wanted, onEvent = () => undefined, check }: OpenDetectorOptions,
): Promise<TrainedDetector> {
  const config = resolveConfig(readConfig(run), run)
  const { model } = config
  if (!isDetector(model))
    return fail({
      kind: 'usage',
      message: 'expected the run of a detector, got that of a classifier',
      where: run,
      help: 'its model.detector is null',
    })
  check?.(config)
  const checkpoint = newestCheckpoint(run)
  const { name, ...others } = { ...config.data, ...data }
  const dataset = await openDetectionDataset({ ...others, name: withBoxes(name) }, progress =>
    onEvent({ kind: 'progress', ...progress }),
  )
  for (const { path, reason } of dataset.skipped) onEvent({ kind: 'warning', message: `${path}: ${reason}` })
  for (const message of dataset.notices ?? []) onEvent({ kind: 'warning', message })
  const split = wanted ?? usualSplit(data === undefined ? checkpoint.extra : undefined, dataset)
  splitNamed(dataset, split)
  refuseOtherClasses(checkpoint.extra, dataset)
  const { mean, std } =
    trainedNormalisation(checkpoint.extra) ?? (data === undefined ? dataset : refuseUnknownNormalisation(run))
  return { run, config: { ...config, model }, checkpoint, dataset: { ...dataset, mean, std }, split }
}

function refuseUnknownNormalisation(run: string): never {
  return fail({
    kind: 'disk',
    message:
      'the checkpoint of a detector does not say by which mean and standard deviation its images are normalised',
    where: run,
    help: 'it was changed or is of another run; put that right',
  })
}

function withBoxes(name: Config['data']['name']): DetectionDataset['name'] {
  if (name === 'scenes' || name === 'coco') return name
  return fail({
    kind: 'usage',
    message: `a detector looks for objects in boxes, and ${name} has none`,
    where: '--data',
    help: 'take scenes, or a folder in the layout of COCO',
  })
}
