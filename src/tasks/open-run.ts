import { fail, MoietyError } from '../base/errors.ts'
import { type Config, resolveConfig, withoutSafeKeys } from '../config/config.ts'
import { type OnProgress, type SplitName, splitNamed } from '../data/index.ts'
import { holdsLabels } from '../data/tables/find-label-files.ts'
import type { Checkpoint } from '../run/checkpoint.ts'
import { progressEvent, type TrainEvent } from '../run/events.ts'
import type { Extension } from '../run/extensions.ts'
import { configHash, readConfig } from '../run/run-folder.ts'
import { type Device, Engine } from '../runtime/index.ts'
import { type CheckpointChoice, type ChosenCheckpoint, chosenCheckpoint } from './choose-checkpoint.ts'
import { type Normalisation, refuseOtherClasses, trainedNormalisation, usualSplit } from './data-identity.ts'
import { kindOfTask, openTask } from './kinds.ts'
import type { Task, TaskKind } from './task.ts'

/** Which data set, in place of the one that a run was trained on. */
export interface DataChoice {
  readonly name: Config['data']['name']
  readonly directory: string | null
  /** Of the images of each split; by default as many as the run's configuration says. */
  readonly limit?: Config['data']['limit'] | undefined
}

/** A run that has been trained, with a checkpoint, its task and its data. */
export interface OpenedRun {
  /** The run's folder. */
  readonly run: string
  /** Its data is normalised by the mean and standard deviation that the network was trained with, whatever images these are. */
  readonly task: Task
  readonly checkpoint: ChosenCheckpoint
  /** The split to evaluate; it has an image. */
  readonly split: SplitName
}

export interface OpenOptions extends CheckpointChoice {
  /** The run's task, where its configuration does not describe it. */
  readonly task?: Task | undefined
  /** Data with the same classes, instead of what the run was trained on. */
  readonly data?: DataChoice | undefined
  /** The split that must have an image; by default the one that the run was tested on while it trained. */
  readonly split?: SplitName | undefined
  /** Reports how opening the data comes along, and which images were left out. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined
  /** Checks the configuration before anything slow is done; throws where it does not suit. */
  readonly check?: ((config: Config) => void) | undefined
}

/**
 * Opens a run in order to evaluate what it has learned.
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, or data with other classes; `data`,
 *   also for a split without images; `disk` for a damaged checkpoint
 */
export async function openTrainedRun(run: string, options: OpenOptions = {}): Promise<OpenedRun> {
  const { onEvent = () => undefined, data } = options
  const config = resolveConfig(readConfig(run), run)
  options.check?.(config)
  const checkpoint = chosenCheckpoint(run, { checkpoint: options.checkpoint, weights: options.weights })
  const onProgress: OnProgress = progress => onEvent(progressEvent(progress))
  const normalisation =
    trainedNormalisation(checkpoint.extra) ??
    (data === undefined ? undefined : await ownNormalisation(config, run, onProgress))
  // The run's task, whatever data it is given: that refuses data of another task.
  const onData = { ...config, data: withChoice(config.data, data) }
  const task = options.task ?? (await kindOfTask(config).open(onData, { onProgress, normalisation }))
  for (const notice of task.notices) onEvent(notice)
  const split = options.split ?? usualSplit(data === undefined ? checkpoint.extra : undefined, task.data)
  splitNamed(task.data, split)
  refuseOtherClasses(checkpoint.extra, task.data)
  return { run, task, checkpoint, split }
}

/** Other data has its own annotations. */
function withChoice(own: Config['data'], given: DataChoice | undefined): Config['data'] {
  if (given === undefined) return own
  // A labels file in which each image happens to have one label is recognised as one of single labels.
  const isTable = given.name === 'folder' && given.directory !== null && holdsLabels(given.directory)
  const name = own.name === 'multi-label' && isTable ? own.name : given.name
  return { ...own, annotations: null, images: null, ...given, name, limit: given.limit ?? own.limit }
}

/** Of the data that a run was trained on, for a checkpoint of an earlier version that does not say it. */
async function ownNormalisation(config: Config, run: string, onProgress: OnProgress): Promise<Normalisation> {
  try {
    const { mean, std } = (await openTask(config, { onProgress })).data
    return { mean, std }
  } catch (cause) {
    if (!(cause instanceof MoietyError)) throw cause
    return fail({
      kind: 'data',
      message: `the mean and standard deviation by which images are to be normalised are not known: the checkpoint, of an earlier version, does not have them, and the data that the run was trained on cannot be opened (${cause.message})`,
      where: run,
      help: 'put the training data back where data.directory of the run says',
      cause,
    })
  }
}

/** The task of a run. @throws MoietyError `usage`, `disk` */
export function taskOfRun(run: string): TaskKind {
  return kindOfTask(resolveConfig(readConfig(run), run))
}

/** What computes, instead of what computed in training. */
export interface EngineChoice {
  readonly device?: Device | undefined
  readonly threads?: number | undefined
}

/** An engine as the run was trained with, or as chosen, whose state is what the run has learned. */
export async function engineOf(
  { config, checkpoint }: { readonly config: Config; readonly checkpoint: Checkpoint },
  choice: EngineChoice = {},
): Promise<Engine> {
  const { device = config.engine.device, threads = config.engine.threads } = choice
  const engine = await Engine.start({ device, ...(threads === null ? {} : { threads }) })
  await engine.setState(checkpoint.state)
  return engine
}

/** Distinguishes this checkpoint from every other, see `Checkpoint.identity`. */
export function checkpointIdentity({ identity }: Pick<Checkpoint, 'identity'>): string {
  return identity
}

/**
 * A hash that runs share which differ in nothing that decides their numbers but the seed.
 *
 * @param extensions - of the run: one that was extended had other learning rates than one of as many epochs from the beginning
 */
export function configurationIdentity(config: Config, extensions: readonly Extension[] = []): string {
  const { seed: _, data, ...others } = config
  const { epochs } = config.training
  const { weights, weightsEntry, weightsPart, copyNoise } = config.model
  // A resume may change these; runs that differ in them have reached different numbers.
  return configHash({
    ...withoutSafeKeys({ ...others, data: { ...data, directory: null } }),
    // Runs from before there was a choice of entries keep their hash.
    begun: {
      epochs,
      weights,
      weightsPart,
      ...(weightsEntry === null ? {} : { weightsEntry }),
      ...(copyNoise === 0 ? {} : { copyNoise }),
    },
    ...(extensions.length === 0 ? {} : { extensions }),
  })
}
