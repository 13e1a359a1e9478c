/** Finding, verifying and decoding the checkpoints of a run; `checkpoint.ts` says what they are. */
import { join } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import type { HostTensor, State } from '../base/tensor.ts'
import { namesIn } from '../files/careful.ts'
import { attempt, codeOf, type Disk, nodeDisk } from '../files/disk.ts'
import type { Json } from '../files/json.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { decodeRecord, sha256, stateFiles } from './checkpoint-record.ts'

/** What a checkpoint keeps. */
export interface CheckpointContent {
  /** Training steps done. */
  readonly step: number
  /** The epoch in which training goes on. */
  readonly epoch: number
  /** Batches of that epoch that are done. */
  readonly batch: number
  /** The hash of the configuration, see `configHash`. */
  readonly config: string
  readonly state: State
  /** Anything else that training needs in order to go on with the same bits. */
  readonly extra?: Json
}

/** A checkpoint that was read, verified and decoded. */
export interface Checkpoint extends Required<CheckpointContent> {
  /** Its folder. */
  readonly path: string
  /** The version of Moiety that wrote it. */
  readonly moiety: string
}

export interface CheckpointPlace {
  readonly step: number
  readonly path: string
}

export interface DamagedCheckpoint extends CheckpointPlace {
  /** The file in it that is damaged or missing. */
  readonly file: string
  /** What is wrong with that file, as the end of a sentence. */
  readonly damage: string
}

/** The folder of all checkpoints of a run. */
export function folderOf(run: string): string {
  return join(run, 'checkpoints')
}

/** The name of the checkpoint after a step. */
export function nameOf(step: number): string {
  return `step-${String(step).padStart(6, '0')}`
}

/**
 * The checkpoints of a run by their names alone, oldest first; nothing is read.
 *
 * @param run - the run's folder
 * @throws MoietyError `disk`
 */
export function listCheckpoints(run: string, disk: Disk = nodeDisk): CheckpointPlace[] {
  const folder = folderOf(run)
  return namesIn(disk, folder)
    .flatMap(name => {
      const step = Number(/^step-(\d{6,15})$/.exec(name)?.[1] ?? Number.NaN)
      return nameOf(step) === name ? [{ step, path: join(folder, name) }] : []
    })
    .sort((a, b) => a.step - b.step)
}

/** What one attempt at reading gives: damage is an answer here, a device that cannot be read is an exception. */
type Outcome = { readonly checkpoint: Checkpoint } | { readonly file: string; readonly damage: string }

function examine(path: string, disk: Disk): Outcome {
  const readFile = (name: string, most: number): Uint8Array | string => {
    const file = join(path, name)
    return attempt(disk, 'read', file, () => {
      try {
        const size = disk.size(file)
        return size > most ? `it has ${size} bytes, expected ${most}` : disk.read(file)
      } catch (cause) {
        const code = codeOf(cause)
        if (code === 'ENOENT' || code === 'ENOTDIR') return 'it is missing'
        if (code === 'EIO') return 'the device cannot read it (EIO)'
        throw cause
      }
    })
  }
  const text = readFile('state.json', 64 << 20)
  if (typeof text === 'string') return { file: 'state.json', damage: text }
  const record = decodeRecord(new TextDecoder().decode(text))
  if ('damage' in record) return { file: 'state.json', damage: record.damage }

  const state = new Map<string, HostTensor>()
  for (const file of stateFiles) {
    const expected = record.files[file]
    const bytes = readFile(file, expected.bytes)
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
  return { checkpoint: { path, moiety, step, epoch, batch, config, extra, state } }
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
  /** Newer ones that were passed over, newest first. */
  readonly damaged: readonly DamagedCheckpoint[]
}

/**
 * The newest checkpoint of a run. With `fallback`, damaged ones are passed over and returned, so that the caller
 * can warn; without, a damaged newest one is an error that offers the newest intact one.
 *
 * @throws MoietyError `disk` if the newest (with `fallback`: every one) is damaged, or the disk cannot be read
 */
export function latestCheckpoint(
  run: string,
  { fallback, disk = nodeDisk }: { readonly fallback: boolean; readonly disk?: Disk },
): LatestCheckpoint {
  const damaged: DamagedCheckpoint[] = []
  for (const { step, path } of listCheckpoints(run, disk).reverse()) {
    const outcome = examine(path, disk)
    if ('checkpoint' in outcome) {
      const first = damaged[0]
      if (first === undefined || fallback) return { checkpoint: outcome.checkpoint, damaged }
      const help = `moiety train --resume=auto --out RUN goes on from ${path} (step ${step}), which is intact`
      throw damageError(first.path, first.file, first.damage, help)
    }
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
