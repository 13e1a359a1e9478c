import { fail } from '../base/errors.ts'
import type { State } from '../base/tensor.ts'
import {
  type Config,
  configDifferences,
  type Difference,
  resolveConfig,
  unsafeDifferences,
  withoutSafeKeys,
} from '../config/config.ts'
import { excerpt } from '../files/json-text.ts'
import { adopt } from '../nn/index.ts'
import type { Checkpoint, DamagedCheckpoint } from '../run/checkpoint.ts'
import { metricsPath, readMetrics } from '../run/metrics-log.ts'
import { configHash, type RunFolder } from '../run/run-folder.ts'

/**
 * Refuses to go on with another configuration than the run began with, but for changes that do not enter the numbers.
 *
 * @throws MoietyError `usage` that lists the differences
 */
export function refuseOtherConfig(folder: Pick<RunFolder, 'path' | 'config'>, after: Config): void {
  const differences = unsafeDifferences(changes(folder, after))
  if (differences.length === 0) return
  const show = (value: unknown): string => (value === undefined ? 'absent' : excerpt(value, 500))
  const lines = differences.map(d => `  ${d.path}: ${show(d.before)} before, ${show(d.after)} now`)
  fail({
    kind: 'usage',
    message: 'a run can only be resumed with the configuration it began with, but these differ:',
    details: lines,
    where: folder.path,
    help: 'take the changes back, or begin a new run without --resume',
  })
}

/** Makes changes that were accepted the run's own, so that the next resume continues with them. @throws MoietyError `disk` */
export function rememberConfig(folder: RunFolder, after: Config): void {
  if (changes(folder, after).length > 0) folder.writeConfig(after)
}

function changes(folder: Pick<RunFolder, 'path' | 'config'>, after: Config): Difference[] {
  return configDifferences(resolveConfig(folder.config, folder.path), after)
}

/**
 * A checkpoint of the same configuration has the same tensors; anything else is another version's, or was changed.
 *
 * @throws MoietyError `disk` that names the first tensor that does not fit
 */
export function refuseOtherModel(initial: State, { state, path }: Checkpoint): void {
  const { missing, unknown, misshapen } = adopt(initial, state)
  const problem = missing[0] ?? unknown[0] ?? misshapen[0]
  if (problem === undefined) return
  fail({
    kind: 'disk',
    message: `the checkpoint holds other tensors than the model: ${missing.length} missing, ${unknown.length} too many, ${misshapen.length} of another shape; first: ${problem}`,
    where: path,
    help: 'it was written by another configuration or version; begin a new run',
  })
}

/**
 * Each checkpoint knows by what configuration it was trained. The run's own was compared with what was asked for already;
 * this finds that somebody has changed it in the folder.
 *
 * @throws MoietyError `disk`
 */
export function refuseEditedConfig(config: Config, { config: hash, path }: Checkpoint): void {
  if (configHash(withoutSafeKeys(config)) === hash) return
  fail({
    kind: 'disk',
    message: 'the configuration of the run is not the one that its checkpoint was trained by',
    where: path,
    help: 'config.json was changed since, or Moiety was: take that back, or begin a new run',
  })
}

/** What is reported about checkpoints that were passed over. */
export function describeDamage(damaged: readonly DamagedCheckpoint[], used: Checkpoint | undefined): string {
  const places = damaged.map(({ path, file, damage }) => `${path} (${file}: ${damage})`).join(', ')
  return `passed over damaged checkpoints: ${places}; going on from ${used === undefined ? 'the beginning' : used.path}`
}

/** Seconds that the epochs in a run's log took, evaluations included. */
export function secondsSoFar(run: string): number {
  return readMetrics(metricsPath(run))
    .filter(({ kind }) => kind === 'epoch')
    .reduce((total, { seconds }) => total + (typeof seconds === 'number' ? seconds : 0), 0)
}
