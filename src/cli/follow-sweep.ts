import type { TrainEvent } from '../run/events.ts'
import { sweepVariable, type TrainerProgress, triedVariable } from '../sweep/trainer.ts'
import { scoreOf } from '../tasks/measures.ts'

const millisecondsBetween = 300

/**
 * A training that `moiety sweep` has started tells it, through Node's channel, how far it is, and ends after a checkpoint
 * when the sweep is gone: killing the sweep leaves no training behind. Any other training does nothing of this.
 */
export function followSweep(): (event: TrainEvent) => void {
  if (process.env[sweepVariable] === undefined || process.send === undefined) return () => undefined
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  // Listening alone would keep a finished training alive.
  process.channel?.unref()
  let score: TrainerProgress['score'] = null
  let last = 0
  return event => {
    if (event.kind === 'epoch' && event.split !== 'train') score = scoreOf(event.measures)
    if (event.kind !== 'step' || performance.now() - last < millisecondsBetween) return
    last = performance.now()
    const { step, steps, imagesPerSecond, secondsLeft } = event
    const progress: TrainerProgress = { step, steps, score, imagesPerSecond, secondsLeft }
    if (process.connected) process.send?.(progress, () => undefined)
  }
}

/** Devices that the sweep which has started this training has tried already. */
export function triedBySweep(): readonly string[] {
  return process.env[sweepVariable] === undefined ? [] : (process.env[triedVariable]?.split(',') ?? [])
}
