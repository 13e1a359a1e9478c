import { isJsonObject, type Json, type JsonObject } from '../files/json.ts'

/**
 * Keys that came after runs had been made, each with the value with which a training is what it was before. A part of a part
 * is joined by dots.
 */
const additions: readonly { readonly part: string; readonly key: string; readonly asBefore: Json }[] = [
  { part: 'data', key: 'annotations', asBefore: null },
  { part: 'data', key: 'images', asBefore: null },
  { part: 'data', key: 'strict', asBefore: false },
  { part: 'data', key: 'implausibleBoxes', asBefore: 'stop' },
  { part: 'data', key: 'followLinks', asBefore: false },
  { part: 'model', key: 'initialisation', asBefore: 'fan-out' },
  { part: 'model', key: 'weightsEntry', asBefore: null },
  { part: 'model', key: 'copyNoise', asBefore: 0 },
  { part: 'model', key: 'freeze', asBefore: null },
  { part: 'model.detector', key: 'conventions', asBefore: 'retinanet' },
  { part: 'model.detector', key: 'scoreClamp', asBefore: null },
  { part: 'model.detector', key: 'initialisation', asBefore: 'torchvision' },
  { part: 'model.detector.matching', key: 'leastSide', asBefore: 0 },
  { part: 'optimizer', key: 'groups', asBefore: null },
  { part: 'training', key: 'replicas', asBefore: 1 },
  { part: 'training', key: 'resizing', asBefore: null },
]

/**
 * A configuration as it was before some of its keys came: they are left out where they change nothing. What is hashed is this,
 * so that checkpoints, explanations and sweeps that were made before still belong to their configurations.
 */
export function withoutAdditions(config: object): object {
  return without(config, '')
}

/** @param path - of the tree in the configuration, keys joined by dots, as `part` has it */
function without(tree: object, path: string): object {
  const here = additions.filter(({ part }) => part === path)
  const below = additions.filter(({ part }) => path === '' || part.startsWith(`${path}.`))
  if (here.length === 0 && below.length === 0) return tree
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([key, own]) => !here.some(addition => addition.key === key && addition.asBefore === own))
      .map(([key, own]: [string, unknown]) => [
        key,
        typeof own === 'object' && own !== null && !Array.isArray(own)
          ? without(own, path === '' ? key : `${path}.${key}`)
          : own,
      ]),
  )
}

/** The configuration of a run with every key that came after it, at the value by which it was trained. */
export function withAdditions(config: JsonObject): JsonObject {
  return additions.reduce(
    (filled, { part, key, asBefore }) => filledAt(filled, part.split('.'), key, asBefore),
    config,
  )
}

function filledAt(
  tree: JsonObject,
  [part, ...below]: readonly string[],
  key: string,
  value: Json,
): JsonObject {
  if (part === undefined) return Object.hasOwn(tree, key) ? tree : { ...tree, [key]: value }
  const inner = Object.hasOwn(tree, part) ? tree[part] : undefined
  return isJsonObject(inner) ? { ...tree, [part]: filledAt(inner, below, key, value) } : tree
}
