import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.ts'
import { Engine, type EngineOptions } from './index.ts'

/** One for each data-parallel replica. The first one has the whole state and provides checkpoints. */
export type Engines = readonly [Engine, ...Engine[]]

/** Devices and threads of a training. */
export interface EnginesOptions extends Pick<EngineOptions, 'device' | 'profile' | 'isTried' | 'api'> {
  /** Number of data-parallel replicas (R). */
  readonly replicas: number
  /** Threads of all engines together, at least one each; null: all cores. */
  readonly threads: number | null
}

/**
 * Starts R engines, which divide the threads between them; where there are fewer threads than engines, each has one.
 *
 * @throws MoietyError `usage` as `Engine.start` does, none is left running then; for several engines on another device than a
 *   processor
 */
export async function startEngines({ replicas, threads, ...options }: EnginesOptions): Promise<Engines> {
  if (replicas > 1 && options.device !== undefined && options.device !== 'cpu') {
    fail({
      kind: 'usage',
      message: `training.replicas divides the threads of a processor between engines, but engine.device is ${options.device}`,
      where: 'training.replicas',
      help: 'set training.replicas to 1, or engine.device to cpu',
    })
  }
  // A single engine takes all cores, or as many of its threads as there are, by itself.
  const cores = availableParallelism()
  const shares =
    replicas === 1
      ? [threads ?? undefined]
      : partSizes(Math.max(replicas, Math.min(threads ?? cores, cores)), replicas)
  const started = await Promise.allSettled(
    shares.map(share => Engine.start({ ...options, ...(share === undefined ? {} : { threads: share }) })),
  )
  const engines = started.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find(one => one.status === 'rejected')
  const [first, ...others] = engines
  if (failed !== undefined || first === undefined) {
    await Promise.all(engines.map(engine => engine.stop()))
    throw failed?.reason
  }
  return [first, ...others]
}

/** N images in R parts that differ by one at most, the larger ones first; fewer parts where there are fewer images. */
export function partSizes(images: number, parts: number): number[] {
  const count = Math.min(images, parts)
  return Array.from({ length: count }, (_, part) => Math.floor((images + count - 1 - part) / count))
}
