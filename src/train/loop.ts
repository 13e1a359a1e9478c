import { basename, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { resolveConfig, withoutSafeKeys } from '../config/config.ts'
import type { Json, JsonObject } from '../files/json.ts'
import type { LayerInfo } from '../moe/index.ts'
import { scheduleAt } from '../optim/index.ts'
import { writeCheckpoint } from '../run/checkpoint.ts'
import type { TrainSummary } from '../run/events.ts'
import type { TrainingPlan } from '../run/extensions.ts'
import { configHash, type RunPlan } from '../run/run-folder.ts'
import type { BestCheckpoint } from '../tasks/choose-checkpoint.ts'
import type { BatchForm } from '../tasks/objective.ts'
import { layerSummaries } from '../tasks/routing.ts'
import type { Evaluated, TaskBatch } from '../tasks/task.ts'
import { BestSoFar } from './best-so-far.ts'
import { Callbacks } from './callbacks.ts'
import { divergence } from './diagnose.ts'
import { addStep, emptyEpoch, writeSums } from './epoch-sums.ts'
import { HeldOutTest } from './held-out-test.ts'
import { openJournal } from './journal.ts'
import { Reporter } from './reporter.ts'
import { secondsSoFar } from './resume.ts'
import { checkpointOf, type Position, startingPoint } from './starting-point.ts'
import type { TrainingParts } from './training-parts.ts'
import { TrainingPrograms } from './training-programs.ts'

/** One training, from its first or resumed step to its end. */
export class TrainingLoop {
  readonly #parts: TrainingParts
  readonly #programs: TrainingPrograms
  readonly #test: HeldOutTest
  readonly #callbacks: Callbacks
  readonly #best: BestSoFar
  #position: Position | undefined
  #plan: TrainingPlan | undefined
  #layers: readonly LayerInfo[] = []
  #isResumed = false
  #lastCheckpoint: string | undefined
  /** Of a step whose programs are there. */
  #work: number

  constructor(parts: TrainingParts) {
    const { config, task, engines } = parts
    const { optimizer, training, seed } = config
    const { stepsPerEpoch } = task
    const { clipNorm, ema } = training
    const write = (form: BatchForm) => ({ objective: task.objective(form), form, optimizer, clipNorm, ema })
    this.#parts = parts
    this.#programs = new TrainingPrograms(
      engines,
      { write, stepsPerEpoch, accumulate: training.accumulate ?? 1 },
      seed,
    )
    this.#work = task.work(0)
    this.#test = new HeldOutTest(parts, this.#programs)
    this.#best = new BestSoFar(training, task)
    this.#callbacks = new Callbacks(training, parts.callbacks, () => engines[0].readState())
  }

  /** Prepares the first epoch's programs, puts the first or the saved state into the engine and says where training stands. */
  async begin(resume: boolean | 'auto'): Promise<void> {
    const { config, task, engines, folder, onEvent } = this.#parts
    const data = { identity: task.identity, title: task.data.title, categoryIds: task.data.categoryIds }
    const onWarning = (message: string) => onEvent({ kind: 'warning', message })
    const saved =
      resume === false ? undefined : checkpointOf(folder.path, { config, data, resume, onWarning })
    const usual = await this.#programs.for(task.forms(0)[0]!)
    const { position, plan, checkpoint, callbacks, extra } = await startingPoint({
      config,
      data,
      engine: engines[0],
      step: usual.facts,
      checkpoint: saved,
      epochsBefore: resolveConfig(folder.config, folder.path).training.epochs,
      stepsPerEpoch: task.stepsPerEpoch,
      onNote: message => onEvent({ kind: 'note', message }),
    })
    this.#callbacks.restore(callbacks)
    this.#best.restore(extra)
    await this.#programs.spread(usual)
    this.#lastCheckpoint = checkpoint
    // All of them now, while a signal ends the process at once and loses nothing.
    if (position.epoch < config.training.epochs) await this.#programsOf(position.epoch)
    await this.#test.prepare()
    this.#position = position
    this.#plan = plan
    this.#layers = usual.facts.layers
    this.#isResumed = resume !== false
    onEvent({
      kind: 'start',
      run: folder.path,
      data: task.data.title,
      parameters: usual.facts.parameterCount,
      activeParameters: usual.facts.activeParameterCount,
      steps: task.stepsPerEpoch * config.training.epochs,
      resumedFrom: this.#isResumed ? position.step : null,
    })
  }

  /** Trains to the end, or to an interruption. */
  async run(): Promise<TrainSummary> {
    const { config, task, folder, onEvent } = this.#parts
    const position = this.#position!
    folder.writePlan(this.#runPlan())
    const journal = openJournal(folder.path, config, this.#isResumed ? position : undefined)
    const reporter = new Reporter(task, journal, onEvent)
    const flush = () => journal.flush()
    const earlier = secondsSoFar(folder.path)
    const started = performance.now()
    const elapsed = (): number => earlier + (performance.now() - started) / 1000
    let evaluated: Evaluated | undefined
    try {
      while (position.epoch < config.training.epochs && this.#callbacks.stopReason === undefined) {
        const isWhole = await this.#epoch(position, reporter)
        const isTestDue = this.#test.isDue(position.epoch)
        const test = isWhole && isTestDue ? await this.#test.run() : undefined
        if (!isWhole || (isTestDue && test === undefined)) {
          await this.#checkpoint(position, flush)
          return this.#summary(evaluated, true, elapsed())
        }
        const trained = reporter.trained(position)
        await this.#callbacks.epoch(trained)
        if (test !== undefined) {
          const { split } = this.#test
          await this.#callbacks.epoch(await reporter.tested(position, split, test.result, test.seconds))
        }
        reporter.alarm(position, test?.result.layers ?? trained.layers)
        if (test !== undefined) this.#best.consider(test.result, position)
        evaluated = test?.result
        position.epoch += 1
        position.batch = 0
        position.sums = emptyEpoch(this.#layers)
        await this.#checkpoint(position, flush)
      }
      this.#reportStop(position)
      const seconds = elapsed()
      evaluated ??= (await this.#test.run())?.result
      const summary = this.#summary(evaluated, evaluated === undefined, seconds)
      if (!summary.interrupted) {
        await this.#callbacks.end()
        journal.end(position.step)
        // A file that is shown to others does not say in whose folder it lay.
        folder.writeSummary({ ...summary, run: basename(resolve(summary.run)) })
      }
      return summary
    } finally {
      journal.close()
    }
  }

  #runPlan(): RunPlan {
    const { data, stepsPerEpoch, facts } = this.#parts.task
    const { parameters, activeParameters } = facts
    const sizes = Object.entries({ train: data.train, val: data.val, test: data.test })
    const images = sizes.flatMap(([split, own]) => (own === undefined ? [] : [[split, own.length] as const]))
    return { stepsPerEpoch, images: Object.fromEntries(images), parameters, activeParameters }
  }

  /** Runs the rest of an epoch. False when it was interrupted before its end. */
  async #epoch(position: Position, reporter: Reporter): Promise<boolean> {
    const { config, task, signal } = this.#parts
    const { steps: checkpointEvery } = config.training.checkpointEvery
    // Made before the clock runs: what is left is estimated by the time that steps take. A checkpoint was just written.
    if (this.#areMissing(position.epoch)) await this.#whileSaved(() => this.#programsOf(position.epoch))
    const batches = task.batches(position.epoch)
    const load = (number: number) => task.load(batches[number]!, position.epoch)
    const clock = { started: performance.now(), firstBatch: position.batch }
    let next = position.batch < task.stepsPerEpoch ? load(position.batch) : undefined
    while (next !== undefined) {
      if (signal?.aborted) {
        await next.catch(() => undefined)
        return false
      }
      const batch = await next
      const images = batch.form.images
      const prefetch = () => {
        next = position.batch + 1 < task.stepsPerEpoch ? load(position.batch + 1) : undefined
        // Should it fail, it does so when it is its turn.
        next?.catch(() => undefined)
      }
      const { facts, outputs, rate } = await this.#step(batch, position, prefetch)
      position.step += 1
      position.batch += 1
      addStep(position.sums, facts, outputs, images)
      position.sums.seconds = (performance.now() - clock.started) / 1000
      const secondsAStep = position.sums.seconds / (position.batch - clock.firstBatch)
      const { step, epoch, loss, learningRate } = reporter.step(position, facts, {
        outputs,
        images,
        rate,
        secondsAStep,
      })
      await this.#callbacks.step({ step, epoch, loss, learningRate })
      const isDue = checkpointEvery !== null && position.step % checkpointEvery === 0
      if (isDue && next !== undefined) await this.#checkpoint(position, () => reporter.journal.flush())
    }
    return true
  }

  /**
   * One step on one batch.
   *
   * @param whileRunning - called while the engine's threads compute
   * @throws MoietyError `diverged` where anything is not finite; the state is then as before
   */
  async #step(batch: TaskBatch, { step, epoch }: Position, whileRunning: () => void) {
    const { config, task, folder } = this.#parts
    const ready = await this.#programs.for(batch.form)
    const { epochs } = config.training
    const { stepsPerEpoch } = task
    const rate = scheduleAt(config.schedule, config.optimizer, { step, stepsPerEpoch, epochs })
    const moment = { step, epoch, rate }
    const running = ready.take(batch, moment)
    whileRunning()
    const { outputs, committed } = await running
    if (!committed) {
      const loss = Number(outputs.get('loss')!.data[0])
      const failed = { step, loss, checkpoint: this.#lastCheckpoint }
      throw divergence(await this.#whileSaved(() => ready.firstNonFinite(batch, moment)), failed)
    }
    folder.ensureHeld()
    return { facts: ready.facts, outputs, rate }
  }

  #reportStop({ epoch }: Position): void {
    const { stopReason } = this.#callbacks
    if (stopReason !== undefined)
      this.#parts.onEvent({ kind: 'warning', message: `ended after ${epoch} epochs: ${stopReason}` })
  }

  /** Whether programs of an epoch are still to be made. */
  #areMissing(epoch: number): boolean {
    const { task } = this.#parts
    return task.work(epoch) !== this.#work || task.forms(epoch).some(form => !this.#programs.has(form))
  }

  /** Makes the programs of all batches of an epoch. */
  async #programsOf(epoch: number): Promise<void> {
    const { task } = this.#parts
    const work = task.work(epoch)
    if (work !== this.#work) await this.#programs.release()
    this.#work = work
    for (const form of task.forms(epoch)) await this.#programs.for(form)
  }

  /** Runs long work in which ending the process loses nothing, and says so (see the event `preparing`). */
  async #whileSaved<T>(prepare: () => Promise<T>): Promise<T | undefined> {
    const { signal, onEvent } = this.#parts
    // Signals that came while a checkpoint was written are handled first: their listeners may be removed now.
    await nextTurn()
    await nextTurn()
    if (signal?.aborted) return undefined
    onEvent({ kind: 'preparing', isDone: false })
    try {
      return await prepare()
    } finally {
      onEvent({ kind: 'preparing', isDone: true })
    }
  }

  /** @param flush - writes the journal out: a checkpoint must never know more than the log */
  async #checkpoint({ step, epoch, batch, sums }: Position, flush: () => void): Promise<void> {
    const { config, task, engines, folder, onEvent } = this.#parts
    folder.ensureHeld()
    flush()
    const content = {
      step,
      epoch,
      batch,
      config: configHash(withoutSafeKeys(config)),
      state: await engines[0].readState(),
      extra: {
        ...writeSums(sums),
        data: task.identity,
        plan: this.#plan!,
        ...this.#savedCallbacks(),
        ...this.#savedBest(),
      },
    }
    const path = writeCheckpoint(folder.path, content, {
      keep: config.training.keepCheckpoints,
      alsoKeep: this.#best.current === undefined ? [] : [this.#best.current.step],
    })
    this.#lastCheckpoint = path
    onEvent({ kind: 'checkpoint', path })
  }

  #savedBest(): { readonly best?: BestCheckpoint & JsonObject } {
    const best = this.#best.current
    return best === undefined ? {} : { best: { ...best } }
  }

  #savedCallbacks(): { readonly callbacks?: Json } {
    const callbacks = this.#callbacks.save()
    return callbacks === undefined ? {} : { callbacks }
  }

  #summary(result: Evaluated | undefined, interrupted: boolean, seconds: number): TrainSummary {
    const { task, folder } = this.#parts
    const { parameters, activeParameters, multiplyAdds } = task.facts
    return {
      run: folder.path,
      interrupted,
      split: this.#test.split,
      measures: result?.measures ?? {},
      seconds,
      cost: { parameters, activeParameters, multiplyAdds },
      ...this.#savedBest(),
      layers: result === undefined ? [] : layerSummaries(result, task.data.classes),
    }
  }
}
