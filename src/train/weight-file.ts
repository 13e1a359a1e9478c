/** Weights as users have them: files of safetensors and of `torch.save`, and runs. */
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { kindOf, reasonOf, rethrowExhausted } from '../files/disk.ts'
import { openRegularFile, readRegularFile, sizeLimits } from '../files/regular-file.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { conversion, decodeTorchFile, isTorchFile } from '../files/torch-file.ts'
import { hostTensor, TorchTensor } from '../files/torch-tensors.ts'
import { averagedState } from '../optim/index.ts'
import { latestCheckpoint, listCheckpoints } from '../run/checkpoint.ts'
import { readConfig } from '../run/run-folder.ts'
import { chooseEntry } from './weight-entries.ts'

/** The tensors of a network. */
export interface Weights {
  /** The file they are from. */
  readonly file: string
  /** By names here: torchvision's for a ResNet, `fpn.*` and `head.*` of a detector. */
  readonly tensors: ReadonlyMap<string, HostTensor>
  /** What is reported of them. */
  readonly notes: readonly string[]
  /** The `model` of the run that they are from. */
  readonly model: unknown
}

const kinds = 'a .safetensors file, a .pth or .pt file of torch.save, or a run'

/**
 * The tensors of a file, or of a run's newest checkpoint.
 *
 * @param entry - the entry of a file that has several networks; null: the usual one
 * @throws MoietyError `data`, `disk`
 */
export async function readWeights(path: string, entry: string | null = null): Promise<Weights> {
  if (isFolder(path)) return checkpointOf(path)
  const bytes = await readRegularFile(path, sizeLimits.weights).catch((cause: unknown) =>
    unreadable(path, cause),
  )
  if (!isTorchFile(bytes)) {
    const { tensors } = decodeSafetensors(bytes, path)
    const isTensor = (value: unknown): value is HostTensor => typeof value === 'object' && value !== null
    const chosen = chooseEntry(tensors, isTensor, entry, path)
    return { file: path, tensors: namedAsHere(chosen.tensors), notes: chosen.notes, model: undefined }
  }
  const root = await decodeTorchFile(bytes, path)
  const chosen = chooseEntry(root, value => value instanceof TorchTensor, entry, path)
  const tensors = [...chosen.tensors].map(([name, tensor]) => {
    const read = hostTensor(tensor, message =>
      fail({
        kind: 'data',
        message: `the tensor ${name} ${message}`,
        where: path,
        help: conversion(path),
      }),
    )
    return [name, read] as const
  })
  return { file: path, tensors: namedAsHere(new Map(tensors)), notes: chosen.notes, model: undefined }
}

/**
 * Refuses weights that cannot be read, by opening them only: to be called before anything that takes long.
 *
 * @throws MoietyError `data` for what is not a regular file or a run with a checkpoint, or is too large; `disk`
 */
export async function refuseUnreadableWeights(path: string): Promise<void> {
  if (isFolder(path)) {
    if (listCheckpoints(path).length === 0) refuseWithoutCheckpoint(path)
    return
  }
  const file = await openRegularFile(path, sizeLimits.weights).catch((cause: unknown) =>
    unreadable(path, cause),
  )
  await file.close()
}

function unreadable(file: string, cause: unknown): never {
  rethrowExhausted(cause, 'read', file)
  return fail({
    kind: 'data',
    message: `the weights cannot be read: ${reasonOf(cause)}`,
    where: file,
    help: `model.weights is the path of ${kinds}`,
    cause,
  })
}

/** Counts of batches that BatchNorm of PyTorch keeps are left out. */
function namedAsHere(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
  const kept = [...tensors].filter(([name]) => !name.endsWith('num_batches_tracked'))
  return new Map(kept.map(([name, tensor]) => [ownName(name), tensor]))
}

/** torchvision's RetinaNet keeps its network and pyramid in a `backbone`; here they are at the root, as a classifier's are. */
function ownName(name: string): string {
  return name.replace(/^backbone\.body\./, '').replace(/^backbone\.fpn\./, 'fpn.')
}

const isFolder = (path: string): boolean => kindOf(path) === 'folder'

/** What was read is used, not its path: a run that is training may have removed the checkpoint since. */
function checkpointOf(run: string): Weights {
  const { checkpoint } = latestCheckpoint(run, { fallback: false })
  if (checkpoint === undefined) return refuseWithoutCheckpoint(run)
  const model = [...averagedState(checkpoint.state)].filter(([name]) => !name.startsWith('optimizer.'))
  return {
    file: join(checkpoint.path, 'model.safetensors'),
    tensors: namedAsHere(new Map(model)),
    notes: [],
    model: kindOf(join(run, 'config.json')) === undefined ? undefined : readConfig(run).model,
  }
}

function refuseWithoutCheckpoint(run: string): never {
  return fail({
    kind: 'data',
    message: 'expected a run with a checkpoint, but the folder has none',
    where: run,
    help: `model.weights is the path of ${kinds}`,
  })
}
