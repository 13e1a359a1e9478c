import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { ModelConfig } from '../config/config.ts'
import { kindOf, reasonOf, rethrowExhausted } from '../files/disk.ts'
import { openRegularFile, readRegularFile, sizeLimits } from '../files/regular-file.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { adopt } from '../nn/index.ts'
import { latestCheckpoint, listCheckpoints } from '../run/checkpoint.ts'

/**
 * Puts trained weights (safetensors with torchvision's names, or a run of Moiety's) into a fresh state.
 *
 * `whole` asks that file and model have the same tensors. `backbone` leaves out what follows a network's stages and whatever
 * a mixture of experts replaces; `features` leaves out a detector's heads and the latter; `trunk` the latter alone; `copies` is `trunk`, and each expert begins as
 * what it replaces in the file. All else must be there. Torch's `num_batches_tracked` is ignored.
 *
 * @throws MoietyError (data) that lists what is missing, not in the model, or of another shape, by name
 */
export async function withPublishedWeights(
  initial: ReadonlyMap<string, HostTensor>,
  config: Pick<ModelConfig, 'weights' | 'weightsPart'>,
): Promise<Map<string, HostTensor>> {
  if (config.weights === null) return new Map(initial)
  const { weightsPart } = config
  const { file, given } = await readWeights(config.weights)
  const model = new Map([...initial].filter(([name]) => !name.startsWith('optimizer.')))
  const free = freeParts(model, weightsPart)
  const isFree = (name: string): boolean => free.some(part => name.startsWith(`${part}.`))
  const copied = weightsPart === 'copies' ? copiedExperts(model, given) : new Map<string, HostTensor>()
  const wanted = new Map([...[...given].filter(([name]) => !isFree(name)), ...copied])
  const { state, missing, unknown, misshapen } = adopt(model, wanted)
  const isLeftOut = (name: string): boolean =>
    isFree(name) && !(weightsPart === 'copies' && name.includes('.experts.'))
  const problems = [
    ...list(
      'missing from the file',
      missing.filter(name => !isLeftOut(name)),
    ),
    ...list('not in the model', unknown),
    ...list('of another shape', misshapen),
  ]
  if (problems.length > 0) {
    fail({
      kind: 'data',
      message: 'the weights do not fit the model:',
      details: problems.map(problem => `  ${problem}`),
      where: file,
      help:
        weightsPart === 'whole'
          ? 'model.weightsPart=backbone leaves out the classifier and what a mixture of experts replaces; of a detector, trunk leaves out the mixtures of its heads'
          : 'compare model.name, model.stem, model.width and model.detector with the file',
    })
  }
  return new Map([...initial, ...state])
}

/** The tensors of a file, or of a run's newest checkpoint. */
async function readWeights(
  path: string,
): Promise<{ readonly file: string; readonly given: Map<string, HostTensor> }> {
  if (isFolder(path)) return checkpointOf(path)
  const file = path
  const bytes = await readRegularFile(file, sizeLimits.weights).catch((cause: unknown) =>
    unreadable(file, cause),
  )
  return { file, given: namedAsHere(decodeSafetensors(bytes, file).tensors) }
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
    help: 'model.weights is the path of a .safetensors file, or of a run',
    cause,
  })
}

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
function checkpointOf(run: string): { readonly file: string; readonly given: Map<string, HostTensor> } {
  const { checkpoint } = latestCheckpoint(run, { fallback: false })
  if (checkpoint !== undefined) {
    const model = [...checkpoint.state].filter(([name]) => !name.startsWith('optimizer.'))
    return { file: join(checkpoint.path, 'model.safetensors'), given: namedAsHere(new Map(model)) }
  }
  return refuseWithoutCheckpoint(run)
}

function refuseWithoutCheckpoint(run: string): never {
  return fail({
    kind: 'data',
    message: 'expected a run with a checkpoint, but the folder has none',
    where: run,
    help: 'model.weights is the path of a .safetensors file, or of a run',
  })
}

/** Beginnings of names that need not be in the file, and are not taken from it if they are. */
function freeParts(model: ReadonlyMap<string, HostTensor>, part: ModelConfig['weightsPart']): string[] {
  switch (part) {
    case 'whole':
      return []
    case 'backbone':
      return ['fc', 'fpn', 'head', ...replacedParts(model)]
    case 'features':
      return ['head', ...replacedParts(model)]
    case 'trunk':
    case 'copies':
      // A gate that both heads share sits beside them.
      return ['head.gate', 'head.constraint', ...replacedParts(model)]
  }
}

/** For each tensor of an expert that of the plain part in the file: `PART.REST` for `PART.experts.I.REST`. */
function copiedExperts(
  model: ReadonlyMap<string, HostTensor>,
  given: ReadonlyMap<string, HostTensor>,
): Map<string, HostTensor> {
  const copies = new Map<string, HostTensor>()
  for (const name of model.keys()) {
    const plain = given.get(name.replace(/\.experts\.\d+\./, '.'))
    if (name.includes('.experts.') && plain !== undefined) copies.set(name, plain)
  }
  return copies
}

/** The parts of a published network that mixtures of experts replace, told by where the model has experts. */
function replacedParts(model: ReadonlyMap<string, HostTensor>): string[] {
  const homes = new Set([...model.keys()].filter(name => name.includes('.experts.')).map(homeOf))
  return [...homes].flatMap(home => (home === 'stem' ? ['stem', 'conv1', 'bn1'] : [home]))
}

/** `layer4.1.conv2` of `layer4.1.conv2.experts.0.weight`. */
function homeOf(name: string): string {
  return name.slice(0, name.indexOf('.experts.'))
}

function list(title: string, names: readonly string[]): string[] {
  const shown = names.slice(0, 12)
  const rest = names.length - shown.length
  return names.length === 0
    ? []
    : [`${title} (${names.length}): ${shown.join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`]
}
