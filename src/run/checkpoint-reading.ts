/** Finding, verifying and decoding the checkpoints of a run; see `checkpoint.ts`. */
import { join } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import type { HostTensor, State } from '../base/tensor.ts'
import { listNames } from '../files/atomic-write.ts'
import { attempt, codeOf, type Disk, nodeDisk, systemFailure } from '../files/disk.ts'
import type { Json } from '../files/json.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { decodeRecord, nameOf, sha256, stateFiles } from './checkpoint-record.ts'

/** The content of a checkpoint. */
export interface CheckpointContent {
  /** Training steps done. */
  readonly step: number
  /** The epoch in which training resumes. */
  readonly epoch: number
  /** Batches of that epoch that are done. */
  readonly batch: number
  /** The hash of the configuration, see `configHash`. */
  readonly config: string
  readonly state: State
  /** Anything else that training needs to resume bit-exactly. */
  readonly extra?: Json
}

/** A checkpoint that was read, verified and decoded. */
export interface Checkpoint extends Required<CheckpointContent> {
  /** Its folder. */
  readonly path: string
  /** The version of Moiety that wrote it. */
  readonly moiety: string
  /**
   * Distinguishes it from every other checkpoint: the SHA-256 of its `state.json`, which has the hashes of the other files. It is
   * computed while reading, because a training may remove the files at any time.
   */
  readonly identity: string
}

export interface CheckpointPlace {
  readonly step: number
  readonly path: string
}

export interface DamagedCheckpoint extends CheckpointPlace {
  /** The file in it that is damaged or missing. */
  readonly file: string
  /** The damage of that file, as the end of a sentence. */
  readonly damage: string
}

/** Prefix of a checkpoint that is being replaced; the step's name follows. */
export const replaced = '.replaced-'

/** The folder of all checkpoints of a run. */
export function folderOf(run: string): string {
  return join(run, 'checkpoints')
}

/** The step in a checkpoint's name; undefined for another name. */
function stepOf(name: string): [] | [step: number] {
  const step = Number(/^step-(\d{6,15})$/.exec(name)?.[1] ?? Number.NaN)
  return nameOf(step) === name ? [step] : []
}

/**
 * The checkpoints of a run by name, oldest first, without reading them.
 *
 * @param run - the run's folder
 * @throws MoietyError `disk`
 */
export function listCheckpoints(run: string, disk: Disk = nodeDisk): CheckpointPlace[] {
  return placesAmong(listNames(disk, folderOf(run)), run)
}

function placesAmong(names: readonly string[], run: string): CheckpointPlace[] {
  return names
    .flatMap(name => stepOf(name).map(step => ({ step, path: join(folderOf(run), name) })))
    .sort((a, b) => a.step - b.step)
}

/** The result of one attempt at reading: damage is returned, an unreadable device is thrown. */
type Outcome = { readonly checkpoint: Checkpoint } | { readonly file: string; readonly damage: string }

/** Codes of a missing file. A network file system reports ESTALE if another machine has removed it. */
const missing = new Set(['ENOENT', 'ENOTDIR', 'ESTALE'])

/** Codes of something else than a file at that path, such as a folder, a named pipe or a link to itself. */
const noFile = new Set(['ENOTFILE', 'EISDIR', 'ELOOP', 'ENXIO'])

/** Reads all files before any is hashed or decoded: a training may remove the checkpoint at any time, so reading is kept short. */
function examine(path: string, disk: Disk): Outcome {
  const readFile = (name: string, most: number): Uint8Array | string => {
    const file = join(path, name)
    return attempt(disk, 'read', file, () => {
      try {
        const size = disk.size(file)
        return size > most ? `it has ${size} bytes, expected ${most}` : disk.read(file, most)
      } catch (cause) {
        const code = codeOf(cause)
        if (code !== undefined && missing.has(code)) return 'it is missing'
        if (code === 'EIO') return 'the device cannot read it (EIO)'
        if (code !== undefined && noFile.has(code)) return `${systemFailure(cause)?.meaning} (${code})`
        throw cause
      }
    })
  }
  const text = readFile('state.json', 64 << 20)
  if (typeof text === 'string') return { file: 'state.json', damage: text }
  const record = decodeRecord(new TextDecoder().decode(text))
  if ('damage' in record) return { file: 'state.json', damage: record.damage }

  const contents = stateFiles.map(file => [file, readFile(file, record.files[file].bytes)] as const)
  const state = new Map<string, HostTensor>()
  for (const [file, bytes] of contents) {
    const expected = record.files[file]
    if (typeof bytes === 'string') return { file, damage: bytes }
    if (bytes.length !== expected.bytes) {
      return { file, damage: `it has ${bytes.length} bytes, expected ${expected.bytes}` }
    }
    const found = sha256(bytes)
    if (found !== expected.sha256) {
      return { file, damage: `its SHA-256 is ${found}, expected ${expected.sha256}` }
    }
    for (const [name, tensor] of decodeSafetensors(bytes, join(path, file)).tensors) state.set(name, tensor)
  }
  const { moiety, step, epoch, batch, config, extra } = record
  const identity = sha256(text)
  return { checkpoint: { path, moiety, identity, step, epoch, batch, config, extra, state } }
}

function damageError(path: string, file: string, damage: string, help: string): MoietyError {
  return new MoietyError({
    kind: 'disk',
    message: `the checkpoint ${path} is damaged: ${file}: ${damage}`,
    where: join(path, file),
    help,
  })
}

/**
 * Reads one checkpoint. Every byte of it is covered by a checksum, which is compared before anything is decoded.
 *
 * @param path - the checkpoint's folder
 * @throws MoietyError `disk` that names the damaged or missing file
 */
export function readCheckpoint(path: string, disk: Disk = nodeDisk): Checkpoint {
  const outcome = examine(path, disk)
  if ('checkpoint' in outcome) return outcome.checkpoint
  throw damageError(path, outcome.file, outcome.damage, 'use another checkpoint of the run')
}

export interface LatestCheckpoint {
  /** Undefined if the run has none yet. */
  readonly checkpoint: Checkpoint | undefined
  /** Newer ones that were skipped, newest first. */
  readonly damaged: readonly DamagedCheckpoint[]
}

/** Number of attempts when a checkpoint disappears while it is read. */
const maxAttempts = 20

/**
 * The newest checkpoint of a run, which may be training at the same time: a checkpoint that is removed or replaced while it is
 * read is not damaged, and the run's checkpoints are listed again. All of it is in memory when this returns, so what the training
 * removes later does not matter.
 *
 * With `fallback`, damaged ones are skipped and returned, so that the caller can warn; without, a damaged newest one is an
 * error that offers the newest intact one.
 *
 * @throws MoietyError `disk` if the newest (with `fallback`: every one) is damaged, the disk cannot be read, or checkpoints are
 *   removed faster than they can be read
 */
export function latestCheckpoint(
  run: string,
  { fallback, disk = nodeDisk }: { readonly fallback: boolean; readonly disk?: Disk },
): LatestCheckpoint {
  for (let look = 0; look < maxAttempts; look++) {
    const found = lookForLatest(run, fallback, disk)
    if (found !== undefined) return found
  }
  return fail({
    kind: 'disk',
    message: `the run is training and removes its checkpoints faster than they can be read (${maxAttempts} attempts)`,
    where: folderOf(run),
    help: 'try again later, or train with a larger training.keepCheckpoints or less frequent checkpoints',
  })
}

/** Undefined where a checkpoint changed while it was read. */
function lookForLatest(run: string, fallback: boolean, disk: Disk): LatestCheckpoint | undefined {
  const damaged: DamagedCheckpoint[] = []
  for (const place of readablePlaces(run, disk).reverse()) {
    const { path, step } = place
    const outcome = examine(path, disk)
    if ('checkpoint' in outcome) {
      const first = damaged[0]
      if (first === undefined || fallback) return { checkpoint: outcome.checkpoint, damaged }
      const help = `moiety train --resume=auto --out RUN resumes from ${path} (step ${step}), which is intact`
      throw damageError(first.path, first.file, first.damage, help)
    }
    if (!isStillDamaged(run, place, outcome, disk)) return undefined
    damaged.push({ step, path, file: outcome.file, damage: outcome.damage })
  }
  const [newest] = damaged
  if (newest === undefined) return { checkpoint: undefined, damaged }
  const { path, file, damage } = newest
  if (damaged.length === 1) throw damageError(path, file, damage, 'start again in another folder')
  return fail({
    kind: 'disk',
    message: `all ${damaged.length} checkpoints of ${run} are damaged; the newest, ${path}: ${file}: ${damage}`,
    where: folderOf(run),
    help: 'start again in another folder',
  })
}

/**
 * Whether an unreadable checkpoint still exists with the same damage when read again. Otherwise it was removed
 * meanwhile, or replaced by one of the same step, of which the first attempt may have read some files.
 */
function isStillDamaged(
  run: string,
  { path }: CheckpointPlace,
  before: { readonly file: string; readonly damage: string },
  disk: Disk,
): boolean {
  const isThere = (): boolean => readablePlaces(run, disk).some(place => place.path === path)
  if (!isThere()) return false
  const now = examine(path, disk)
  return 'damage' in now && now.file === before.file && now.damage === before.damage && isThere()
}

/**
 * {@link listCheckpoints}, and a checkpoint that was renamed for a replacement that is not in place yet: between
 * two renames it is the only one of that step.
 */
function readablePlaces(run: string, disk: Disk): CheckpointPlace[] {
  const names = listNames(disk, folderOf(run))
  const places = placesAmong(names, run)
  const aside = names
    .filter(name => name.startsWith(replaced))
    .flatMap(name =>
      stepOf(name.slice(replaced.length)).map(step => ({ step, path: join(folderOf(run), name) })),
    )
    .filter(({ step }) => !places.some(place => place.step === step))
  return [...places, ...aside].sort((a, b) => a.step - b.step)
}
