import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Config, withoutSafeKeys } from '../config/config.ts'
import type { Progress, SplitName } from '../data/index.ts'
import { heldOutSplit } from '../data/index.ts'
import { scheduleAt } from '../optim/index.ts'
import { listCheckpoints, writeCheckpoint } from '../run/checkpoint.ts'
import { describeEnvironment } from '../run/environment.ts'
import type { LayerStats, TrainEvent, TrainSummary } from '../run/events.ts'
import { type LockWait, untilTakeover } from '../run/lock-watch.ts'
import { configHash, createRun, openRun, type RunFolder, readConfig, refuseTaken } from '../run/run-folder.ts'
import { type Engines, startEngines } from '../runtime/engines.ts'
import { engineVersion } from '../runtime/index.ts'
import { openTask } from '../tasks/kinds.ts'
import type { BatchForm } from '../tasks/objective.ts'
import { layerSummaries } from '../tasks/routing.ts'
import type { Evaluated, Evaluation, Task } from '../tasks/task.ts'
import { collapses } from './collapse.ts'
import { requireTraining } from './device-probe.ts'
import { divergence } from './diagnose.ts'
import { addStep, emptyEpoch, epochMeans, writeSums } from './epoch-sums.ts'
import { type Journal, openJournal } from './journal.ts'
import { checkWeights } from './pretrained.ts'
import { refuseOtherConfig, rememberConfig, secondsSoFar } from './resume.ts'
import { type Position, startingPoint } from './starting-point.ts'
import { type ReadyStep, TrainingPrograms } from './training-programs.ts'
import { refuseUnreadableWeights } from './weight-file.ts'

/** What to train, where, and who is told. */
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
  /** Told of every step, epoch, checkpoint and warning, as they happen. */
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
  await refuseUnreadableBeginning(options)
  await requireTraining([config], { signal: options.signal, onProbe: reportProbe(options.onEvent) })
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
  { config, task: given, resume, signal, onEvent = () => undefined }: TrainOptions,
): Promise<Training> {
  const onProgress = (progress: Progress) => onEvent({ kind: 'progress', ...progress })
  const task = given ?? (await openTask(config, { onProgress }))
  task.checkTrainable()
  for (const notice of task.notices) onEvent(notice)
  const training = new Training(config, task, engines, folder, signal, onEvent)
  await training.begin(resume)
  return training
}

/** One training, from its first or resumed step to its end. */
class Training {
  readonly #steps: number
  readonly #programs: TrainingPrograms
  readonly #evaluation: Evaluation
  /** The split that the training is tested on. */
  readonly #heldOut: 'val' | 'test'
  #ready:
    | {
        readonly step: ReadyStep['facts']
        readonly position: Position
        readonly resumed: boolean
      }
    | undefined
  #lastCheckpoint: string | undefined
  /** Of a step whose programs are there. */
  #work: number
  /** Behind the epoch that runs, measured in its steps. */
  #laterSteps = 0
  /** How long the last evaluation took: whoever waits waits for those to come, too. */
  #evaluationSeconds = 0

  constructor(
    readonly config: Config,
    readonly task: Task,
    readonly engines: Engines,
    readonly folder: RunFolder,
    readonly signal: AbortSignal | undefined,
    readonly onEvent: (event: TrainEvent) => void,
  ) {
    this.#steps = task.stepsPerEpoch * config.training.epochs
    const { optimizer, training, seed } = config
    const { stepsPerEpoch } = task
    const { clipNorm } = training
    const write = (form: BatchForm) => ({ objective: task.objective(form), form, optimizer, clipNorm })
    this.#programs = new TrainingPrograms(engines, { write, stepsPerEpoch }, seed)
    this.#work = task.work(0)
    this.#evaluation = task.evaluation(engines)
    this.#heldOut = heldOutSplit(task.data)
  }

  /** Prepares the first epoch's programs, puts the first or the saved state into the engine and says where training stands. */
  async begin(resume: boolean | 'auto'): Promise<void> {
    const { config, task, engines, folder, onEvent } = this
    const [engine] = engines
    const usual = await this.#programs.for(task.forms(0)[0]!)
    const step = usual.facts
    const { position, checkpoint } = await startingPoint({
      config,
      data: { identity: task.identity, title: task.data.title, categoryIds: task.data.categoryIds },
      engine,
      step,
      run: folder.path,
      resume,
      onWarning: message => onEvent({ kind: 'warning', message }),
      onNote: message => onEvent({ kind: 'note', message }),
    })
    await this.#programs.spread(usual)
    this.#lastCheckpoint = checkpoint
    // All of them now, while a signal ends the process at once and loses nothing.
    if (position.epoch < config.training.epochs) await this.#programsOf(position.epoch)
    await this.#evaluation.prepare(this.#heldOut)
    this.#ready = { step, position, resumed: resume !== false }
    onEvent({
      kind: 'start',
      run: folder.path,
      data: task.data.title,
      parameters: step.parameterCount,
      activeParameters: step.activeParameterCount,
      steps: this.#steps,
      resumedFrom: resume === false ? null : position.step,
    })
  }

  /** Trains to the end, or to an interruption. */
  async run(): Promise<TrainSummary> {
    const { config, folder } = this
    const { step, position, resumed } = this.#ready!
    const journal = openJournal(folder.path, resumed ? position : undefined)
    const started = performance.now()
    let evaluated: Evaluated | undefined
    try {
      const earlier = secondsSoFar(folder.path)
      const elapsed = (): number => earlier + (performance.now() - started) / 1000
      while (position.epoch < config.training.epochs) {
        const isWhole = await this.#epoch(position, journal)
        const tested = isWhole && this.#isTestDue(position) ? await this.#test() : undefined
        if (!isWhole || (tested === undefined && this.#isTestDue(position))) {
          await this.#checkpoint(position, journal)
          return this.#summary(evaluated, true, elapsed())
        }
        const trained = this.#tellTraining(position, journal)
        if (tested !== undefined) this.#tellTest(position, journal, tested)
        this.#alarm(position, journal, tested?.layers ?? trained)
        evaluated = tested
        position.epoch += 1
        position.batch = 0
        position.sums = emptyEpoch(step.layers)
        await this.#checkpoint(position, journal)
      }
      const seconds = elapsed()
      evaluated ??= await this.#test()
      const summary = this.#summary(evaluated, evaluated === undefined, seconds)
      if (!summary.interrupted) folder.writeSummary(summary)
      return summary
    } finally {
      journal.close()
    }
  }

  /** Runs the rest of an epoch. False when it was interrupted before its end. */
  async #epoch(position: Position, journal: Journal): Promise<boolean> {
    const { config, task } = this
    const { checkpointEvery, epochs } = config.training
    const { stepsPerEpoch } = task
    this.#laterSteps = stepsPerEpoch * this.#laterEpochs(position.epoch)
    // Made before the clock runs: what is left is told by the time that steps take. A checkpoint was just written.
    if (this.#areMissing(position.epoch)) {
      await this.#whileSaved(() => this.#programsOf(position.epoch))
    }
    const batches = task.batches(position.epoch)
    const load = (number: number) => task.load(batches[number]!, position.epoch)
    const clock = { started: performance.now(), firstBatch: position.batch }
    let next = position.batch < stepsPerEpoch ? load(position.batch) : undefined
    while (next !== undefined) {
      if (this.signal?.aborted) {
        await next.catch(() => undefined)
        return false
      }
      const batch = await next
      const count = batch.form.images
      const ready = await this.#programs.for(batch.form)
      const step = ready.facts
      const rate = scheduleAt(config.schedule, config.optimizer, {
        step: position.step,
        stepsPerEpoch,
        epochs,
      })
      const moment = { step: position.step, epoch: position.epoch, rate }
      const running = ready.take(batch, moment)
      // The next batch is prepared while the engine's thread computes; should it fail, it does so when it is its turn.
      next = position.batch + 1 < stepsPerEpoch ? load(position.batch + 1) : undefined
      next?.catch(() => undefined)
      const { outputs, committed } = await running
      const value = (name: string): number => Number(outputs.get(name)!.data[0])
      if (!committed) {
        const failed = { step: position.step, loss: value('loss'), checkpoint: this.#lastCheckpoint }
        throw divergence(await this.#whileSaved(() => ready.firstNonFinite(batch, moment)), failed)
      }
      this.folder.ensureHeld()
      position.step += 1
      position.batch += 1
      addStep(position.sums, step, outputs, count)
      position.sums.seconds = (performance.now() - clock.started) / 1000
      journal.step({
        step: position.step,
        epoch: position.epoch,
        loss: value('loss'),
        taskLoss: value('taskLoss'),
        auxLoss: value('auxLoss'),
        gradientNorm: value('gradientNorm'),
        learningRate: rate,
        ...task.trainMeasures(Object.fromEntries(step.measures.map(name => [name, value(name) / count]))),
      })
      this.#tellStep(
        position,
        value('loss'),
        rate,
        position.sums.seconds / (position.batch - clock.firstBatch),
      )
      const isDue = checkpointEvery.steps !== null && position.step % checkpointEvery.steps === 0
      if (isDue && next !== undefined) await this.#checkpoint(position, journal)
    }
    return true
  }

  /** Whether programs of an epoch are still to be made. */
  #areMissing(epoch: number): boolean {
    return (
      this.task.work(epoch) !== this.#work || this.task.forms(epoch).some(form => !this.#programs.has(form))
    )
  }

  /** Makes the programs of all batches of an epoch. */
  async #programsOf(epoch: number): Promise<void> {
    const work = this.task.work(epoch)
    if (work !== this.#work) await this.#programs.release()
    this.#work = work
    for (const form of this.task.forms(epoch)) await this.#programs.for(form)
  }

  /** Runs long work in which ending the process loses nothing, and says so (see the event `preparing`). */
  async #whileSaved<T>(prepare: () => Promise<T>): Promise<T | undefined> {
    // Signals that came while a checkpoint was written are heard first: whoever listened may stop listening now.
    await nextTurn()
    await nextTurn()
    if (this.signal?.aborted) return undefined
    this.onEvent({ kind: 'preparing', isDone: false })
    try {
      return await prepare()
    } finally {
      this.onEvent({ kind: 'preparing', isDone: true })
    }
  }

  /** After every so many epochs, and after the last. */
  #isTestDue({ epoch }: Position): boolean {
    const { epochs, evaluateEvery } = this.config.training
    return (epoch + 1) % evaluateEvery === 0 || epoch + 1 === epochs
  }

  /** Returns how the experts were used. */
  #tellTraining(position: Position, journal: Journal): readonly LayerStats[] {
    const { measures: sums, ...means } = epochMeans(position.sums)
    const { seconds } = position.sums
    this.#tell(position, journal, 'train', { ...means, measures: this.task.trainMeasures(sums), seconds })
    return means.layers
  }

  #tellTest(position: Position, journal: Journal, { loss, measures, layers }: Evaluated): void {
    const seconds = this.#evaluationSeconds
    this.#tell(position, journal, this.#heldOut, {
      loss,
      taskLoss: loss,
      auxLoss: 0,
      measures,
      layers,
      seconds,
    })
  }

  /** @param layers - of the test, or of the epoch's training where it was not tested */
  #alarm({ epoch, step }: Position, journal: Journal, layers: readonly LayerStats[]): void {
    for (const alarm of collapses(layers, this.config.training.collapse)) {
      journal.alarm({ epoch, step }, alarm)
      this.onEvent({ kind: 'alarm', ...alarm })
    }
  }

  #tellStep(position: Position, loss: number, learningRate: number, secondsAStep: number): void {
    const { step, epoch, sums } = position
    const { measures, layers } = epochMeans(sums)
    const { batch, epochs, evaluateEvery } = this.config.training
    this.onEvent({
      kind: 'step',
      step,
      steps: this.#steps,
      epoch,
      loss,
      measures: this.task.trainMeasures(measures),
      learningRate,
      imagesPerSecond: batch / secondsAStep,
      secondsLeft:
        secondsAStep * ((epoch + 1) * this.task.stepsPerEpoch - step + this.#laterSteps) +
        this.#evaluationSeconds * Math.ceil((epochs - epoch) / evaluateEvery),
      layers,
    })
  }

  /** Work of the epochs behind an epoch, measured in epochs like it. */
  #laterEpochs(epoch: number): number {
    const { config, task } = this
    let later = 0
    for (let one = epoch + 1; one < config.training.epochs; one++) later += task.work(one)
    return later / task.work(epoch)
  }

  #tell(
    { epoch, step }: Position,
    journal: Journal,
    split: SplitName,
    { seconds, ...result }: Parameters<Journal['epoch']>[2] & { readonly seconds: number },
  ): void {
    journal.epoch({ epoch, step, seconds }, split, result)
    this.onEvent({ kind: 'epoch', epoch, epochs: this.config.training.epochs, split, ...result, seconds })
  }

  /** The network on held-out images; undefined when it was interrupted. */
  async #test(): Promise<Evaluated | undefined> {
    const { onEvent, signal } = this
    const onProgress = (done: number, total: number) =>
      onEvent({ kind: 'progress', what: 'evaluating', done, total })
    const started = performance.now()
    const result = await this.#evaluation.run(this.#heldOut, { signal, onProgress })
    this.#evaluationSeconds = (performance.now() - started) / 1000
    return result
  }

  async #checkpoint({ step, epoch, batch, sums }: Position, journal: Journal): Promise<void> {
    this.folder.ensureHeld()
    journal.flush()
    const content = {
      step,
      epoch,
      batch,
      config: configHash(withoutSafeKeys(this.config)),
      state: await this.engines[0].readState(),
      extra: { ...writeSums(sums), data: this.task.identity },
    }
    const path = writeCheckpoint(this.folder.path, content, { keep: this.config.training.keepCheckpoints })
    this.#lastCheckpoint = path
    this.onEvent({ kind: 'checkpoint', path })
  }

  #summary(result: Evaluated | undefined, interrupted: boolean, seconds: number): TrainSummary {
    return {
      run: this.folder.path,
      interrupted,
      split: this.#heldOut,
      measures: result?.measures ?? {},
      seconds,
      layers: result === undefined ? [] : layerSummaries(result, this.task.data.classes),
    }
  }
}
