import { fail, MoietyError } from '../base/errors.ts'
import { type Config, resolveConfig, withoutSafeKeys } from '../config/config.ts'
import { openDataset, type PerChannel } from '../data/index.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import { type Measures, progressEvent, type TrainEvent } from '../run/events.ts'
import { metricsPath, readMetrics } from '../run/metrics-log.ts'
import { configHash, readConfig, readEnvironment } from '../run/run-folder.ts'
import { type CheckpointChoice, type ChosenCheckpoint, chosenCheckpoint } from '../tasks/choose-checkpoint.ts'
import { refuseOtherClasses, remembered } from '../tasks/data-identity.ts'
import { isDetector } from '../tasks/detection/detector-of.ts'
import { taskMeasures } from '../tasks/task-measures.ts'
import { type Captions, readCaptions } from './read-captions.ts'

/** Mean and standard deviation of pixel/255, for red, green and blue. */
export interface Normalisation {
  readonly mean: PerChannel
  readonly std: PerChannel
}

/** Facts about the images that a run was trained on. */
export interface DataFacts {
  /** Names of the classes, by label. */
  readonly classes: readonly string[]
  /** Names of the superclasses and, by label, the superclass of each class; undefined where there are none. */
  readonly superclasses: readonly string[] | undefined
  readonly superclassOf: readonly number[] | undefined
  /** Height and width of a square image, in pixels. */
  readonly size: number
  /** Undefined if neither the checkpoint nor the data has it. */
  readonly normalisation: Normalisation | undefined
  /** Of a detector: the classes' ids in files, by label, and what COCO's size limits are multiplied by. */
  readonly detection?: { readonly categoryIds: readonly number[]; readonly sizeFactor: number } | undefined
}

/** The facts of a run. */
export interface RunFacts {
  readonly config: Config
  readonly checkpoint: ChosenCheckpoint
  readonly recipe: string
  readonly data: DataFacts
  /** Of this checkpoint on held-out images, from 0 to 1; undefined where it was not tested. */
  readonly accuracy: { readonly top1: number; readonly top5: number } | undefined
  /** COCO's twelve numbers of this checkpoint on held-out images; undefined of a classifier, and where it was not tested. */
  readonly cocoMetrics: Readonly<Record<string, number | null>> | undefined
  /** The measures of other tasks, of this checkpoint on held-out images. */
  readonly measures: Measures | undefined
  readonly captions: Captions
}

/**
 * Reads the facts of a run, without opening its data if its checkpoint records enough.
 *
 * @param onEvent - called with warnings and progress
 * @throws MoietyError `usage` for a folder that is no run, or a run without a checkpoint; `disk` for a damaged one; `data`
 *   where the names of the classes are unknown
 */
export async function readRun(
  run: string,
  onEvent: (event: TrainEvent) => void,
  choice: CheckpointChoice = {},
): Promise<RunFacts> {
  const config = resolveConfig(readConfig(run), run)
  const checkpoint = chosenCheckpoint(run, choice)
  const warn = (message: string): void => onEvent({ kind: 'warning', message })
  if (configHash(withoutSafeKeys(config)) !== checkpoint.config)
    warn(`the configuration of ${run} is not the one that its checkpoint was trained with`)
  return {
    config,
    checkpoint,
    recipe: readEnvironment(run)?.recipe ?? 'not known',
    data: await dataFacts(config, checkpoint, onEvent),
    ...measured(run, checkpoint.step),
    captions: readCaptions(run, checkpoint.identity, warn),
  }
}

/** The checkpoint records all of it, unless an earlier version wrote it: then the data is opened, if available. */
async function dataFacts(
  config: Config,
  { extra }: Checkpoint,
  onEvent: (event: TrainEvent) => void,
): Promise<DataFacts> {
  const known = remembered(extra)
  if (isDetector(config.model) && (known === undefined || known.detection === null)) {
    fail({
      kind: 'disk',
      message: 'the checkpoint of a detector does not record the ids of its classes',
      where: 'state.json of the newest checkpoint',
      help: 'it was changed or belongs to another run; restore it',
    })
  }
  if (known !== undefined && known.mean !== null && known.std !== null) {
    const { classes, mean, std } = known
    const superclasses = known.superclasses ?? undefined
    const superclassOf = known.superclassOf ?? undefined
    const detection = known.detection ?? undefined
    const size = known.size ?? config.data.size
    return { size, classes, superclasses, superclassOf, normalisation: { mean, std }, detection }
  }
  try {
    const dataset = await openDataset(config.data, progress => onEvent(progressEvent(progress)))
    refuseOtherClasses(extra, dataset)
    const { size, classes, superclasses, superclassOf, mean, std } = dataset
    return { size, classes, superclasses, superclassOf, normalisation: { mean, std } }
  } catch (cause) {
    if (known === undefined || !(cause instanceof MoietyError)) throw cause
    onEvent({
      kind: 'warning',
      message: `superclasses and normalisation are not known: the checkpoint, of an earlier version, does not record them, and the data cannot be opened (${cause.message})`,
    })
    return {
      size: config.data.size,
      classes: known.classes,
      superclasses: undefined,
      superclassOf: undefined,
      normalisation: undefined,
    }
  }
}

/** The log lines of the checkpoint's own step; later lines are of a training that continued. */
function measured(run: string, step: number): Pick<RunFacts, 'accuracy' | 'cocoMetrics' | 'measures'> {
  const nothing = { accuracy: undefined, cocoMetrics: undefined, measures: undefined }
  try {
    const line = readMetrics(metricsPath(run)).find(
      one => one.kind === 'epoch' && one.split !== 'train' && one.step === step,
    )
    const [top1, top5] = [line?.top1, line?.top5]
    if (typeof top1 === 'number' && typeof top5 === 'number') return { ...nothing, accuracy: { top1, top5 } }
    const numbersNamed = (isWanted: (name: string) => boolean) =>
      Object.entries(line ?? {}).flatMap(([name, value]) =>
        isWanted(name) && (typeof value === 'number' || value === null) ? [[name, value] as const] : [],
      )
    const coco = numbersNamed(isCocoMetric)
    if (coco.length > 0) return { ...nothing, cocoMetrics: Object.fromEntries(coco) }
    const others = numbersNamed(name => taskMeasures.some(one => one.name === name))
    return others.length === 0 ? nothing : { ...nothing, measures: Object.fromEntries(others) }
  } catch {
    // A missing or damaged log is ignored; the network does not depend on it.
    return nothing
  }
}

/** `AP`, `AP50`, `APs`, `AR100`, …: average precision and recall, COCO's names. */
function isCocoMetric(name: string): boolean {
  return /^A[PR][\dsml]*$/.test(name)
}
