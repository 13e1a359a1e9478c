import { MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { Engine } from '../runtime/index.ts'
import type { Diagnosis } from './step.ts'

/** When a training failed, and what is left of it. */
export interface FailedMoment {
  readonly step: number
  readonly loss: number
  readonly checkpoint: string | undefined
}

/**
 * Finds out where a step went bad: the same passes once more from the unchanged state, asking of every tensor, in the order
 * of computation, whether it is finite.
 *
 * @param feeds - what the failed step was fed; may hold more than the passes ask for
 * @returns the label of the first tensor that is not; undefined where all are finite
 */
export async function firstNonFinite(
  engine: Engine,
  { program, labels }: Diagnosis,
  feeds: ReadonlyMap<string, HostTensor>,
): Promise<string | undefined> {
  const needed = new Set(program.inputs.map(({ name }) => name))
  const loaded = await engine.load(program, { seldom: true })
  const results = await loaded.run(new Map([...feeds].filter(([name]) => needed.has(name))))
  await loaded.release()
  const checks = results.get('checks')!.data
  return labels.find((_, i) => Number.isNaN(checks[i]))
}

/** The error to end a training with (kind `diverged`, exit code 4). */
export function divergence(first: string | undefined, { step, loss, checkpoint }: FailedMoment): MoietyError {
  const kept =
    checkpoint === undefined ? 'there is no checkpoint yet' : `the last good checkpoint is ${checkpoint}`
  const what =
    first === undefined
      ? 'every tensor of the forward and backward pass is finite, so their sums overflowed'
      : `the first tensor that is not finite is "${first}"`
  return new MoietyError({
    kind: 'diverged',
    message: `training diverged in step ${step}: the loss, the gradient's norm or a new statistic is not finite (loss ${loss}); ${what}`,
    where: first ?? 'gradientNorm',
    help: `${kept}; lower optimizer.learningRate, add a warm-up, or set training.clipNorm`,
  })
}
