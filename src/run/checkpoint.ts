/**
 * Checkpoints: `checkpoints/step-NNNNNN/{model,optimizer}.safetensors` and `state.json` in a run's folder.
 *
 * Guarantee: a folder of that name is complete. It is written under a temporary name, every file flushed,
 * then the folder flushed, renamed, and the folder above flushed; it is removed by renaming it away first.
 * What a power cut or a failing device does afterwards, the checksums find. The bytes depend on nothing but
 * the state and the version of Moiety, so two checkpoints can be compared byte for byte.
 */
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import type { State } from '../base/tensor.ts'
import { ignoringErrors, listNames, makeFolders, writeFlushed } from '../files/atomic-write.ts'
import { attempt, type Disk, nodeDisk } from '../files/disk.ts'
import { safetensorsParts } from '../files/safetensors.ts'
import { temporaryName, unfinished } from '../files/temporary-name.ts'
import { version } from '../files/version.ts'
import { type CheckpointContent, folderOf, listCheckpoints, replaced } from './checkpoint-reading.ts'
import {
  type CheckpointRecord,
  checkpointFormat,
  encodeRecord,
  factsOf,
  nameOf,
  type StateFile,
} from './checkpoint-record.ts'

export * from './checkpoint-reading.ts'

/** A folder that is being deleted. */
const removing = '.removing-'

export interface WriteOptions {
  /** How many checkpoints to keep, this one included. Default: all. */
  readonly keep?: number
  /** Steps of checkpoints that are kept in addition. */
  readonly alsoKeep?: readonly number[]
  /** The tensors of `optimizer.safetensors`. Default: those named `optimizer.…`. */
  readonly isOptimizer?: (name: string) => boolean
  readonly disk?: Disk
}

/** Names the first float that is NaN or infinite: such a state must not replace a good checkpoint. */
function refuseNonFinite(state: State, step: number): void {
  for (const [name, { data }] of state) {
    if (!(data instanceof Float32Array)) continue
    // A loop, for findIndex takes a second over the hundred million numbers of a large state.
    for (let i = 0; i < data.length; i++) {
      if (Number.isFinite(data[i])) continue
      fail({
        kind: 'diverged',
        message: `the tensor "${name}" holds ${data[i]} (value ${i}) after step ${step}; no checkpoint is written`,
        where: name,
        help: 'lower the learning rate or clip the gradient, and resume from the last checkpoint',
      })
    }
  }
}

/**
 * Writes a checkpoint, then removes the oldest beyond `keep`. On any failure, earlier checkpoints are
 * unchanged, and this one is either complete or absent. A checkpoint of the same step is replaced.
 *
 * @param run - the run's folder; only the holder of its lock may write
 * @returns the checkpoint's folder
 * @throws MoietyError `diverged` naming the first tensor with a float that is not finite; `disk`
 */
export function writeCheckpoint(run: string, content: CheckpointContent, options: WriteOptions = {}): string {
  const { disk = nodeDisk, isOptimizer = (name: string) => name.startsWith('optimizer.') } = options
  const { step, epoch, batch, config, state, extra = null } = content
  refuseNonFinite(state, step)

  const folder = folderOf(run)
  makeFolders(disk, folder)
  const name = nameOf(step)
  const path = join(folder, name)
  // Unique, even if a process that was assumed dead still writes.
  const staging = join(folder, temporaryName(name))
  try {
    attempt(disk, 'create the folder', staging, () => disk.makeFolder(staging))
    const write = (file: StateFile, wanted: boolean): CheckpointRecord['files'][StateFile] => {
      const part = new Map([...state].filter(([tensor]) => isOptimizer(tensor) === wanted))
      const parts = safetensorsParts(part)
      writeFlushed(disk, join(staging, file), parts)
      return factsOf(parts)
    }
    const record: CheckpointRecord = {
      format: checkpointFormat,
      moiety: version,
      step,
      epoch,
      batch,
      config,
      files: {
        'model.safetensors': write('model.safetensors', false),
        'optimizer.safetensors': write('optimizer.safetensors', true),
      },
      extra,
    }
    writeFlushed(disk, join(staging, 'state.json'), new TextEncoder().encode(encodeRecord(record)))
    attempt(disk, 'flush', staging, () => disk.flushFolder(staging))
    moveIn(disk, folder, name, staging)
  } catch (cause) {
    ignoringErrors(() => disk.remove(staging))
    throw cause
  }
  attempt(disk, 'flush', folder, () => disk.flushFolder(folder))
  removeFolder(disk, folder, `${replaced}${name}`)
  if (options.keep !== undefined) prune(run, step, options.keep, options.alsoKeep ?? [], disk)
  return path
}

/** Renames a finished folder to its final name; a previous one is moved away first, and restored on failure. */
function moveIn(disk: Disk, folder: string, name: string, staging: string): void {
  const path = join(folder, name)
  const aside = join(folder, `${replaced}${name}`)
  const taken = listNames(disk, folder).includes(name)
  if (taken) {
    attempt(disk, 'remove', aside, () => disk.remove(aside))
    attempt(disk, 'move aside', path, () => disk.rename(path, aside))
  }
  try {
    attempt(disk, 'move the finished checkpoint to', path, () => disk.rename(staging, path))
  } catch (cause) {
    if (taken) ignoringErrors(() => disk.rename(aside, path))
    throw cause
  }
}

/** Renames away, then deletes: a kill in between leaves no half checkpoint under a checkpoint's name. */
function removeFolder(disk: Disk, folder: string, name: string): void {
  if (!listNames(disk, folder).includes(name)) return
  const path = join(folder, name)
  const away = join(folder, `${removing}${name}`)
  attempt(disk, 'remove', away, () => disk.remove(away))
  attempt(disk, 'move away', path, () => disk.rename(path, away))
  attempt(disk, 'flush', folder, () => disk.flushFolder(folder))
  attempt(disk, 'remove', away, () => disk.remove(away))
}

/** Checkpoints after `step` are kept: they are of a run that was resumed from an earlier checkpoint. */
function prune(run: string, step: number, keep: number, alsoKeep: readonly number[], disk: Disk): void {
  const places = listCheckpoints(run, disk).filter(place => place.step <= step)
  for (const place of places.slice(0, Math.max(0, places.length - Math.max(1, keep)))) {
    if (alsoKeep.includes(place.step)) continue
    removeFolder(disk, folderOf(run), nameOf(place.step))
  }
}

/**
 * Removes temporary files of killed processes; to be called with the run's lock held, since only its holder writes here. A checkpoint that
 * was moved away for a replacement that was never finished is restored.
 *
 * @throws MoietyError `disk`
 */
export function cleanCheckpoints(run: string, disk: Disk = nodeDisk): void {
  const folder = folderOf(run)
  const names = listNames(disk, folder)
  for (const name of names) {
    const path = join(folder, name)
    const former = name.startsWith(replaced) ? name.slice(replaced.length) : undefined
    if (former !== undefined && !names.includes(former)) {
      attempt(disk, 'move back', path, () => disk.rename(path, join(folder, former)))
    } else if ([unfinished, removing, replaced].some(prefix => name.startsWith(prefix))) {
      attempt(disk, 'remove the unfinished', path, () => disk.remove(path))
    }
  }
}
