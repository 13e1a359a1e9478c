import type { Config } from '../config/config.ts'
import type { Progress } from '../data/index.ts'
import { progressEvent, stoppedBy, type TrainEvent } from '../run/events.ts'
import { startEngines } from '../runtime/engines.ts'
import { openTask } from '../tasks/kinds.ts'
import type { Task } from '../tasks/task.ts'
import { requireTraining } from './device-probe.ts'
import { startingPoint } from './starting-point.ts'
import { TrainingPrograms } from './training-programs.ts'

/** What is tried. */
export interface FindOptions {
  readonly config: Config
  readonly task?: Task | undefined
  /** Steps, each at a higher rate. Default: 100. */
  readonly steps?: number
  /** The first rate. Default: 1e-7. */
  readonly from?: number
  /** The last one. Default: 10. */
  readonly to?: number
  readonly signal?: AbortSignal | undefined
  /** Receives progress, warnings and notes. */
  readonly onEvent?: (event: TrainEvent) => void
}

/** The loss at a learning rate. */
export interface TriedRate {
  readonly rate: number
  readonly loss: number
  /** A moving average over the steps so far. */
  readonly smoothed: number
}

/** What the learning rates brought. */
export interface FoundRate {
  readonly tried: readonly TriedRate[]
  /** In the middle of the smoothed loss's longest fall (see `valleyOf`); null where it does not fall. */
  readonly valley: number | null
  /** A tenth of the rate where it is smallest. */
  readonly tenthOfBest: number | null
  /** Whether the loss grew so much, or was not finite, that no higher rate was tried. */
  readonly diverged: boolean
}

/**
 * Learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017; with a rate that grows by a factor
 * and stops at four times the smallest loss, as fastai's `lr_find`): trains from the first state with rates that rise from step to
 * step. Nothing is written, and the state is thrown away.
 *
 * @throws MoietyError as `train`
 */
export async function findLearningRate(options: FindOptions): Promise<FoundRate> {
  const { config, steps = 100, from = 1e-7, to = 10 } = options
  const onEvent = stoppedBy(options.signal, options.onEvent)
  await requireTraining([config], { signal: options.signal })
  const engines = await startEngines({
    ...config.engine,
    replicas: config.training.replicas,
    isTried: true,
  })
  try {
    const onProgress = (progress: Progress) => onEvent(progressEvent(progress))
    const task = options.task ?? (await openTask(config, { onProgress }))
    task.checkTrainable()
    const { optimizer, training, seed } = config
    const programs = new TrainingPrograms(
      engines,
      {
        write: form => ({ objective: task.objective(form), form, optimizer, clipNorm: training.clipNorm }),
        accumulate: training.accumulate ?? 1,
      },
      seed,
    )
    const usual = await programs.for(task.forms(0)[0]!)
    await startingPoint({
      config,
      data: { identity: task.identity, title: task.data.title, categoryIds: task.data.categoryIds },
      engine: engines[0],
      step: usual.facts,
      checkpoint: undefined,
      epochsBefore: training.epochs,
      stepsPerEpoch: task.stepsPerEpoch,
      onNote: message => onEvent({ kind: 'note', message }),
    })
    await programs.spread(usual)
    const rates = ramp(steps, from, to)
    const losses: number[] = []
    for (const [step, rate] of rates.entries()) {
      const epoch = Math.floor(step / task.stepsPerEpoch)
      const batch = await task.load(task.batches(epoch)[step % task.stepsPerEpoch]!, epoch)
      const { outputs, committed } = await (await programs.for(batch.form)).take(batch, { step, epoch, rate })
      if (!committed) break
      losses.push(Number(outputs.get('loss')!.data[0]))
      onEvent({ kind: 'progress', what: 'trying learning rates', done: step + 1, total: steps })
      if (hasDiverged(smooth(losses))) break
    }
    return foundIn(rates, losses)
  } finally {
    await Promise.all(engines.map(engine => engine.stop()))
  }
}

/** Rates whose logarithms are evenly apart. */
export function ramp(steps: number, from: number, to: number): number[] {
  return Array.from({ length: steps }, (_, i) => from * (to / from) ** (steps === 1 ? 0 : i / (steps - 1)))
}

const smoothing = 0.9

/** Exponential means of the values so far, without the zero that such a mean begins with (Adam's correction). */
export function smooth(values: readonly number[]): number[] {
  let mean = 0
  return values.map((value, i) => {
    mean = smoothing * mean + (1 - smoothing) * value
    return mean / (1 - smoothing ** (i + 1))
  })
}

const hasDiverged = (smoothed: readonly number[]): boolean => smoothed.at(-1)! > 4 * Math.min(...smoothed)

/** First steps that are not suggested, for their means are of few steps; a shorter fall is none. */
const warm = 10

/**
 * The middle of the longest fall, which steps that rise may interrupt: fastai's `valley`. Unlike the steepest place it does not
 * depend on the noise of single batches.
 */
function valleyOf(losses: readonly number[]): number | undefined {
  const lengths = losses.map(() => 1)
  let end = 0
  for (let i = 1; i < losses.length; i++) {
    for (let j = 0; j < i; j++)
      if (losses[i]! < losses[j]! && lengths[i]! < lengths[j]! + 1) lengths[i] = lengths[j]! + 1
    if (lengths[end]! < lengths[i]!) end = i
  }
  const longest = lengths[end] ?? 0
  if (longest < warm) return undefined
  const section = longest / 3
  return end - longest + Math.floor(section) + Math.floor(section / 2)
}

/**
 * @param rates - that were to be tried
 * @param losses - of as many of them as were
 */
export function foundIn(rates: readonly number[], losses: readonly number[]): FoundRate {
  const smoothed = smooth(losses)
  const tried = losses.map((loss, i) => ({ rate: rates[i]!, loss, smoothed: smoothed[i]! }))
  const valley = valleyOf(smoothed)
  const best = tried.slice(warm).reduce((a, b) => (b.smoothed < a.smoothed ? b : a), {
    rate: Number.NaN,
    smoothed: Infinity,
  })
  return {
    tried,
    valley: valley === undefined ? null : rates[valley]!,
    tenthOfBest: valley === undefined || Number.isNaN(best.rate) ? null : best.rate / 10,
    diverged: tried.length < rates.length || (smoothed.length > 0 && hasDiverged(smoothed)),
  }
}
