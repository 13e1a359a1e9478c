import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { type HostTensor, type State, scalar, sizeOf } from '../base/tensor.ts'
import { type Dataset, epochOrder, makeBatch, openDataset } from '../data/index.ts'
import { evaluateSplit, type SplitResult } from '../evaluate/evaluate-split.ts'
import { preferredClasses } from '../evaluate/preference.ts'
import { type EvaluationProgram, evaluationProgram } from '../evaluate/program.ts'
import { classifierOf } from '../models/classifier.ts'
import { adopt } from '../nn/index.ts'
import { type Checkpoint, latestCheckpoint, writeCheckpoint } from '../run/checkpoint.ts'
import { type Config, configDifferences, resolveConfig, unsafeDifferences } from '../run/config.ts'
import { describeEnvironment } from '../run/environment.ts'
import type { LayerStats, TrainEvent, TrainSummary } from '../run/events.ts'
import { openMetricsLog } from '../run/metrics-log.ts'
import { configHash, createRun, openRun, type RunFolder } from '../run/run-folder.ts'
import { openTensorBoardLog } from '../run/tensorboard.ts'
import { Engine, engineVersion, type LoadedProgram } from '../runtime/index.ts'
import { divergence } from './diagnose.ts'
import { addStep, type EpochSums, emptyEpoch, epochMeans, readSums, writeSums } from './epoch-sums.ts'
import { withPublishedWeights } from './pretrained.ts'
import { scheduleAt } from './schedule.ts'
import { type TrainingStep, trainingStep } from './step.ts'

/** What to train, where, and whom to tell. */
export interface TrainOptions {
  readonly config: Config
  /** The run's folder; new or empty, or with `resume` the one to go on in. */
  readonly run: string
  /** Name of the recipe, for the record. */
  readonly recipe: string
  readonly resume: boolean
  /** Ends the training after the step that is running, with a checkpoint. */
  readonly signal?: AbortSignal | undefined
  /** Told of every step, epoch, checkpoint and alarm; see {@link TrainEvent}. */
  readonly onEvent?: (event: TrainEvent) => void
}

/** Where training stands between two steps. All that matters is here or in the engine's state. */
interface Position {
  step: number
  epoch: number
  /** Batches of the epoch that are done. */
  batch: number
  sums: EpochSums
}

/**
 * Trains a classifier, the whole of it: folder, data, programs, epochs, evaluation, checkpoints, summary.
 *
 * A step is a pure function of the state and the batch, and the batch of (seed, epoch, number), so training that is
 * interrupted anywhere and resumed ends with the same bits.
 *
 * @throws MoietyError `usage` for a folder or configuration that does not fit, `data`, `diverged` naming the first
 *   tensor that is not finite, `disk`
 */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { config, recipe, resume, signal, onEvent = () => undefined } = options
  const engine = await Engine.start({
    device: config.engine.device,
    ...(config.engine.threads === null ? {} : { threads: config.engine.threads }),
  })
  try {
    const facts = { onnxruntime: engineVersion, device: engine.device, threads: engine.threads }
    const folder = resume
      ? openRun(options.run)
      : createRun(options.run, config, describeEnvironment({ ...facts, recipe }))
    try {
      if (resume) refuseOtherConfig(resolveConfig(folder.config, folder.path), config, folder.path)
      const dataset = await openDataset(config.data, progress => onEvent({ kind: 'progress', ...progress }))
      if (dataset.skipped.length > 0) onEvent({ kind: 'skipped', files: dataset.skipped })
      const session = new Session(config, dataset, engine, folder, signal, onEvent)
      return await session.train(resume)
    } finally {
      folder.release()
    }
  } finally {
    await engine.stop()
  }
}

function refuseOtherConfig(before: Config, after: Config, where: string): void {
  const differences = unsafeDifferences(configDifferences(before, after))
  if (differences.length === 0) return
  const show = (value: unknown): string => JSON.stringify(value) ?? 'absent'
  const lines = differences.map(d => `  ${d.path}: ${show(d.before)} before, ${show(d.after)} now`)
  fail({
    kind: 'usage',
    message: `a run can only be resumed with the configuration it began with, but these differ:\n${lines.join('\n')}`,
    where,
    help: 'take the changes back, or begin a new run without --resume',
  })
}

/** One training from its first or resumed step to its end. */
class Session {
  readonly #steps: number
  readonly #stepsPerEpoch: number
  readonly #programs = new Map<number, { step: TrainingStep; loaded: LoadedProgram }>()
  readonly #evaluation: EvaluationProgram
  #lastCheckpoint: string | undefined

  constructor(
    readonly config: Config,
    readonly dataset: Dataset,
    readonly engine: Engine,
    readonly folder: RunFolder,
    readonly signal: AbortSignal | undefined,
    readonly onEvent: (event: TrainEvent) => void,
  ) {
    if (dataset.train.length === 0 || dataset.test.length === 0) {
      fail({
        kind: 'data',
        message: `training expected images to train and to test on, but got ${dataset.train.length} and ${dataset.test.length}`,
        where: dataset.title,
        help: 'look at data.directory and data.limit',
      })
    }
    this.#stepsPerEpoch = Math.ceil(dataset.train.length / config.training.batch)
    this.#steps = this.#stepsPerEpoch * config.training.epochs
    const classes = dataset.classes.length
    this.#evaluation = evaluationProgram({
      classifier: classifierOf(config.model, { classes }),
      classes,
      size: dataset.size,
    })
  }

  async train(resume: boolean): Promise<TrainSummary> {
    const { config, dataset, engine, folder, onEvent } = this
    const { step, loaded } = await this.#programFor(Math.min(config.training.batch, dataset.train.length))
    const position = await this.#begin(resume, step)
    const started = performance.now()
    onEvent({
      kind: 'start',
      run: folder.path,
      parameters: step.parameterCount,
      activeParameters: step.activeParameterCount,
      steps: this.#steps,
      resumedFrom: resume ? position.step : null,
    })
    const point = resume ? { step: position.step, epoch: position.epoch } : undefined
    const metrics = openMetricsLog(folder.path, point === undefined ? {} : { resume: point })
    const board = openTensorBoardLog(folder.path, resume ? { resumeStep: position.step } : {})
    const evaluator = await engine.load(this.#evaluation.program)
    let evaluated: SplitResult | undefined
    const interrupted = async (): Promise<TrainSummary> => {
      await this.#checkpoint(position, metrics.flush)
      return this.#summary(evaluated, true, started)
    }
    try {
      while (position.epoch < config.training.epochs) {
        const finished = await this.#epoch(position, { metrics, board, started })
        if (!finished) return await interrupted()
        const seconds = position.sums.seconds
        const trained = epochMeans(position.sums)
        const evaluationStart = performance.now()
        evaluated = await this.#evaluate(evaluator)
        if (evaluated === undefined) return await interrupted()
        const tested = {
          loss: evaluated.loss,
          taskLoss: evaluated.loss,
          auxLoss: 0,
          top1: evaluated.top1,
          top5: evaluated.top5,
          layers: evaluated.layers,
        }
        const { epoch, step } = position
        const both = [
          ['train', trained, seconds],
          ['test', tested, (performance.now() - evaluationStart) / 1000],
        ] as const
        for (const [split, result, took] of both) {
          metrics.write({ kind: 'epoch', epoch, step, split, ...result, seconds: took })
          board.scalars(step, boardScalars(split, result))
          onEvent({ kind: 'epoch', epoch, epochs: config.training.epochs, split, ...result, seconds: took })
        }
        this.#alarm(evaluated.layers)
        position.epoch += 1
        position.batch = 0
        position.sums = emptyEpoch(step === 0 ? [] : this.#evaluation.layers)
        await this.#checkpoint(position, metrics.flush)
        if (this.signal?.aborted && position.epoch < config.training.epochs) {
          return this.#summary(evaluated, true, started)
        }
      }
      evaluated ??= await this.#evaluate(evaluator)
      const summary = this.#summary(evaluated, false, started)
      folder.writeSummary(summary)
      return summary
    } finally {
      metrics.close()
      board.close()
      void loaded
    }
  }

  /** Puts the first or the saved state into the engine and says where training stands. */
  async #begin(resume: boolean, step: TrainingStep): Promise<Position> {
    const initial = step.initialState(this.config.seed)
    const found = resume ? latestCheckpoint(this.folder.path, { fallback: false }).checkpoint : undefined
    if (found === undefined) {
      await this.engine.setState(await withPublishedWeights(initial, this.config.model))
      return { step: 0, epoch: 0, batch: 0, sums: emptyEpoch(step.layers) }
    }
    refuseOtherModel(initial, found)
    await this.engine.setState(found.state)
    this.#lastCheckpoint = found.path
    const sums = readSums(found.extra) ?? emptyEpoch(step.layers)
    return { step: found.step, epoch: found.epoch, batch: found.batch, sums }
  }

  /** Runs the rest of an epoch. False when it was interrupted. */
  async #epoch(
    position: Position,
    sinks: {
      readonly metrics: ReturnType<typeof openMetricsLog>
      readonly board: ReturnType<typeof openTensorBoardLog>
      readonly started: number
    },
  ): Promise<boolean> {
    const { config, dataset } = this
    const { batch, checkpointEvery, epochs } = config.training
    const order = epochOrder(dataset.train.length, config.seed, position.epoch)
    const load = (number: number) =>
      makeBatch(dataset.train, order.subarray(number * batch, (number + 1) * batch), {
        mean: dataset.mean,
        std: dataset.std,
        augmentation: config.augmentation,
        seed: config.seed,
        epoch: position.epoch,
      })
    const before = position.sums.seconds
    const epochStart = performance.now()
    const firstBatch = position.batch
    let next = position.batch < this.#stepsPerEpoch ? load(position.batch) : undefined
    while (position.batch < this.#stepsPerEpoch) {
      const { images, labels } = await next!
      const count = images.shape[0]!
      const { step, loaded } = await this.#programFor(count)
      const rate = scheduleAt(config.schedule, config.optimizer, {
        step: position.step,
        stepsPerEpoch: this.#stepsPerEpoch,
        epochs,
      })
      const feeds = new Map<string, HostTensor>([
        ['images', images],
        ['labels', labels],
        ['learningRate', scalar(rate)],
        ...(step.needsEpoch ? [['epoch', scalar(position.epoch)] as const] : []),
        ...step.noise.map(({ name, shape }) => [name, this.#noise(name, shape, position.step)] as const),
      ])
      const running = loaded.step(feeds, { updates: step.updates, guards: step.guards })
      next = position.batch + 1 < this.#stepsPerEpoch ? load(position.batch + 1) : undefined
      next?.catch(() => undefined)
      const { outputs, committed } = await running
      const value = (name: string): number => Number(outputs.get(name)!.data[0])
      if (!committed) {
        throw await divergence(this.engine, step, feeds, {
          step: position.step,
          loss: value('loss'),
          checkpoint: this.#lastCheckpoint,
        })
      }
      position.step += 1
      position.batch += 1
      addStep(position.sums, outputs, count)
      position.sums.seconds = before + (performance.now() - epochStart) / 1000
      sinks.metrics.write({
        kind: 'step',
        step: position.step,
        epoch: position.epoch,
        loss: value('loss'),
        taskLoss: value('taskLoss'),
        auxLoss: value('auxLoss'),
        gradientNorm: value('gradientNorm'),
        learningRate: rate,
        top1: value('correct1') / count,
      })
      const means = epochMeans(position.sums)
      const secondsAStep = (performance.now() - epochStart) / 1000 / (position.batch - firstBatch)
      this.onEvent({
        kind: 'step',
        step: position.step,
        steps: this.#steps,
        epoch: position.epoch,
        loss: value('loss'),
        top1: means.top1,
        learningRate: rate,
        imagesPerSecond: batch / secondsAStep,
        secondsLeft: secondsAStep * (this.#steps - position.step),
        layers: means.layers,
      })
      const every = checkpointEvery.steps
      if (this.signal?.aborted && position.batch < this.#stepsPerEpoch) {
        await next?.catch(() => undefined)
        return false
      }
      if (every !== null && position.step % every === 0 && position.batch < this.#stepsPerEpoch) {
        await this.#checkpoint(position, sinks.metrics.flush)
      }
    }
    return true
  }

  /** The program for batches of this size; the last batch of an epoch may be smaller than the others. */
  async #programFor(count: number): Promise<{ step: TrainingStep; loaded: LoadedProgram }> {
    const known = this.#programs.get(count)
    if (known !== undefined) return known
    const { config, dataset } = this
    const classes = dataset.classes.length
    const step = trainingStep({
      classifier: classifierOf(config.model, { classes }),
      classes,
      batch: count,
      size: dataset.size,
      optimizer: config.optimizer,
      labelSmoothing: config.training.labelSmoothing,
      clipNorm: config.training.clipNorm,
    })
    const made = { step, loaded: await this.engine.load(step.program) }
    this.#programs.set(count, made)
    return made
  }

  #noise(name: string, shape: readonly number[], step: number): HostTensor {
    const source = draws(this.config.seed, name, step)
    return {
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
    }
  }

  async #evaluate(loaded: LoadedProgram): Promise<SplitResult | undefined> {
    const { dataset, config, onEvent } = this
    return await evaluateSplit({
      dataset,
      split: dataset.test,
      evaluation: this.#evaluation,
      loaded,
      batch: config.training.batch,
      signal: this.signal,
      onProgress: (done, total) => onEvent({ kind: 'progress', what: 'evaluating', done, total }),
    })
  }

  async #checkpoint(position: Position, flushMetrics: () => void): Promise<void> {
    flushMetrics()
    const { step, epoch, batch, sums } = position
    const state = await this.engine.readState()
    const path = writeCheckpoint(
      this.folder.path,
      { step, epoch, batch, config: configHash(this.config), state, extra: writeSums(sums) },
      { keep: this.config.training.keepCheckpoints },
    )
    this.#lastCheckpoint = path
    this.onEvent({ kind: 'checkpoint', path })
  }

  /** Says so when experts of a layer are not used any more. */
  #alarm(layers: readonly LayerStats[]): void {
    const limit = this.config.training.collapse
    for (const { name, importance } of layers) {
      const starved = importance.flatMap((share, i) => (share <= limit ? [i] : []))
      if (starved.length === 0) continue
      const message =
        `${starved.length} of ${importance.length} experts have at most ${(100 * limit).toFixed(1)} % of the importance ` +
        `(expert ${starved.join(', ')}); a constraint such as importance or relative keeps them in use`
      this.onEvent({ kind: 'alarm', layer: name, message })
    }
  }

  #summary(result: SplitResult | undefined, interrupted: boolean, started: number): TrainSummary {
    return {
      run: this.folder.path,
      interrupted,
      top1: result?.top1 ?? 0,
      top5: result?.top5 ?? 0,
      seconds: (performance.now() - started) / 1000,
      layers: (result?.layers ?? []).map((layer, i) => ({
        ...layer,
        preferred: preferredClasses(result!.classWeights[i]!, this.dataset.classes),
      })),
    }
  }
}

/** A checkpoint of the same configuration has the same tensors; anything else is a bug or a tampered file. */
function refuseOtherModel(initial: State, { state, path }: Checkpoint): void {
  const { missing, unknown, misshapen } = adopt(initial, state)
  const problem = missing[0] ?? unknown[0] ?? misshapen[0]
  if (problem === undefined) return
  fail({
    kind: 'disk',
    message: `the checkpoint holds other tensors than the model: ${missing.length} missing, ${unknown.length} too many, ${misshapen.length} of another shape; first: ${problem}`,
    where: path,
    help: 'it was written by another configuration or version; begin a new run',
  })
}

function boardScalars(
  split: string,
  result: {
    readonly loss: number
    readonly top1: number
    readonly top5: number
    readonly layers: readonly LayerStats[]
  },
): Record<string, number> {
  const scalars: Record<string, number> = {
    [`${split}/loss`]: result.loss,
    [`${split}/top1`]: result.top1,
    [`${split}/top5`]: result.top5,
  }
  for (const { name, importance, cvImportance, living } of result.layers) {
    scalars[`${split}/${name}/cvImportance`] = cvImportance
    scalars[`${split}/${name}/living`] = living
    for (const [i, share] of importance.entries()) scalars[`${split}/${name}/importance/${i}`] = share
  }
  return scalars
}
