import { MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { Engine } from '../runtime/index.ts'
import type { TrainingStep } from './step.ts'

/**
 * Finds out where a step went bad: the same step once more from the unchanged state, asking of every tensor, in the
 * order of computation, whether it is finite.
 *
 * @param feeds - what the failed step was fed
 * @returns the error to end the training with (kind `diverged`, exit code 4)
 */
export async function divergence(
  engine: Engine,
  step: TrainingStep,
  feeds: ReadonlyMap<string, HostTensor>,
  moment: { readonly step: number; readonly loss: number; readonly checkpoint: string | undefined },
): Promise<MoietyError> {
  const { program, labels } = step.diagnosis()
  const needed = new Set(program.inputs.map(({ name }) => name))
  const loaded = await engine.load(program)
  const results = await loaded.run(new Map([...feeds].filter(([name]) => needed.has(name))))
  await loaded.release()
  const checks = results.get('checks')!.data
  const first = labels.find((_, i) => Number.isNaN(checks[i]))
  const kept =
    moment.checkpoint === undefined
      ? 'there is no checkpoint yet'
      : `the last good checkpoint is ${moment.checkpoint}`
  const what =
    first === undefined
      ? 'every tensor of the forward and backward pass is finite, so their sums overflowed'
      : `the first tensor that is not finite is "${first}"`
  return new MoietyError({
    kind: 'diverged',
    message: `training diverged in step ${moment.step}: the loss or the gradient's norm is not finite (loss ${moment.loss}); ${what}`,
    where: first ?? 'gradientNorm',
    help: `${kept}; lower optimizer.learningRate, add a warm-up, or set training.clipNorm`,
  })
}
