import { readFile } from 'node:fs/promises'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { adopt } from '../nn/index.ts'
import type { ModelConfig } from '../run/config.ts'

/**
 * Puts published weights (safetensors with torchvision's names) into a fresh state.
 *
 * `whole` asks that file and model have the same tensors. `backbone` leaves out the classifier and whatever a mixture
 * of experts replaces; all else must be there. Torch's `num_batches_tracked` is ignored.
 *
 * @throws MoietyError (data) that lists what is missing, not in the model, or of another shape, by name
 */
export async function withPublishedWeights(
  initial: ReadonlyMap<string, HostTensor>,
  config: Pick<ModelConfig, 'weights' | 'weightsPart'>,
): Promise<Map<string, HostTensor>> {
  if (config.weights === null) return new Map(initial)
  const file = config.weights
  const bytes = await readFile(file).catch((cause: unknown) =>
    fail({
      kind: 'data',
      message: `the weights cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: file,
      help: 'model.weights is the path of a .safetensors file',
      cause,
    }),
  )
  const { tensors } = decodeSafetensors(bytes, file)
  const given = new Map([...tensors].filter(([name]) => !name.endsWith('num_batches_tracked')))
  const model = new Map([...initial].filter(([name]) => !name.startsWith('optimizer.')))
  const replaced = replacedParts(model)
  const isFree = (name: string): boolean =>
    config.weightsPart === 'backbone' && ['fc', ...replaced].some(part => name.startsWith(`${part}.`))
  const wanted = new Map([...given].filter(([name]) => !isFree(name)))
  const { state, missing, unknown, misshapen } = adopt(model, wanted)
  const problems = [
    ...list(
      'missing from the file',
      missing.filter(name => !isFree(name)),
    ),
    ...list('not in the model', unknown),
    ...list('of another shape', misshapen),
  ]
  if (problems.length > 0) {
    fail({
      kind: 'data',
      message: `the weights do not fit the model:\n  ${problems.join('\n  ')}`,
      where: file,
      help:
        config.weightsPart === 'whole'
          ? 'model.weightsPart=backbone leaves out the classifier and what a mixture of experts replaces'
          : 'compare model.name, model.stem and model.width with the file',
    })
  }
  return new Map([...initial, ...state])
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
