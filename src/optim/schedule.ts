import { fail } from '../base/errors.ts'
import type { OptimizerConfig } from './optimizers/registry.ts'
import type { ScheduleDefinition } from './schedules/definition.ts'
import { type ScheduleConfig, schedules } from './schedules/registry.ts'

/** Where a step stands in the training; `step` counts from 0 over all epochs. */
export interface ScheduleMoment {
  readonly step: number
  readonly stepsPerEpoch: number
  readonly epochs: number
}

/**
 * The learning rate of one step, a pure function of its number.
 *
 * With t the time in epochs (step ÷ steps per epoch) and t < W, the warm-up: from + (to − from)·t/W, with t cut to whole epochs for
 * `by: 'epoch'` (torch's `LinearLR`; METHOD.md §4.1's warm-ups are from 1e-5 to 1e-3, or from 4.5e-5 to 9.45e-4, in 20 epochs).
 * After it, as the schedule's file says.
 *
 * @throws MoietyError (usage) where that is no rate, for a schedule that is not known, or one with numbers missing
 */
export function scheduleAt(
  schedule: ScheduleConfig,
  optimizer: OptimizerConfig,
  moment: ScheduleMoment,
): number {
  const definition: ScheduleDefinition = schedules.get(schedule.name)
  const rate = rateAt(definition, schedule, optimizer.learningRate, moment)
  if (typeof rate === 'number' && Number.isFinite(rate) && rate >= 0) return rate
  return fail({
    kind: 'usage',
    message: `the schedule ${JSON.stringify(schedule.name)} gives a learning rate of ${rate} at step ${moment.step}; expected a finite number of at least 0`,
    where: 'schedule',
    help: 'give the schedule and optimizer.learningRate all of their numbers, as resolveConfig does',
  })
}

function rateAt(
  definition: ScheduleDefinition,
  schedule: ScheduleConfig,
  rate: number,
  { step, stepsPerEpoch, epochs }: ScheduleMoment,
): unknown {
  const { warmup } = schedule
  const warmSteps = warmup === null ? 0 : warmup.epochs * stepsPerEpoch
  const epoch = Math.floor(step / stepsPerEpoch)
  if (warmup !== null && step < warmSteps) {
    const time = warmup.by === 'epoch' ? epoch : step / stepsPerEpoch
    return warmup.from + (((warmup.to ?? rate) - warmup.from) * time) / warmup.epochs
  }
  return definition.rateAt(schedule, {
    rate,
    step,
    steps: stepsPerEpoch * epochs,
    stepsPerEpoch,
    epoch,
    warmSteps,
  })
}
