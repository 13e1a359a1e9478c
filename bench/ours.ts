import { Engine, type LoadedProgram } from 'moiety/runtime'
import { type Config, classifierOf, resolveConfig, type TrainingStep, trainingStep } from 'moiety/train'
import { type Case, classes } from './cases.js'

type Feeds = Parameters<LoadedProgram['step']>[0]
type FeedTensor = Feeds extends ReadonlyMap<string, infer Value> ? Value : never

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

/** The network and the training of a case. */
export function configOf({ name, batch, width, optimizer, labelSmoothing, moe }: Case): Config {
  const layers =
    moe === null ? [] : [{ ...moe, style: 'resblock', gate: 'gap-fc', constraint: { name: 'importance' } }]
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

/** The training step of a case. */
export function stepOf(timed: Case): TrainingStep {
  const config = configOf(timed)
  return trainingStep({
    classifier: classifierOf(config.model, { classes }),
    classes,
    batch: timed.batch,
    size: 32,
    optimizer: config.optimizer,
    labelSmoothing: timed.labelSmoothing,
    clipNorm: null,
  })
}

function feedsOf(batch: number, step: TrainingStep): Feeds {
  const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes))
  return new Map<string, FeedTensor>([
    ['images', normalTensor([batch, 3, 32, 32])],
    ['labels', { dtype: 'int64', shape: [batch], data: labels }],
    ['learningRate', { dtype: 'float32', shape: [], data: Float32Array.of(1e-3) }],
    ...step.noise.map(({ name, shape }) => [name, normalTensor(shape)] as const),
  ])
}

/** Moiety's training step of a case, ready to be timed. */
export class Ours {
  readonly parameterCount: number
  readonly #engine: Engine
  readonly #program: LoadedProgram
  readonly #step: TrainingStep
  readonly #feeds: Feeds

  private constructor(engine: Engine, program: LoadedProgram, step: TrainingStep, feeds: Feeds) {
    this.#engine = engine
    this.#program = program
    this.#step = step
    this.#feeds = feeds
    this.parameterCount = step.parameterCount
  }

  /** @param profile - prefix of the files in which the engine notes the time of each operation */
  static async prepare(timed: Case, threads: number, profile?: string): Promise<Ours> {
    const step = stepOf(timed)
    const engine = await Engine.start({ threads, ...(profile === undefined ? {} : { profile }) })
    const program = await engine.load(step.program)
    await engine.setState(step.initialState(42))
    return new Ours(engine, program, step, feedsOf(timed.batch, step))
  }

  /** Seconds that one step takes, from its feeds to its metrics. */
  async time(): Promise<number> {
    const start = performance.now()
    const { committed } = await this.#program.step(this.#feeds, this.#step)
    const seconds = (performance.now() - start) / 1000
    if (!committed)
      throw new Error('the loss of the timed step is not finite: the figures would mean nothing')
    return seconds
  }

  async stop(): Promise<void> {
    await this.#engine.stop()
  }
}
