import { quietly } from '../files/careful.ts'
import { nodeDisk } from '../files/disk.ts'
import { train } from './engine.ts'
import { followSweep } from './follow-sweep.ts'
import { print, printJson } from './output.ts'
import { planTraining } from './plan.ts'
import { createProgress } from './progress.ts'
import { clean, painter, wrap } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import type { TrainFlags } from './train.ts'

/** `moiety train`; returns the exit code. */
export async function runTraining(name: string | undefined, flags: TrainFlags): Promise<number> {
  const tellSweep = followSweep()
  const plan = await planTraining(name, flags)
  const progress = createProgress(process.stderr, plan.config.training.epochs)
  const { config } = plan
  const layers = config.model.moe.map(layer => layer.position)
  const mixture = layers.length === 0 ? '' : `, experts at position ${layers.join(', ')}`
  progress.say(
    wrap(
      `${plan.resume ? 'Resuming' : 'Training'} ${clean(plan.recipe)}: ${config.model.name} of width ` +
        `${config.model.width}${mixture}, on ${config.data.name}, seed ${config.seed}, in ${clean(plan.run)}`,
    ),
  )
  try {
    const { value: summary, signal } = await interruptible(
      (abort, hasSomethingToSave) =>
        train({
          ...plan,
          signal: abort,
          onEvent: event => {
            // Until then a checkpoint would have nothing in it, and data, graphs or a lock can take long.
            if (event.kind === 'start') hasSomethingToSave()
            progress.show(event)
            tellSweep(event)
          },
        }),
      () => progress.say('stopping after a checkpoint; once more ends at once'),
      { startsUnsaved: true },
    )
    progress.end()
    if (flags.json) printJson(summary)
    else {
      const { trainReport } = await import('./report.ts')
      print(`\n${trainReport(summary, painter(process.stdout))}`)
    }
    return summary.interrupted && signal !== undefined ? exitCodeOf(signal) : 0
  } catch (cause) {
    // The folder was made for this run, which has come to nothing; one with anything in it stays.
    if (flags.out === undefined && plan.resume === false) quietly(() => nodeDisk.removeEmpty(plan.run))
    throw cause
  } finally {
    progress.end()
  }
}
