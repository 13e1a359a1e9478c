/** The doors to training and evaluation, opened only when a command goes through them. */
import type { EvalOptions, EvalSummary } from '../evaluate/index.ts'
import type { TrainSummary } from '../run/events.ts'
import type { TrainOptions } from '../train/index.ts'

export type { EvalOptions, EvalSummary, TrainOptions }

export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { train: run } = await import('../train/loop.ts')
  return await run(options)
}

export async function evaluateRun(options: EvalOptions): Promise<EvalSummary> {
  const { evaluateRun: run } = await import('../evaluate/index.ts')
  return await run(options)
}
