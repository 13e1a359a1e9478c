import type { ModelConfig } from '../config/config.ts'
import { unclaimRunFolder } from '../run/run-folder.ts'
import { train } from '../train/train.ts'
import type { TrainFlags } from './flags.ts'
import { followSweep, triedBySweep } from './follow-sweep.ts'
import { print, printJsonLine } from './output.ts'
import { planTraining } from './plan.ts'
import { createProgress } from './progress.ts'
import { clean, painter, wrap } from './screen.ts'
import { exitCodeOf, interruptible } from './signals.ts'
import { startDashboard } from './start-dashboard.ts'

/**
 * `moiety train`; returns the exit code.
 *
 * @param triedDevices - that need not be tried again
 */
export async function runTraining(
  name: string | undefined,
  flags: TrainFlags,
  triedDevices = triedBySweep(),
): Promise<number> {
  const tellSweep = followSweep()
  const plan = await planTraining(name, flags)
  const progress = createProgress(process.stderr, plan.config.training.epochs)
  const { config } = plan
  for (const note of plan.notes) progress.say(`note: ${clean(note)}`)
  const layers = config.model.moe.map(layer => layer.position)
  const mixture = layers.length === 0 ? '' : `, experts at position ${layers.join(', ')}`
  progress.say(
    wrap(
      `${plan.resume ? 'Resuming' : 'Training'} ${clean(plan.recipe)}: ${networkName(config.model)}` +
        `${mixture}, on ${config.data.name}, seed ${config.seed}, in ${clean(plan.run)}`,
    ),
  )
  const dashboard =
    flags.watch === true ? await startDashboard(plan.run, text => progress.say(text)) : undefined
  try {
    const { value: summary, signal } = await interruptible(
      (abort, setUnsaved) =>
        train({
          ...plan,
          triedDevices,
          signal: abort,
          onEvent: event => {
            // Until then a checkpoint would have nothing in it, and data, graphs or a lock can take long.
            if (event.kind === 'start') setUnsaved(true)
            // Programs can take minutes to make, and the main thread hears no signal meanwhile.
            if (event.kind === 'preparing') setUnsaved(event.isDone)
            progress.show(event)
            tellSweep(event)
            if (flags.json) printJsonLine(event)
          },
        }),
      () => progress.say('stopping after a checkpoint; once more ends at once'),
      { startsUnsaved: true },
    )
    progress.end()
    if (flags.json) printJsonLine({ kind: 'summary', ...summary })
    else {
      const { trainReport } = await import('./report.ts')
      print(`\n${trainReport(summary, painter(process.stdout), config.use?.files)}`)
    }
    return summary.interrupted && signal !== undefined ? exitCodeOf(signal) : 0
  } catch (cause) {
    // Refused before anything was written, for its device or its data: the folder would be taken for a run.
    if (plan.isClaimed || dashboard !== undefined) unclaimRunFolder(plan.run)
    throw cause
  } finally {
    dashboard?.stop()
    progress.end()
  }
}

function networkName({ network, name, width }: ModelConfig): string {
  return network === undefined ? `${name} of width ${width}` : `the network ${clean(network.name)}`
}
