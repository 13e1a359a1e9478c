import { fail } from '../base/errors.ts'
import { configError } from '../config/explain.ts'
import { isJsonObject, type JsonObject } from '../files/json.ts'
import { networkOf, settingsFor } from './network-of-weights.ts'
import type { WeightFacts } from './suited-recipe.ts'
import { readWeights, refuseUnreadableWeights } from './weight-file.ts'

/** A configuration in which `model.from` was replaced, and what is reported of it. */
export interface FromWeights {
  readonly input: unknown
  readonly notes: readonly string[]
}

/** Keys of `model` that a run knows and a file shows. */
const ofRuns = ['name', 'stem', 'width'] as const

/**
 * Replaces `model.from` of a configuration by what the file or run shows: `weights`, `name`, `stem`, `width`, `weightsPart` (`auto` where
 * it is not set) and, of a detector whose file is one, `detector.channels` and `headDepth`. Without `model.from` nothing is read.
 *
 * @param input - a configuration that is not resolved yet
 * @param fixed - paths that were set for this training, such as `model.stem`: they must agree with the file
 * @throws MoietyError `data` for a file that cannot be read or has another network; `usage` that lists every fixed setting that does not
 *   agree
 */
export async function withModelFrom(input: unknown, fixed: readonly string[] = []): Promise<FromWeights> {
  const model = isJsonObject(input) ? input.model : undefined
  if (!isJsonObject(input) || !isJsonObject(model) || typeof model.from !== 'string')
    return { input, notes: [] }
  const { from, ...own } = model
  if (typeof own.weights === 'string')
    fail({
      kind: 'usage',
      message: `model.from ${from} sets model.weights, which is ${own.weights} already`,
      where: 'model.from',
      help: 'leave one of the two out',
    })
  await refuseUnreadableWeights(from)
  const entry = typeof own.weightsEntry === 'string' ? own.weightsEntry : null
  const { file, tensors, model: trained } = await readWeights(from, entry)
  const found = networkOf(tensors, file)
  const settings = {
    ...settingsFor(found, own),
    ...(isJsonObject(trained)
      ? Object.fromEntries(ofRuns.flatMap(key => (key in trained ? [[key, trained[key]]] : [])))
      : {}),
  } as JsonObject
  const wrong = Object.entries(settings).filter(
    ([key, value]) =>
      fixed.includes(`model.${key}`) &&
      valueAt(own, key) !== value &&
      !isSameTensors(key, valueAt(own, key), value),
  )
  if (wrong.length > 0)
    throw configError(
      wrong.map(([key, value]) => ({
        path: ['model', ...key.split('.')],
        message: `it is set to ${JSON.stringify(valueAt(own, key))}, and the weights in ${file} have ${JSON.stringify(value)}`,
        help: 'leave it out: model.from sets it',
      })),
      'the command line',
    )
  const kept = Object.entries(settings).filter(([key]) => !fixed.includes(`model.${key}`))
  const next = kept.reduce<JsonObject>((tree, [key, value]) => setAt(tree, key.split('.'), value!), {
    ...own,
    weights: from,
    weightsPart: own.weightsPart ?? 'auto',
  })
  const said = Object.entries({ ...settings, weightsPart: next.weightsPart }).map(
    ([key, value]) => `model.${key}=${String(value)}`,
  )
  const open =
    found.stem === null && !isJsonObject(trained)
      ? [
          'its stem is a 3×3 convolution whose stride cannot be read from tensors; model.stem=strided is the other possibility',
        ]
      : []
  return { input: { ...input, model: next }, notes: [`${from} sets ${said.join(' ')}`, ...open] }
}

/** What the weights are of that a configuration begins with, if it does. @throws MoietyError `data` as {@link withModelFrom} */
export async function weightFacts(input: unknown): Promise<WeightFacts | undefined> {
  const model = isJsonObject(input) && isJsonObject(input.model) ? input.model : {}
  const path = model.from ?? model.weights
  if (typeof path !== 'string') return undefined
  await refuseUnreadableWeights(path)
  const entry = typeof model.weightsEntry === 'string' ? model.weightsEntry : null
  const { file, tensors, model: trained } = await readWeights(path, entry)
  const { name, width, stem, detector } = networkOf(tensors, file)
  const known = isJsonObject(trained) ? trained.stem : undefined
  return {
    name,
    width,
    stem: known === 'cifar' || known === 'strided' || known === 'imagenet' ? known : stem,
    hasHeads: detector !== null && detector.classes !== null,
    hasExperts: [...tensors.keys()].some(key => key.includes('.experts.')),
  }
}

/** `cifar` and `strided` have the same tensors. */
function isSameTensors(key: string, set: unknown, found: unknown): boolean {
  const small: unknown[] = ['cifar', 'strided']
  return key === 'stem' && small.includes(set) && small.includes(found)
}

function valueAt(tree: JsonObject, key: string): unknown {
  return key.split('.').reduce<unknown>((at, part) => (isJsonObject(at) ? at[part] : undefined), tree)
}

function setAt(tree: JsonObject, [key, ...rest]: readonly string[], value: JsonObject[string]): JsonObject {
  if (key === undefined) return tree
  const below = tree[key]
  return { ...tree, [key]: rest.length === 0 ? value : setAt(isJsonObject(below) ? below : {}, rest, value) }
}
