import { fail } from '../base/errors.ts'
import type { OptimizerConfig, ScheduleConfig } from '../config/schema.ts'

/** Where a step stands in the training; `step` counts from 0 over all epochs. */
export interface ScheduleMoment {
  readonly step: number
  readonly stepsPerEpoch: number
  readonly epochs: number
}

/**
 * The learning rate of one step, a pure function of its number.
 *
 * With t the time in epochs (step ÷ steps per epoch) and η the optimizer's rate:
 *
 * - warm-up, t < W:  from + (to − from)·t/W, with t cut to whole epochs for `by: 'epoch'`
 *   (torch's `LinearLR`; METHOD.md §4.1's warm-ups are from 1e-5 to 1e-3, or from 4.5e-5 to 9.45e-4, in 20 epochs)
 * - `step`:    η·factor^m, where m milestones are at or before epoch ⌊t⌋ (`MultiStepLR`)
 * - `cosine`:  final + (η − final)·(1 + cos πp)/2, p from 0 after the warm-up towards 1 (`CosineAnnealingLR`, by step)
 * - `one-cycle`: half a cosine from η/div up to η, half a cosine down to η/div/finalDiv (`OneCycleLR`, two
 *   phases; momentum stays as it is)
 *
 * @throws MoietyError (usage) where that is no rate, for a schedule or moment with numbers missing
 */
export function scheduleAt(
  schedule: ScheduleConfig,
  optimizer: OptimizerConfig,
  moment: ScheduleMoment,
): number {
  const rate = rateAt(schedule, optimizer, moment)
  if (Number.isFinite(rate) && rate >= 0) return rate
  return fail({
    kind: 'usage',
    message: `the schedule ${JSON.stringify(schedule.name)} gives a learning rate of ${rate} at step ${moment.step}; expected a finite number of at least 0`,
    where: 'schedule',
    help: 'give the schedule and optimizer.learningRate all of their numbers, as resolveConfig does',
  })
}

function rateAt(
  schedule: ScheduleConfig,
  optimizer: OptimizerConfig,
  { step, stepsPerEpoch, epochs }: ScheduleMoment,
): number {
  const rate = optimizer.learningRate
  const total = stepsPerEpoch * epochs
  if (schedule.name === 'one-cycle') return oneCycle(schedule, rate, step, total)

  const { warmup } = schedule
  const warmSteps = warmup === null ? 0 : warmup.epochs * stepsPerEpoch
  const epoch = Math.floor(step / stepsPerEpoch)
  if (warmup !== null && step < warmSteps) {
    const time = warmup.by === 'epoch' ? epoch : step / stepsPerEpoch
    return warmup.from + (((warmup.to ?? rate) - warmup.from) * time) / warmup.epochs
  }
  switch (schedule.name) {
    case 'constant':
      return rate
    case 'step':
      return rate * schedule.factor ** schedule.milestones.filter(milestone => milestone <= epoch).length
    case 'cosine':
      return halfCosine(rate, schedule.final, (step - warmSteps) / (total - warmSteps))
  }
}

type OneCycle = Extract<ScheduleConfig, { name: 'one-cycle' }>

function oneCycle(schedule: OneCycle, peak: number, step: number, total: number): number {
  const first = peak / schedule.div
  const last = first / schedule.finalDiv
  // As torch counts: the peak is the last step of the rise, the last rate is the last step of the training.
  const top = schedule.warmFraction * total - 1
  const end = total - 1
  if (step <= top) return halfCosine(first, peak, top === 0 ? 1 : step / top)
  return halfCosine(peak, last, (step - top) / (end - top))
}

/** From `start` at p = 0 to `end` at p = 1 along half a period of the cosine. */
function halfCosine(start: number, end: number, p: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * p))) / 2
}
