import { fail } from '../base/errors.ts'
import { type FoundRate, findLearningRate } from '../train/find-learning-rate.ts'
import type { TrainFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { planTraining } from './plan.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import { bar, clean, type Paint, painter, wrap } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety train --find-lr`; returns the exit code. */
export async function runFindLr(name: string | undefined, flags: TrainFlags): Promise<number> {
  if (flags.resume === true || flags.resumeAuto === true)
    fail({
      kind: 'usage',
      message: '--find-lr begins at the first state, so it excludes --resume',
      help: 'give one of them',
    })
  // A folder that is named is not made; nothing is written.
  const { config, notes } = await planTraining(name, { ...flags, out: flags.out ?? 'find-lr' })
  const progress = createProgress(process.stderr, 1)
  for (const note of notes) progress.say(`note: ${clean(note)}`)
  try {
    return await endedBySignal(async signal => {
      const found = await findLearningRate({ config, signal, onEvent: progress.show })
      progress.end()
      if (flags.json) printJson(found)
      else print(findReport(found, config.optimizer.learningRate, painter(process.stdout)))
    })
  } finally {
    progress.end()
  }
}

const rows = 20
const barWidth = 30

/** Every few rates with their losses, and which one to take. */
export function findReport(
  { tried, valley, tenthOfBest, diverged }: FoundRate,
  usual: number,
  paint: Paint,
): string {
  const table = borderless(['learning rate', 'loss', 'smoothed', ''], paint, [
    'right',
    'right',
    'right',
    'left',
  ])
  // What grows beyond bounds would leave nothing to see of the rest.
  const most = 1.5 * (tried[0]?.smoothed ?? 1)
  const every = Math.max(1, Math.ceil(tried.length / rows))
  for (const [i, { rate, loss, smoothed }] of tried.entries())
    if (i % every === 0 || i === tried.length - 1)
      table.push([
        rate.toExponential(1),
        loss.toFixed(3),
        smoothed.toFixed(3),
        bar(Math.min(1, smoothed / most), barWidth),
      ])
  const last = tried.at(-1)?.rate.toExponential(1) ?? 'the first rate'
  return [
    table.toString().replaceAll(/^/gm, ' '),
    diverged
      ? `The loss grew beyond bounds at ${last}; no higher rate was tried.`
      : `The loss did not grow beyond bounds up to ${last}.`,
    valley === null || tenthOfBest === null
      ? paint.warn(
          'The loss fell at no rate, so none is suggested: look at the data, or try a larger network.',
        )
      : wrap(
          `The middle of its fall is at ${valley.toExponential(1)}; a tenth of the rate where it was smallest is ${tenthOfBest.toExponential(1)}. The configuration has ${usual}. Suggestion: --lr ${valley.toPrecision(2)}`,
        ),
  ].join('\n\n')
}
