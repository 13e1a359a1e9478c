import { basename, join } from 'node:path'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { readJsonFile } from '../config/recipe-files.ts'
import { child } from '../config/shape.ts'
import { isOfFolder } from '../data/datasets/registry.ts'
import { makeFolders } from '../files/atomic-write.ts'
import { isThere, nodeDisk } from '../files/disk.ts'
import { isJsonObject, type JsonObject } from '../files/json.ts'
import { readConfig } from '../run/run-folder.ts'
import { createPlannedCheck } from './identity.ts'
import type { JobFacts } from './queue.ts'
import type { WatchedRun } from './run-sweep.ts'
import { readQueueId, readRecord, type SweepRecord } from './sweep-folder.ts'

/** Paths on this machine, if they differ from those when the sweep was queued. */
export interface MachinePlaces {
  /** The folder in which the sweeps' folders are. */
  readonly sweeps: string | undefined
  /** The data, by `path=value` of the configuration. */
  readonly data: readonly string[]
}

/** Finds the folders of sweeps on this machine. Data from Redis is accepted only if a sweep on the disk planned it. */
export interface SweepFinder {
  /** Where that sweep's folder should be here. */
  placeOf(job: JobFacts): string
  /**
   * @returns the sweep's folder, or undefined where the sweep there does not plan that run
   * @throws MoietyError `usage` where that sweep's folder is not on this machine; `disk`
   */
  find(job: JobFacts): string | undefined
}

export function createSweepFinder({ sweeps }: MachinePlaces): SweepFinder {
  const records = new Map<string, ReadonlyMap<string, string>>()
  const hashesOf = (record: SweepRecord | undefined): ReadonlyMap<string, string> =>
    new Map(record?.runs.map(({ name, hash }) => [name, hash]))
  const placeOf = ({ folder }: JobFacts): string =>
    sweeps === undefined ? folder : join(sweeps, basename(folder))
  return {
    placeOf,
    find: job => {
      const folder = placeOf(job)
      if (readQueueId(folder) !== job.id)
        fail({
          kind: 'usage',
          message: 'expected the folder of a queued sweep, but it is not on this machine',
          where: folder,
          help: 'all machines share the folders of sweeps; if they have another path here, pass --sweeps DIR',
        })
      const isPlanned = (): boolean => records.get(folder)?.get(job.run) === job.hash
      // A sweep that has grown since was read before it did.
      if (!isPlanned()) records.set(folder, hashesOf(readRecord(folder)))
      return isPlanned() ? folder : undefined
    },
  }
}

/** A run to be trained: arguments of `moiety train`, and events for watchers. */
export interface Beginning {
  readonly words: readonly string[]
  readonly watched: WatchedRun
  readonly isResumed: boolean
  /** Its recipe in `recipes/`. */
  readonly recipe: string
}

const watchedConfig = z.object({ training: z.object({ epochs: z.int() }) })

/**
 * How to train a queued run on this machine: from its recipe, or, where its folder has a configuration already, resuming. It
 * then keeps its number of threads, since that affects the last bits.
 *
 * @throws MoietyError `usage` where the recipe is missing or is not what was planned; `disk`
 */
export async function beginningOf(
  folder: string,
  { run, hash }: JobFacts,
  { data, threads }: Pick<MachinePlaces, 'data'> & { readonly threads: number },
): Promise<Beginning> {
  const path = join(folder, run)
  const recipe = join(folder, 'recipes', `${run}.json`)
  const isResumed = isThere(join(path, 'config.json'))
  const config = isResumed ? readConfig(path) : await planned(recipe, hash)
  const planData = child(config, 'data')
  // As identityOf: a folder of images has one path everywhere, for it is part of what was planned. What is drawn has none.
  const isElsewhere = !isOfFolder(child(planData, 'name')) && typeof child(planData, 'directory') === 'string'
  const given = child(child(config, 'engine'), 'threads')
  makeFolders(nodeDisk, join(folder, 'logs'))
  return {
    isResumed,
    recipe,
    watched: { name: run, config: watchedConfig.parse(config) },
    words: [
      'train',
      ...(isResumed ? ['--resume=auto'] : [recipe]),
      '--out',
      path,
      ...(typeof given === 'number' ? [] : ['--threads', String(threads)]),
      ...(isElsewhere ? data.filter(text => text.startsWith('data.directory=')) : []).flatMap(text => [
        '--set',
        text,
      ]),
    ],
  }
}

async function planned(file: string, hash: string): Promise<JsonObject> {
  const config = isThere(file) ? child(await readJsonFile(file, 'recipe'), 'config') : undefined
  if (isJsonObject(config) && createPlannedCheck()(hash, config)) return config
  return fail({
    kind: 'usage',
    message:
      config === undefined
        ? 'the recipe of the run is not in the folder of the sweep'
        : 'the recipe of the run is not the one that the sweep has planned',
    where: file,
    help: 'run the `moiety sweep --queue` command again, which rewrites it',
  })
}
