import type { Program } from 'moiety/graph'
import type { Device, Engine } from 'moiety/runtime'
import {
  type BatchForm,
  type Config,
  classifierOf,
  classifierStepOptions,
  type ReadyStep,
  resolveConfig,
  startEngines,
  type TaskBatch,
  TrainingPrograms,
  type TrainingStep,
  type WriteStepOptions,
  writeStep,
} from 'moiety/train'
import { type Case, classes } from './cases.js'

type FeedTensor = TaskBatch['feeds'] extends ReadonlyMap<string, infer Value> ? Value : never

/** Numbers that are normal enough: Box–Muller over two golden-ratio sequences. */
export function normalTensor(shape: readonly number[]): FeedTensor {
  const length = shape.reduce((product, extent) => product * extent, 1)
  const data = Float32Array.from({ length }, (_, i) => {
    const u = ((i + 1) * 0.6180339887498949) % 1
    const v = ((i + 1) * 0.7548776662466927) % 1
    return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v)
  })
  return { dtype: 'float32', shape, data }
}

/** Of dispatch to a capacity: what the choice of noise alone stays below, where each of more experts gets fewer images. */
const capacityFactorOf = (experts: number): number => (experts > 4 ? 2 : 1.5)

/** The network and the training of a case. */
export function configOf(
  { name, batch, width, optimizer, labelSmoothing, moe }: Case,
  dispatch: OursOptions['dispatch'] = 'sparse',
): Config {
  const capacity =
    moe !== null && dispatch === 'capacity' ? { capacityFactor: capacityFactorOf(moe.experts) } : {}
  const own = { style: 'resblock', gate: 'gap-fc', constraint: { name: 'importance' }, dispatch, ...capacity }
  const layers = moe === null ? [] : [{ ...moe, ...own }]
  return resolveConfig(
    {
      model: { name: 'resnet18', stem: 'cifar', width, moe: layers },
      optimizer:
        optimizer === 'adam'
          ? { name: 'adam' }
          : { name: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      training: { batch, labelSmoothing },
    },
    `bench ${name}`,
  )
}

/** What the training step of a case is written from. */
function writerOf(timed: Case, dispatch?: OursOptions['dispatch']): (form: BatchForm) => WriteStepOptions {
  const config = configOf(timed, dispatch)
  const classifier = classifierOf(config.model, { classes })
  return ({ images }) =>
    classifierStepOptions({
      classifier,
      classes,
      batch: images,
      size: timed.size,
      optimizer: config.optimizer,
      labelSmoothing: timed.labelSmoothing,
      clipNorm: null,
    })
}

/** The training step of a case. */
export function stepOf(timed: Case): TrainingStep {
  return writeStep(writerOf(timed)(formOf(timed)))
}

const formOf = ({ batch, size }: Case): BatchForm => ({ images: batch, height: size, width: size })

/** The class of each image of a batch. */
export const labelsOf = ({ batch }: Case): number[] => Array.from({ length: batch }, (_, i) => i % classes)

function batchOf(timed: Case): TaskBatch {
  const form = formOf(timed)
  const { images } = form
  const labels = BigInt64Array.from(labelsOf(timed), BigInt)
  return {
    form,
    feeds: new Map<string, FeedTensor>([
      ['images', normalTensor([images, 3, form.height, form.width])],
      ['labels', { dtype: 'int64', shape: [images], data: labels }],
    ]),
  }
}

/** How Moiety's step is computed. */
export interface OursOptions {
  readonly threads: number
  /** Data-parallel replicas. Default: 1. */
  readonly replicas?: number
  /** Prefix of the files in which the engine notes the time of each operation. */
  readonly profile?: string
  /** Default: the processor. */
  readonly device?: Device
  /** How a mixture sends images to experts. Default: sparse. */
  readonly dispatch?: 'sparse' | 'capacity' | 'dense'
}

/** Moiety's training step of a case, ready to be timed. */
export class Ours {
  readonly parameterCount: number
  readonly #engines: readonly Engine[]
  readonly #step: ReadyStep
  readonly #batch: TaskBatch

  private constructor(engines: readonly Engine[], step: ReadyStep, batch: TaskBatch) {
    this.#engines = engines
    this.#step = step
    this.#batch = batch
    this.parameterCount = step.facts.parameterCount
  }

  static async prepare(
    timed: Case,
    { threads, replicas = 1, profile, device = 'cpu', dispatch }: OursOptions,
  ): Promise<Ours> {
    const engines = await startEngines({
      replicas,
      threads,
      device,
      ...(profile === undefined ? {} : { profile }),
    })
    const programs = new TrainingPrograms(engines, { write: writerOf(timed, dispatch) }, 42)
    const batch = batchOf(timed)
    const step = await programs.for(batch.form)
    const state = step.facts.initialState(42)
    // Noise alone routes then, so that experts get about as many images each, as in a trained mixture.
    if (dispatch !== undefined)
      for (const [name, { data }] of state)
        if (/\.gate\.fc\.(weight|bias)$/.test(name) && data instanceof Float32Array) data.fill(0)
    await engines[0].setState(state, { transfer: true })
    await programs.spread(step)
    return new Ours(engines, step, batch)
  }

  /** The step's program, where one engine takes it. */
  get program(): Program | undefined {
    const { facts } = this.#step
    return 'program' in facts ? (facts as TrainingStep).program : undefined
  }

  /** Seconds that one step takes, from its feeds to its metrics. */
  async time(): Promise<number> {
    const start = performance.now()
    await this.#take()
    return (performance.now() - start) / 1000
  }

  /** The loss of one step. */
  async loss(): Promise<number> {
    const { outputs } = await this.#take()
    return Number(outputs.get('loss')!.data[0])
  }

  async #take(): Promise<Awaited<ReturnType<ReadyStep['take']>>> {
    const result = await this.#step.take(this.#batch, { step: 0, epoch: 0, rate: 1e-3 })
    if (!result.committed)
      throw new Error('the loss of the timed step is not finite: the figures would mean nothing')
    return result
  }

  async stop(): Promise<void> {
    await Promise.all(this.#engines.map(engine => engine.stop()))
  }
}
