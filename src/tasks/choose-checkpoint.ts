import { createHash } from 'node:crypto'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import type { Json } from '../files/json.ts'
import { averagedState, averagesOf } from '../optim/index.ts'
import { type Checkpoint, latestCheckpoint, listCheckpoints, readCheckpoint } from '../run/checkpoint.ts'

/** Which checkpoint of a run, and which of its weights. */
export interface CheckpointChoice {
  /** The newest one (`last`, the default), the one that measured best (`best`), or the one after so many steps. */
  readonly checkpoint?: 'last' | 'best' | number | undefined
  /**
   * Of a run with `training.ema`: the moving average of the weights (`ema`, the default there) or the weights themselves (`raw`,
   * which every run has).
   */
  readonly weights?: 'ema' | 'raw' | undefined
}

/** The checkpoint that has measured best so far, as a checkpoint remembers it. */
const bestSchema = z.object({
  measure: z.string(),
  value: z.number(),
  step: z.int().nonnegative(),
  epoch: z.int().nonnegative(),
})
export type BestCheckpoint = z.output<typeof bestSchema>

/** The part of a checkpoint's `extra` that says which one was best; undefined where none was tested yet. */
export function rememberedBest(extra: Json): BestCheckpoint | undefined {
  return z.object({ best: bestSchema }).safeParse(extra).data?.best
}

/** A checkpoint whose state holds the weights that were chosen, and what to call it. */
export interface ChosenCheckpoint extends Checkpoint {
  /** `step 120 (best: top1 0.713), moving average of the weights`. */
  readonly description: string
}

/**
 * A checkpoint of a run, by default its newest one with the weights that the run is tested with.
 *
 * @throws MoietyError `usage` where there is none, or none such; `disk` where it is damaged
 */
export function chosenCheckpoint(run: string, choice: CheckpointChoice = {}): ChosenCheckpoint {
  const { checkpoint: which = 'last' } = choice
  const newest = which === 'last' || which === 'best' ? newestOf(run) : undefined
  const best = newest && rememberedBest(newest.extra)
  if (which === 'best' && best === undefined)
    fail({
      kind: 'usage',
      message: 'the run has no best checkpoint: none of its checkpoints was written after a test',
      where: run,
      help: 'leave --checkpoint out for the newest one; a training tests after every training.evaluateEvery epochs',
    })
  const step = which === 'best' ? best!.step : which
  const found = typeof step === 'number' && step !== newest?.step ? checkpointAt(run, step) : newest!
  const isBest = best !== undefined && best.step === found.step
  const note = isBest ? ` (best so far: ${best.measure} ${best.value.toPrecision(4)})` : ''
  return withWeights(found, choice.weights, run, `step ${found.step}${note}`)
}

function newestOf(run: string): Checkpoint {
  const { checkpoint } = latestCheckpoint(run, { fallback: false })
  if (checkpoint !== undefined) return checkpoint
  return fail({
    kind: 'usage',
    message: 'the run has no checkpoint yet',
    where: run,
    help: 'a training writes one after each epoch; wait for it, or resume the training',
  })
}

function checkpointAt(run: string, step: number): Checkpoint {
  const places = listCheckpoints(run)
  const place = places.find(one => one.step === step)
  if (place !== undefined) return readCheckpoint(place.path)
  const known = places.map(one => one.step)
  return fail({
    kind: 'usage',
    message:
      known.length === 0
        ? 'the run has no checkpoint yet'
        : `the run has no checkpoint of step ${step}, only of ${known.join(', ')}`,
    where: run,
    help: 'name one of them, last or best; training.keepCheckpoints says how many are kept besides the best',
  })
}

/** The chosen weights under the names of the model, so that readers of the state need not handle averages. */
function withWeights(
  checkpoint: Checkpoint,
  wanted: CheckpointChoice['weights'],
  run: string,
  description: string,
): ChosenCheckpoint {
  const averages = averagesOf(checkpoint.state.keys())
  if (averages.length === 0) {
    if (wanted === 'ema')
      fail({
        kind: 'usage',
        message: 'the run keeps no moving average of its weights',
        where: run,
        help: 'leave --weights out; a run with training.ema keeps one',
      })
    return { ...checkpoint, description }
  }
  if (wanted === 'raw')
    return {
      ...checkpoint,
      // Of the same files, but not the same network.
      identity: createHash('sha256').update(`${checkpoint.identity} raw`).digest('hex'),
      description: `${description}, weights without average`,
    }
  return {
    ...checkpoint,
    state: averagedState(checkpoint.state),
    description: `${description}, moving average of the weights`,
  }
}
