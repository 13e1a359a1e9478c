import type { Command } from 'commander'
import { fail } from '../base/errors.ts'
import type { CheckpointChoice } from '../tasks/choose-checkpoint.ts'

/** The flags by which a command that looks at a run chooses one of its checkpoints. */
export interface CheckpointFlags {
  readonly checkpoint?: string
  readonly weights?: string
}

export function addCheckpointFlags(command: Command): Command {
  return command
    .option('--checkpoint <which>', 'last, best (see training.best) or a number of steps (default: last)')
    .option('--weights <kind>', 'of a run with training.ema: ema or raw (default: ema)')
}

/** @throws MoietyError `usage` for another word */
export function checkpointChoice({ checkpoint, weights }: CheckpointFlags): CheckpointChoice {
  return {
    ...(checkpoint === undefined ? {} : { checkpoint: whichOf(checkpoint) }),
    ...(weights === undefined ? {} : { weights: weightsOf(weights) }),
  }
}

function whichOf(text: string): 'last' | 'best' | number {
  if (text === 'last' || text === 'best') return text
  const step = Number(text)
  if (/^\d{1,15}$/.test(text)) return step
  return fail({
    kind: 'usage',
    message: `expected last, best or a number of steps, came "${text}"`,
    where: '--checkpoint',
    help: 'the folders in checkpoints/ of the run are named after their steps',
  })
}

function weightsOf(text: string): 'ema' | 'raw' {
  if (text === 'ema' || text === 'raw') return text
  return fail({
    kind: 'usage',
    message: `expected ema or raw, came "${text}"`,
    where: '--weights',
    help: 'leave it out for the moving average of a run that keeps one, and else for its weights',
  })
}
