import { fail, MoietyError } from '../base/errors.ts'
import { type Config, resolveConfig, withoutSafeKeys } from '../config/config.ts'
import { type Dataset, openDataset, type SplitName, splitNamed } from '../data/index.ts'
import { type Checkpoint, latestCheckpoint } from '../run/checkpoint.ts'
import type { TrainEvent } from '../run/events.ts'
import { configHash, readConfig } from '../run/run-folder.ts'
import { Engine } from '../runtime/index.ts'
import { type Normalisation, refuseOtherClasses, trainedNormalisation, usualSplit } from './data-identity.ts'

/** Which data set, in place of the one that a run was trained on. */
export interface DataChoice {
  readonly name: Config['data']['name']
  readonly directory: string | null
}

/** A run that has been trained, with its newest checkpoint and its data. */
export interface TrainedRun {
  /** The run's folder. */
  readonly run: string
  readonly config: Config
  readonly checkpoint: Checkpoint
  /** Its mean and standard deviation are those that the network was trained with, whatever images these are. */
  readonly dataset: Dataset
  /** The split to look at; it has an image. */
  readonly split: SplitName
}

export interface OpenOptions {
  /** Data with the same classes, instead of what the run was trained on. */
  readonly data?: DataChoice
  /** The split that must have an image; by default the one that the run was tested on while it trained. */
  readonly split?: SplitName | undefined
  /** Told how opening the data comes along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Data that is open already. */
  readonly dataset?: Dataset
  /** Looks at the configuration before anything slow is done; throws where it does not suit. */
  readonly check?: (config: Config) => void
}

/**
 * Opens a run in order to look at what it has learned.
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, or data with other classes; `data`,
 *   also for a split without images; `disk` for a damaged checkpoint
 */
export async function openTrainedRun(run: string, options: OpenOptions): Promise<TrainedRun> {
  const { onEvent = () => undefined } = options
  const config = resolveConfig(readConfig(run), run)
  options.check?.(config)
  const checkpoint = newestCheckpoint(run)
  const dataset = options.dataset ?? (await datasetOf(config, options.data, onEvent))
  const isOwn = options.data === undefined && options.dataset === undefined
  const split = options.split ?? usualSplit(isOwn ? checkpoint.extra : undefined, dataset)
  splitNamed(dataset, split)
  refuseOtherClasses(checkpoint.extra, dataset)
  const { mean, std } =
    trainedNormalisation(checkpoint.extra) ?? (isOwn ? dataset : await ownNormalisation(config, run, onEvent))
  return { run, config, checkpoint, dataset: { ...dataset, mean, std }, split }
}

/** Of the data that a run was trained on, for a checkpoint of an earlier version that does not say it. */
async function ownNormalisation(
  config: Config,
  run: string,
  onEvent: (event: TrainEvent) => void,
): Promise<Normalisation> {
  try {
    return await datasetOf(config, undefined, onEvent)
  } catch (cause) {
    if (!(cause instanceof MoietyError)) throw cause
    return fail({
      kind: 'data',
      message: `by which mean and standard deviation images are to be normalised is not known: the checkpoint, of an earlier version, does not say it, and the data that the run was trained on cannot be opened (${cause.message})`,
      where: run,
      help: 'put the training data back where data.directory of the run says',
      cause,
    })
  }
}

async function datasetOf(
  { data }: Config,
  choice: DataChoice | undefined,
  onEvent: (event: TrainEvent) => void,
): Promise<Dataset> {
  const dataset = await openDataset({ ...data, ...choice }, progress =>
    onEvent({ kind: 'progress', ...progress }),
  )
  if (dataset.skipped.length > 0) onEvent({ kind: 'skipped', files: dataset.skipped })
  for (const message of dataset.notices ?? []) onEvent({ kind: 'warning', message })
  return dataset
}

/**
 * The newest checkpoint of a run.
 *
 * @throws MoietyError `usage` where there is none yet; `disk` where it is damaged
 */
export function newestCheckpoint(run: string): Checkpoint {
  const { checkpoint } = latestCheckpoint(run, { fallback: false })
  if (checkpoint !== undefined) return checkpoint
  return fail({
    kind: 'usage',
    message: 'the run has no checkpoint yet',
    where: run,
    help: 'a training writes one after each epoch; wait for it, or resume the training',
  })
}

/** An engine as the run was trained with, or with as many threads as given, whose state is what the run has learned. */
export async function engineOf(
  { config, checkpoint }: Pick<TrainedRun, 'config' | 'checkpoint'>,
  threads = config.engine.threads,
): Promise<Engine> {
  const { device } = config.engine
  const engine = await Engine.start({ device, ...(threads === null ? {} : { threads }) })
  await engine.setState(checkpoint.state)
  return engine
}

/** Distinguishes this checkpoint from every other, see `Checkpoint.identity`. */
export function checkpointIdentity({ identity }: Pick<Checkpoint, 'identity'>): string {
  return identity
}

/** A hash that runs share which differ in nothing that decides their numbers but the seed. */
export function configurationIdentity(config: Config): string {
  const { seed: _, data, ...others } = config
  const { epochs } = config.training
  const { weights, weightsPart } = config.model
  // A resume may change these; runs that differ in them have reached different numbers.
  return configHash({
    ...withoutSafeKeys({ ...others, data: { ...data, directory: null } }),
    begun: { epochs, weights, weightsPart },
  })
}
