import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ErrorKind, exitCodes, fail } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { sizeAt } from '../config/resizing.ts'
import { nodeDisk } from '../files/disk.ts'
import type { Outcome } from './outcome.ts'
import type { PlannedRun } from './plan-sweep.ts'
import { type RunSweepOptions, type WatchedRun, writeRecipe } from './run-sweep.ts'
import { startTrainer, type TrainerProgress } from './trainer.ts'

const enoughSteps = 8
const longEnough = 30

/**
 * A short trial: starts the training of a run in a temporary folder, watches a few steps, stops it and removes the
 * folder. Errors that affect every run, such as missing data, are found here, before anything has started.
 *
 * @returns seconds of an epoch's steps, without its test; undefined where the training ended before its first progress, or diverged
 * @throws MoietyError from the training
 */
export async function tryOut(
  run: PlannedRun,
  options: Pick<RunSweepOptions, 'threads' | 'record' | 'command' | 'signal'>,
): Promise<number | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-trial-'))
  const started = performance.now()
  let last: TrainerProgress | undefined
  try {
    const recipe = join(folder, 'recipe.json')
    writeRecipe(recipe, run, options)
    const words = ['train', recipe, '--out', join(folder, 'run')]
    const trainer = startTrainer(options.command, words, join(folder, 'log'), progress => {
      last = progress
      if (progress.step >= enoughSteps || performance.now() - started > 1000 * longEnough) end()
    })
    // Its results are discarded, so it need not write a checkpoint.
    const end = (): void => trainer.stop('SIGKILL')
    options.signal.addEventListener('abort', end)
    const { exitCode, message } = await trainer.ended
    options.signal.removeEventListener('abort', end)
    const kind = kinds.find(name => exitCodes[name] === exitCode)
    if (kind !== undefined && kind !== 'diverged')
      fail({ kind, message: `a short trial failed: ${message}`, where: run.name })
    if (last === undefined) return undefined
    const { training } = run.config
    const images = (last.steps / training.epochs) * training.batch * comparedWithTheFirst(run.config)
    return last.imagesPerSecond > 0 ? images / last.imagesPerSecond : undefined
  } finally {
    nodeDisk.remove(folder)
  }
}

/** Work of an epoch, the mean over all relative to the first one: images may be smaller in the beginning. */
function comparedWithTheFirst({ data, training: { epochs, resizing } }: Config): number {
  const sizes = Array.from({ length: epochs }, (_, epoch) => sizeAt(resizing, epoch) ?? data.size)
  return sizes.reduce((total, size) => total + size ** 2, 0) / (epochs * sizes[0]! ** 2)
}

const kinds: readonly ErrorKind[] = ['usage', 'data', 'diverged', 'disk']

/** Seconds of an epoch in the runs that are finished; undefined where none is. */
export function secondsAnEpoch(
  runs: readonly PlannedRun[],
  outcomes: ReadonlyMap<string, Outcome>,
): number | undefined {
  const known = runs.flatMap(({ name, config }) => {
    const outcome = outcomes.get(name)
    return outcome?.status === 'done' && outcome.seconds !== null
      ? [outcome.seconds / config.training.epochs]
      : []
  })
  return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0) / known.length
}

/** Estimated seconds of the runs, assuming equal epochs and `jobs` concurrent runs. */
export function secondsOf(runs: readonly WatchedRun[], secondsPerEpoch: number, jobs: number): number {
  const epochs = runs.reduce((total, { config }) => total + config.training.epochs, 0)
  return (epochs * secondsPerEpoch) / Math.max(1, Math.min(jobs, runs.length))
}
