import {
  addBatch,
  addStep,
  adopt,
  type Config,
  classifierOf,
  collapses,
  counterValues,
  describedExamples,
  type EpochSums,
  type EvaluationProgram,
  emptyEpoch,
  emptySums,
  encodeLine,
  epochMeans,
  evaluationProgram,
  type HostTensor,
  isJsonObject,
  type Json,
  type JsonObject,
  type LayerInfo,
  type LayerStats,
  MoietyError,
  makeBatch,
  readPlan,
  refuseExceeded,
  SquareBatches,
  type State,
  scheduleAt,
  stepFeeds,
  stepLayers,
  type TrainingStep,
  trainingStep,
  utilization,
  writeSums,
} from 'moiety/step'
import { classPreference } from './class-preference.ts'
import { type ImageData, splitOf } from './data.ts'
import type { LoadedProgram, TrainingEngine, Values } from './engine.ts'

/** Where a training stands, whole: from it another engine goes on, and a run's folder is written. */
export interface Snapshot {
  readonly config: Config
  readonly step: number
  readonly epoch: number
  /** Batches of the epoch that are done. */
  readonly batch: number
  readonly sums: EpochSums
  readonly state: State
  /** Lines of `metrics.jsonl`. */
  readonly log: readonly string[]
  /** What the checkpoint of a run that was opened remembers besides. */
  readonly extra: Json
}

/** What a step says of one mixture of experts. */
export interface LayerStep {
  /** Share of each expert in the batch's weights. */
  readonly importance: readonly number[]
  /** Experts that a hard constraint has closed in this step. */
  readonly closed: readonly number[]
}

export interface StepReport {
  /** Steps done. */
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly taskLoss: number
  readonly auxLoss: number
  /** Share of the batch's images that were right. */
  readonly top1: number
  readonly layers: readonly LayerStep[]
  readonly seconds: number
}

/** How the network sees the held-out images. */
export interface TestReport {
  readonly step: number
  readonly loss: number
  readonly top1: number
  readonly top5: number
  readonly layers: readonly LayerStats[]
  /** By layer, [N, E]. */
  readonly weights: readonly Float32Array[]
  readonly logits: readonly Float32Array[]
  /** Of the last layer, see `classPreference`; undefined where it is not known. */
  readonly classPreference: number | undefined
  readonly seconds: number
}

/** How it sees one image. */
export interface Look {
  readonly classes: Float32Array
  readonly weights: readonly Float32Array[]
  readonly logits: readonly Float32Array[]
}

interface Ready {
  readonly step: TrainingStep
  readonly loaded: LoadedProgram
}

/** Images that are tested at a time. */
const testBatch = 100

/**
 * A training of a classifier as `moiety train` does it: the same programs, batches, noise and learning rates, in the same order,
 * so that a run can go on here or there. It is told when to take a step.
 */
export class Training {
  readonly config: Config
  readonly layers: readonly LayerInfo[]
  readonly #batches: SquareBatches | undefined
  readonly #programs = new Map<number, Ready>()
  readonly #log: string[]
  readonly #extra: Json
  readonly #testFeeds: Values[] = []
  #evaluator: LoadedProgram | undefined
  #step: number
  #epoch: number
  #batch: number
  #sums: EpochSums

  private constructor(
    readonly engine: TrainingEngine,
    /** Undefined where a run is only looked at. */
    readonly data: ImageData | undefined,
    readonly classes: number,
    readonly evaluation: EvaluationProgram,
    first: Snapshot,
    readonly isTrainable: boolean,
  ) {
    this.config = first.config
    this.layers = evaluation.layers
    this.#batches =
      data === undefined ? undefined : new SquareBatches(first.config, data.train.labels.length, data.size)
    this.#step = first.step
    this.#epoch = first.epoch
    this.#batch = first.batch
    this.#sums = first.sums
    this.#log = [...first.log]
    this.#extra = first.extra
  }

  /**
   * Writes the programs and puts the first state, or that of a snapshot, into the engine.
   *
   * @param from - a configuration to begin with, or where to go on
   * @param options.size - height and width of an image, and classes, where there is no data
   */
  static async begin(
    engine: TrainingEngine,
    from: Config | Snapshot,
    data: ImageData | undefined,
    options: { readonly isTrainable?: boolean; readonly size?: number; readonly classes?: number } = {},
  ): Promise<Training> {
    const { isTrainable = data !== undefined } = options
    const config = 'state' in from ? from.config : from
    const classes = data?.classes.length ?? options.classes ?? 0
    const size = data?.size ?? options.size ?? config.data.size
    const classifier = classifierOf(config.model, { classes })
    const evaluation = evaluationProgram({ classifier, size })
    const batch = Math.min(config.training.batch, data?.train.labels.length ?? config.training.batch)
    const usual = isTrainable ? stepOf(config, classes, size, batch) : undefined
    const snapshot: Snapshot =
      'state' in from
        ? from
        : {
            config,
            ...{ step: 0, epoch: 0, batch: 0, log: [], extra: null },
            sums: emptyEpoch(evaluation.layers),
            state: usual!.initialState(config.seed),
          }
    if (usual !== undefined) refuseOtherState(usual.initialState(config.seed), snapshot.state)
    await engine.setState(snapshot.state)
    const loaded = usual === undefined ? undefined : await load(engine, usual)
    const training = new Training(engine, data, classes, evaluation, snapshot, isTrainable)
    if (usual !== undefined && loaded !== undefined) training.#programs.set(batch, { step: usual, loaded })
    return training
  }

  get step(): number {
    return this.#step
  }

  get parameters(): number {
    return this.evaluation.parameters
  }

  get isDone(): boolean {
    return this.#epoch >= this.config.training.epochs
  }

  /** Takes one step. At the end of an epoch the held-out images are tested, which `tested` is given. */
  async takeStep(): Promise<{ readonly report: StepReport; readonly tested: TestReport | undefined }> {
    const { config, data } = this
    if (data === undefined || this.#batches === undefined || !this.isTrainable)
      throw new MoietyError({
        kind: 'usage',
        message: 'this run can only be looked at here',
        help: 'moiety train --resume continues it',
      })
    const started = performance.now()
    const numbers = this.#batches.batches(this.#epoch)[this.#batch]!
    const { step, loaded } = await this.#programFor(numbers.length)
    const { augmentation, seed, training } = config
    const { images, labels } = await makeBatch(splitOf(data.train, data.size), numbers, {
      ...{ mean: data.mean, std: data.std, augmentation, seed, epoch: this.#epoch, classes: this.classes },
    })
    const rate = scheduleAt(config.schedule, config.optimizer, {
      step: this.#step,
      stepsPerEpoch: this.#batches.stepsPerEpoch,
      epochs: training.epochs,
    })
    const moment = { step: this.#step, epoch: this.#epoch, rate }
    const feeds = stepFeeds(
      step,
      new Map([
        ['images', images],
        ['labels', labels],
      ]),
      moment,
      seed,
    )
    const { outputs, committed } = await loaded.step(feeds, step)
    const value = (name: string): number => Number(outputs.get(name)!.data[0])
    if (!committed) {
      refuseExceeded(step, outputs)
      throw new MoietyError({
        kind: 'diverged',
        message: `step ${this.#step} gave a loss or a gradient that is not finite`,
        help: 'lower the learning rate, and restart',
      })
    }
    this.#step += 1
    this.#batch += 1
    addStep(this.#sums, step, outputs, numbers.length)
    const losses = { loss: value('loss'), taskLoss: value('taskLoss'), auxLoss: value('auxLoss') }
    const accuracy = { top1: value('correct1') / numbers.length, top5: value('correct5') / numbers.length }
    this.#write({
      kind: 'step',
      step: this.#step,
      epoch: this.#epoch,
      ...losses,
      gradientNorm: value('gradientNorm'),
      weightNorm: value('weightNorm'),
      learningRate: rate,
      ...accuracy,
      layers: stepLayers(step.layers, outputs),
    })
    const seconds = (performance.now() - started) / 1000
    this.#sums.seconds += seconds
    const report: StepReport = {
      step: this.#step,
      epoch: this.#epoch,
      ...losses,
      top1: accuracy.top1,
      layers: step.layers.map(({ name }) => layerStep(name, outputs)),
      seconds,
    }
    const tested = this.#batch < this.#batches.stepsPerEpoch ? undefined : await this.#endEpoch()
    return { report, tested }
  }

  async #endEpoch(): Promise<TestReport> {
    const { measures, ...means } = epochMeans(this.#sums)
    const { correct1 = 0, correct5 = 0 } = measures
    const moment = { epoch: this.#epoch, step: this.#step }
    const { seconds } = this.#sums
    this.#write({
      kind: 'epoch',
      ...moment,
      split: 'train',
      ...{
        loss: means.loss,
        taskLoss: means.taskLoss,
        auxLoss: means.auxLoss,
        top1: correct1,
        top5: correct5,
      },
      ...{ layers: means.layers, seconds },
    })
    const tested = await this.test()
    const { loss, top1, top5, layers } = tested
    this.#writeExamples(moment, tested)
    this.#write({
      kind: 'epoch',
      ...moment,
      split: 'test',
      ...{ loss, taskLoss: loss, auxLoss: 0, top1, top5, layers, seconds: tested.seconds },
    })
    for (const alarm of collapses(layers, this.config.training.collapse))
      this.#write({ kind: 'alarm', ...moment, ...alarm })
    this.#epoch += 1
    this.#batch = 0
    this.#sums = emptyEpoch(this.layers)
    return tested
  }

  #writeExamples(
    moment: { readonly epoch: number; readonly step: number },
    { weights, logits }: TestReport,
  ): void {
    if (this.layers.length === 0) return
    const { test, classes } = this.data!
    const routing = this.layers.map(({ name, experts, k, inputs }, i) => ({
      ...{ name, experts, k, inputs },
      weights: weights[i]!,
      logits: logits[i]!,
    }))
    const items = Array.from(test.labels, (label, image) => ({ image, label, level: 0 }))
    const layers = describedExamples(routing, items, classes)
    this.#write({ kind: 'examples', ...moment, split: 'test', layers })
  }

  #write(line: { readonly kind: string; readonly step: number; readonly [member: string]: unknown }): void {
    this.#log.push(encodeLine(line))
  }

  async #programFor(images: number): Promise<Ready> {
    const known = this.#programs.get(images)
    if (known !== undefined) return known
    const step = stepOf(this.config, this.classes, this.data!.size, images)
    const made = { step, loaded: await load(this.engine, step) }
    this.#programs.set(images, made)
    return made
  }

  /** Made when it is needed, so that nothing is in the way of the first step. */
  async #evaluating(): Promise<LoadedProgram> {
    this.#evaluator ??= await this.engine.load(this.evaluation.program)
    return this.#evaluator
  }

  /** Shows the network all held-out images. */
  async test(): Promise<TestReport> {
    const started = performance.now()
    const { data, layers } = this
    if (data === undefined)
      throw new MoietyError({
        kind: 'usage',
        message: 'there are no images to test on',
        help: 'drop the data of the run',
      })
    const count = data.test.labels.length
    const sums = layers.map(({ name, experts }) => emptySums(name, experts))
    const rows = () => layers.map(({ experts }) => new Float32Array(count * experts))
    const [weights, logits] = [rows(), rows()]
    let [loss, correct1, correct5] = [0, 0, 0]
    const evaluating = await this.#evaluating()
    for (const [number, feeds] of (await this.#feedsOfTest(data)).entries()) {
      const outputs = await evaluating.run(feeds)
      const value = (name: string): number => Number(outputs.get(name)!.data[0])
      loss += value('loss')
      correct1 += value('correct1')
      correct5 += value('correct5')
      for (const [i, layer] of layers.entries()) {
        const { name, experts } = layer
        const own = floatsOf(outputs, `${name}.weights`)
        weights[i]!.set(own, number * testBatch * experts)
        logits[i]!.set(floatsOf(outputs, `${name}.logits`), number * testBatch * experts)
        const importance = new Array<number>(experts).fill(0)
        const activation = new Array<number>(experts).fill(0)
        for (const [at, weight] of own.entries()) {
          importance[at % experts]! += weight
          activation[at % experts]! += weight > 0 ? 1 : 0
        }
        const counters = counterValues(name, layer.counters, outputs)
        addBatch(sums[i]!, { importance, activation, counters, images: own.length / experts })
      }
    }
    return {
      step: this.#step,
      loss: loss / count,
      top1: correct1 / count,
      top5: correct5 / count,
      layers: sums.map(utilization),
      weights,
      logits,
      classPreference:
        layers.length === 0
          ? undefined
          : classPreference(weights.at(-1)!, data.test.labels, layers.at(-1)!.experts),
      seconds: (performance.now() - started) / 1000,
    }
  }

  async #feedsOfTest(data: ImageData): Promise<readonly Values[]> {
    if (this.#testFeeds.length > 0) return this.#testFeeds
    const { test, size, mean, std } = data
    const split = splitOf(test, size)
    for (let from = 0; from < split.length; from += testBatch) {
      const indices = Array.from({ length: Math.min(testBatch, split.length - from) }, (_, i) => from + i)
      const { images, labels } = await makeBatch(split, indices, { mean, std, seed: 0, epoch: 0 })
      this.#testFeeds.push(
        new Map([
          ['images', images],
          ['labels', labels],
        ]),
      )
    }
    return this.#testFeeds
  }

  /** @param images - float32 [1, 3, S, S], normalised */
  async look(images: HostTensor): Promise<Look> {
    const labels: HostTensor = { dtype: 'int64', shape: [1], data: BigInt64Array.of(0n) }
    const outputs = await (await this.#evaluating()).run(
      new Map([
        ['images', images],
        ['labels', labels],
      ]),
    )
    return {
      classes: softmax(floatsOf(outputs, 'logits')),
      weights: this.layers.map(({ name }) => floatsOf(outputs, `${name}.weights`)),
      logits: this.layers.map(({ name }) => floatsOf(outputs, `${name}.logits`)),
    }
  }

  async snapshot(): Promise<Snapshot> {
    return {
      config: this.config,
      ...{ step: this.#step, epoch: this.#epoch, batch: this.#batch },
      sums: structuredClone(this.#sums),
      state: await this.engine.readState(),
      log: [...this.#log],
      extra: this.#extra,
    }
  }
}

/** What a checkpoint has besides the state: the epoch's sums, the data, and the plan, as `moiety train` reads them. */
export function extraOf({ extra, sums, config }: Snapshot, data: ImageData): JsonObject {
  const before = isJsonObject(extra) ? extra : {}
  const plan = readPlan(extra) ?? { epochs: config.training.epochs, extensions: [] }
  const more: JsonObject = JSON.parse(JSON.stringify({ data: data.identity, plan }))
  return { ...before, ...writeSums(sums), ...more }
}

/** @throws MoietyError where a checkpoint belongs to another network than its configuration describes */
function refuseOtherState(initial: State, state: State): void {
  const { missing, misshapen } = adopt(initial, state)
  const problem = missing[0] ?? misshapen[0]
  if (problem === undefined) return
  throw new MoietyError({
    kind: 'data',
    message: `the checkpoint does not fit config.json of the run; first: ${problem}`,
    help: 'they belong to different runs, or one of them was changed; restore matching files',
  })
}

function stepOf(config: Config, classes: number, size: number, batch: number): TrainingStep {
  const { optimizer, training, model } = config
  const { labelSmoothing, clipNorm } = training
  const classifier = classifierOf(model, { classes })
  return trainingStep({ classifier, classes, batch, size, optimizer, labelSmoothing, clipNorm })
}

async function load(
  engine: TrainingEngine,
  { program, updates, guards }: TrainingStep,
): Promise<LoadedProgram> {
  const staying = [...updates].filter(([output]) => !guards.includes(output))
  return await engine.load(program, { updates: new Map(staying) })
}

function layerStep(name: string, outputs: Values): LayerStep {
  const importance = Array.from(floatsOf(outputs, `${name}.importance`))
  const total = importance.reduce((sum, value) => sum + value, 0)
  const closed = Array.from(floatsOf(outputs, `${name}.excluded`)).flatMap((value, i) =>
    value > 0 ? [i] : [],
  )
  return { importance: importance.map(value => (total > 0 ? value / total : 0)), closed }
}

function floatsOf(outputs: Values, name: string): Float32Array {
  return Float32Array.from(outputs.get(name)?.data ?? [], Number)
}

function softmax(logits: Float32Array): Float32Array {
  const largest = Math.max(...logits)
  const powers = logits.map(logit => Math.exp(logit - largest))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map(power => power / sum)
}
