/**
 * The folder of a run. `config.json` is written last when the folder is made, so a folder that has it is a run;
 * a training in it holds its lock. The other files in it belong to other modules.
 */
import { basename, dirname, join, sep } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import { withAdditions } from '../config/additions.ts'
import { readIfThere } from '../files/append-file.ts'
import { ignoringErrors, listNames, makeFolders, writeAtomically } from '../files/atomic-write.ts'
import { attempt, codeOf, type Disk, nodeDisk } from '../files/disk.ts'
import { isJsonObject, type Json, type JsonObject } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { finishReplacement } from '../files/replace-files.ts'
import { removeAbandoned, unfinished } from '../files/temporary-name.ts'
import { cleanCheckpoints } from './checkpoint.ts'
import { listCheckpoints } from './checkpoint-reading.ts'
import { hashedText, sha256 } from './checkpoint-record.ts'
import type { Environment } from './environment.ts'
import { acquireLock, type Lock } from './lock.ts'

/** A run's folder, locked for this process. */
export interface RunFolder {
  readonly path: string
  /** The resolved configuration, from `config.json`. */
  readonly config: JsonObject
  /** Where it was started; null if `environment.json` is missing. */
  readonly environment: Json
  /** Replaces `config.json`, whole or not at all. @throws MoietyError `disk` */
  writeConfig(config: object): void
  /** Writes `plan.json`, whole or not at all. @throws MoietyError `disk` */
  writePlan(plan: RunPlan): void
  /** Writes `summary.json`, whole or not at all. @throws MoietyError `disk` */
  writeSummary(summary: object): void
  /** To be called before writing. @throws MoietyError `disk` if another process took over the folder */
  ensureHeld(): void
  /** Releases the folder. */
  release(): void
  /** Undoes {@link createRun} for a run that did not start: removes its files and releases the folder. */
  discard(): void
}

/** How long a training is and what it trains, as is known once its data are open: what a progress display needs before the first epoch is over. */
export interface RunPlan {
  readonly stepsPerEpoch: number
  /** Images of each split. */
  readonly images: Readonly<Record<string, number>>
  readonly parameters: number
  /** Parameters that one image passes through. */
  readonly activeParameters: number
}

/** Files that only the holder of the lock writes: temporary ones are of a process that has lost it. */
const writtenUnderLock = ['config.json', 'environment.json', 'plan.json', 'summary.json']

/** Leftovers of an interrupted creation; anything else means that the folder is used otherwise. */
function isOurs(name: string): boolean {
  return name === 'environment.json' || name.startsWith('run.lock.') || name.startsWith(unfinished)
}

function pretty(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** SHA-256 of a configuration as JSON, in hexadecimal; the order of its keys does not matter. */
export function configHash(config: object): string {
  return sha256(hashedText(config))
}

/**
 * Makes the folder `root/recipe-N` with the smallest N above the existing ones, and returns its path. Two
 * processes at once get two folders.
 *
 * @param recipe - a name; characters that are invalid in paths become `-`
 * @throws MoietyError `disk`
 */
export function claimRunFolder(recipe: string, root = 'runs', disk: Disk = nodeDisk): string {
  const name =
    recipe
      .replace(/[^\w.-]+/g, '-')
      .replace(/^[.-]+/, '')
      .slice(0, 100) || 'run'
  makeFolders(disk, root)
  const numbers = listNames(disk, root)
    .filter(other => other.startsWith(`${name}-`))
    .map(other => /^\d{1,9}$/.exec(other.slice(name.length + 1)))
    .map(match => (match === null ? 0 : Number(match[0])))
  for (let number = 1 + Math.max(0, ...numbers); ; number++) {
    const path = join(root, `${name}-${number}`)
    const made = attempt(disk, 'create the folder', path, () => {
      try {
        disk.makeFolder(path)
        return true
      } catch (cause) {
        if (codeOf(cause) === 'EEXIST') return false
        throw cause
      }
    })
    if (!made) continue
    attempt(disk, 'flush', root, () => disk.flushFolder(root))
    return path
  }
}

/** Removes an empty claimed folder, because the run was refused. */
export function unclaimRunFolder(path: string, disk: Disk = nodeDisk): void {
  ignoringErrors(() => disk.removeEmpty(path))
}

/** @throws MoietyError `usage` if a folder holds a run or other files; `disk` */
export function refuseTaken(path: string, disk: Disk = nodeDisk): void {
  const names = listNames(disk, path)
  if (names.includes('config.json')) {
    fail({
      kind: 'usage',
      message: `${path} already holds a run`,
      where: path,
      help: 'add --resume to continue it, or use another --out',
    })
  }
  const foreign = names.find(name => !isOurs(name))
  if (foreign !== undefined) {
    fail({
      kind: 'usage',
      message: `expected an empty or new folder, ${path} has "${foreign}"`,
      where: path,
      help: 'use another --out',
    })
  }
}

/**
 * Creates a run in a new or empty folder: locks it, writes `environment.json` and `config.json`.
 *
 * @throws MoietyError `usage` if the folder holds a run or anything else, or another process has it; `disk`
 */
export function createRun(
  path: string,
  config: object,
  environment: Environment,
  disk: Disk = nodeDisk,
): RunFolder {
  makeFolders(disk, path)
  refuseTaken(path, disk)
  const lock = acquireLock(path, disk)
  try {
    // Another process may have created a run there and ended since.
    refuseTaken(path, disk)
    writeAtomically(disk, join(path, 'environment.json'), pretty(environment))
    writeAtomically(disk, join(path, 'config.json'), pretty(config))
    return runFolder(path, disk, lock)
  } catch (cause) {
    lock.release()
    throw cause
  }
}

/**
 * Opens a run to resume it: locks its folder and removes temporary files of killed processes.
 *
 * @throws MoietyError `usage` if there is no run or another process trains there; `disk`, also if
 *   `config.json` is not JSON
 */
export function openRun(path: string, disk: Disk = nodeDisk): RunFolder {
  readConfig(path, disk)
  refuseLinksOutside(path, disk)
  const lock = acquireLock(path, disk)
  try {
    finishReplacement(disk, path)
    // Other commands, such as explain, may be writing here now: only abandoned files are removed.
    removeAbandoned(disk, path, lock.path, name => writtenUnderLock.includes(name))
    cleanCheckpoints(path, disk)
    return runFolder(path, disk, lock)
  } catch (cause) {
    lock.release()
    throw cause
  }
}

/**
 * Training appends, cuts and removes within its folder. A link out of it would redirect that elsewhere.
 *
 * @throws MoietyError `usage` that names the link; `disk`
 */
function refuseLinksOutside(run: string, disk: Disk): void {
  const root = attempt(disk, 'look at', run, () => disk.realPath(run))
  const refuse = (path: string): void => {
    // It may have been removed since it was listed: locks and temporary files come and go.
    const target = attempt(disk, 'look at', path, () => {
      try {
        return disk.realPath(path)
      } catch (cause) {
        if (codeOf(cause) === 'ENOENT') return disk.list(dirname(path)).includes(basename(path)) ? '' : path
        throw cause
      }
    })
    if (target === path || target.startsWith(root.endsWith(sep) ? root : root + sep)) return
    fail({
      kind: 'usage',
      message: `expected a file or folder of the run, found a link ${target === '' ? 'to nothing' : 'that leaves it'}`,
      where: path,
      help: 'replace the link with its target; the folder of a run itself may be a link',
    })
  }
  for (const name of listNames(disk, run)) refuse(join(run, name))
  for (const { path } of listCheckpoints(run, disk)) refuse(path)
}

function runFolder(path: string, disk: Disk, lock: Lock): RunFolder {
  return {
    path,
    config: readConfig(path, disk),
    environment: readJson(path, 'environment.json', disk) ?? null,
    writeConfig: config => writeAtomically(disk, join(path, 'config.json'), pretty(config)),
    writePlan: plan => {
      lock.ensureHeld()
      writeAtomically(disk, join(path, 'plan.json'), pretty(plan))
    },
    writeSummary: summary => {
      lock.ensureHeld()
      writeAtomically(disk, join(path, 'summary.json'), pretty(summary))
    },
    ensureHeld: () => lock.ensureHeld(),
    release: () => lock.release(),
    discard: () => {
      for (const name of ['config.json', 'environment.json'])
        ignoringErrors(() => disk.remove(join(path, name)))
      lock.release()
    },
  }
}

/** A JSON file of a run, or undefined if it is not there. */
function readJson(path: string, name: string, disk: Disk): Json | undefined {
  const file = join(path, name)
  const bytes = readIfThere(disk, file, sizeLimits.config)
  if (bytes === undefined) return undefined
  const damaged = (what: string, cause?: unknown): never =>
    fail({
      kind: 'disk',
      message: `${file} is ${what}`,
      where: file,
      help: 'the file was changed or damaged; restore it, or start another run',
      cause,
    })
  try {
    const value: Json = JSON.parse(new TextDecoder().decode(bytes))
    return isTooDeep(value) ? damaged('nested too deeply for one of a run') : value
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    return damaged('not JSON', cause)
  }
}

/**
 * The configuration of a run, without locking it: for read-only commands. Keys that an earlier version did not have are
 * filled in with the value that version used.
 *
 * @throws MoietyError `usage` if the folder is not a run; `disk`, also if `config.json` is not a JSON object
 */
export function readConfig(path: string, disk: Disk = nodeDisk): JsonObject {
  const config = readJson(path, 'config.json', disk)
  if (config === undefined) {
    return fail({
      kind: 'usage',
      message: `there is no run in ${path}: it has no config.json`,
      where: path,
      help: 'pass a folder written by moiety train',
    })
  }
  if (!isJsonObject(config)) {
    return fail({
      kind: 'disk',
      message: `expected a JSON object in ${join(path, 'config.json')}`,
      where: join(path, 'config.json'),
      help: 'the file was changed or damaged; restore it, or start another run',
    })
  }
  return withAdditions(config)
}

/**
 * Where a run was started: undefined where `environment.json` is missing or damaged, which is no reason
 * not to go on.
 */
export function readEnvironment(
  path: string,
  disk: Disk = nodeDisk,
): { readonly recipe: string } | undefined {
  try {
    const environment = readJson(path, 'environment.json', disk)
    if (!isJsonObject(environment) || typeof environment.recipe !== 'string') return undefined
    return { recipe: environment.recipe }
  } catch {
    return undefined
  }
}
