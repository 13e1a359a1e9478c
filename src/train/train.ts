import type { Callback } from '../config/callback.ts'
import type { Config } from '../config/config.ts'
import type { Progress } from '../data/index.ts'
import { listCheckpoints } from '../run/checkpoint.ts'
import { describeEnvironment } from '../run/environment.ts'
import { progressEvent, type TrainEvent, type TrainSummary } from '../run/events.ts'
import { type LockWait, untilTakeover } from '../run/lock-watch.ts'
import { createRun, openRun, type RunFolder, readConfig, refuseTaken } from '../run/run-folder.ts'
import { type Engines, startEngines } from '../runtime/engines.ts'
import { engineVersion } from '../runtime/index.ts'
import { kindOfTask, openTask } from '../tasks/kinds.ts'
import type { Task } from '../tasks/task.ts'
import { requireTraining } from './device-probe.ts'
import { refuseUnknownMeasures } from './known-measures.ts'
import { TrainingLoop } from './loop.ts'
import { checkWeights } from './pretrained.ts'
import { refuseOtherConfig, rememberConfig } from './resume.ts'
import { refuseUnreadableWeights } from './weight-file.ts'

/** What to train, where, and who follows it. */
export interface TrainOptions {
  readonly config: Config
  /** What is learned, where it is not what `config` describes: `classificationTask` makes one of a network and data. */
  readonly task?: Task | undefined
  /** The run's folder; new or empty, or with `resume` the one to go on in. */
  readonly run: string
  /** Name of the recipe, for the record. */
  readonly recipe: string
  /** Go on from the newest checkpoint; `auto` passes over damaged ones with a warning instead of refusing. */
  readonly resume: boolean | 'auto'
  /** Ends the training after the step that is running, with a checkpoint. */
  readonly signal?: AbortSignal | undefined
  /** Devices that need not be tried before: what `requireTraining` returned on this machine. */
  readonly triedDevices?: readonly string[] | undefined
  /** Follow the training, besides those that the configuration names, and may end it. */
  readonly callbacks?: readonly Callback[] | undefined
  /** Receives every step, epoch, checkpoint and warning, as they happen. */
  readonly onEvent?: (event: TrainEvent) => void
}

/**
 * Trains a classifier or a detector, the whole of it: folder, data, programs, epochs, evaluation, checkpoints, summary.
 *
 * A step is a pure function of the state and the batch, and the batch of (seed, epoch, number), so training that is
 * interrupted anywhere and resumed ends with the same bits.
 *
 * @throws MoietyError `usage` for a folder or configuration that does not fit, `data`, `diverged` naming the first
 *   tensor that is not finite, `disk`
 */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { config, recipe, resume } = options
  // Before any lock is touched: a command that is refused anyway must not disturb a training that runs.
  if (resume === false) refuseTaken(options.run)
  else refuseOtherConfig({ path: options.run, config: readConfig(options.run) }, config)
  refuseUnknownMeasures(config.training, options.task?.kind ?? kindOfTask(config))
  await refuseUnreadableBeginning(options)
  await requireTraining([config], {
    signal: options.signal,
    onProbe: reportProbe(options.onEvent),
    tried: options.triedDevices ?? [],
  })
  await untilTakeover(options.run, { signal: options.signal, onWait: reportWait(options.onEvent) })
  const { replicas } = config.training
  const engines = await startEngines({ ...config.engine, replicas, isTried: true })
  try {
    const threads = engines.reduce((total, engine) => total + engine.threads, 0)
    const facts = { onnxruntime: engineVersion, device: engines[0].device, threads }
    const folder =
      resume === false
        ? createRun(options.run, config, describeEnvironment({ ...facts, recipe }))
        : openRun(options.run)
    try {
      if (resume !== false) refuseOtherConfig(folder, config)
      const training = await prepare(engines, folder, options).catch((cause: unknown) => {
        // The same command must work once its data or model has been put right.
        if (resume === false) folder.discard()
        throw cause
      })
      if (resume !== false) rememberConfig(folder, config)
      return await training.run()
    } finally {
      folder.release()
    }
  } finally {
    await Promise.all(engines.map(engine => engine.stop()))
  }
}

function reportProbe(onEvent: TrainOptions['onEvent']): (device: string) => void {
  return device =>
    onEvent?.({ kind: 'progress', what: `trying one step of training on ${device}`, done: 0, total: 1 })
}

/** Before data are opened and networks built, which may take minutes. */
async function refuseUnreadableBeginning({ config, task, run }: TrainOptions): Promise<void> {
  const { weights } = config.model
  // A resumed training has its weights in its checkpoint.
  if (weights === null || listCheckpoints(run).length > 0) return
  await refuseUnreadableWeights(weights)
  if (task === undefined) await checkWeights(config)
}

function reportWait(onEvent: TrainOptions['onEvent']): (wait: LockWait) => void {
  return ({ owner, waited, total }) => {
    if (waited >= total) {
      onEvent?.({ kind: 'warning', message: `took over the lock of ${owner}: no heartbeat for ${total} s` })
    } else {
      onEvent?.({
        kind: 'progress',
        what: `waiting for the lock of ${owner}, whose heartbeat is checked for ${total} s`,
        done: waited,
        total,
      })
    }
  }
}

/** Opens the data, writes the programs and sets the first state: whatever a configuration can get wrong shows here. */
async function prepare(
  engines: Engines,
  folder: RunFolder,
  { config, task: given, resume, signal, callbacks = [], onEvent = () => undefined }: TrainOptions,
): Promise<TrainingLoop> {
  const onProgress = (progress: Progress) => onEvent(progressEvent(progress))
  const task = given ?? (await openTask(config, { onProgress }))
  task.checkTrainable()
  for (const notice of task.notices) onEvent(notice)
  for (const message of task.trainingNotes ?? []) onEvent({ kind: 'note', message })
  const training = new TrainingLoop({ config, task, engines, folder, signal, callbacks, onEvent })
  await training.begin(resume)
  return training
}
