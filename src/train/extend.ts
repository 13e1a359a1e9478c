import type { Config } from '../config/config.ts'
import { scheduleAt } from '../optim/index.ts'
import type { TrainingPlan } from '../run/extensions.ts'

/**
 * The plan of a training that continues with a configuration of maybe more epochs. Only where steps that are done had other learning rates
 * than the longer training would have given them does the shorter plan count: it has led to another network than a training of so
 * many epochs from the beginning. That is so for schedules that follow the end, such as one-cycle and cosine.
 *
 * @param before - as the checkpoint has it
 * @param step - of the checkpoint
 */
export function extendedPlan(
  before: TrainingPlan,
  { optimizer, schedule, training }: Pick<Config, 'optimizer' | 'schedule' | 'training'>,
  { step, stepsPerEpoch }: { readonly step: number; readonly stepsPerEpoch: number },
): TrainingPlan {
  const { epochs } = training
  const first = before.extensions.at(-1)?.until ?? 0
  const rateAt = (at: number, length: number): number =>
    scheduleAt(schedule, optimizer, { step: at, stepsPerEpoch, epochs: length })
  for (let at = first; at < step; at++)
    if (rateAt(at, before.epochs) !== rateAt(at, epochs))
      return { epochs, extensions: [...before.extensions, { epochs: before.epochs, until: step }] }
  return { epochs, extensions: before.extensions }
}
