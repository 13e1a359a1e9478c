import { withoutAdditions } from './additions.ts'
import type { Config } from './schema.ts'

/** One key that two configurations hold differently; `undefined` where one of them lacks it. */
export interface Difference {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** Every key in which two resolved configurations differ, in the order of the first. */
export function configDifferences(before: Config, after: Config): Difference[] {
  return compare(before, after, '')
}

function compare(before: unknown, after: unknown, path: string): Difference[] {
  if (isTree(before) && isTree(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    const below = (tree: object, key: string): unknown => Object.getOwnPropertyDescriptor(tree, key)?.value
    return keys.flatMap(key =>
      compare(below(before, key), below(after, key), path === '' ? key : `${path}.${key}`),
    )
  }
  return Object.is(before, after) ? [] : [{ path, before, after }]
}

const isTree = (value: unknown): value is object => typeof value === 'object' && value !== null

interface SafeChange {
  /** A path, or the start of paths; `*` stands for any key. */
  readonly path: string
  readonly reason: string
  readonly allowed?: (before: unknown, after: unknown) => boolean
}

/**
 * What may differ when a run is resumed, each with its reason. Everything else would make the second half of a
 * training the continuation of another first half, and is refused with the list of differences.
 */
export const safeToChange: readonly SafeChange[] = [
  {
    path: 'training.epochs',
    reason: 'more epochs continue the same training; rates of schedules that end with it follow the new end',
    allowed: (before, after) => typeof before === 'number' && typeof after === 'number' && after >= before,
  },
  { path: 'training.keepCheckpoints', reason: 'what is kept on disk does not enter the numbers' },
  { path: 'training.best', reason: 'which checkpoint is kept besides does not enter the numbers' },
  { path: 'training.checkpointEvery', reason: 'when the state is written down does not enter the numbers' },
  { path: 'training.evaluateEvery', reason: 'looking at held-out images does not change the network' },
  { path: 'training.collapse', reason: 'the alarm reports and does not enter the numbers' },
  {
    path: 'engine',
    reason:
      'another device or thread count computes the same training; its last bits may differ from here on',
  },
  { path: 'data.directory', reason: 'the same data set may have moved' },
  { path: 'data.annotations', reason: 'the same annotations may have moved' },
  { path: 'data.images', reason: 'the same images may have moved' },
  { path: 'data.cache', reason: 'the same images have the same pixels, decoded or kept' },
  { path: 'data.cacheLimit', reason: 'the same images have the same pixels, decoded or kept' },
  { path: 'data.strict', reason: 'it decides whether annotations are used, not what they are' },
  { path: 'data.followLinks', reason: 'it decides whether files are read, not what they are' },
  { path: 'data.implausibleBoxes', reason: 'it decides whether boxes are used, not what they are' },
  { path: 'use.files', reason: 'the same code may lie elsewhere; its hash says whether it is the same' },
  ...['model.moe.*.capacityFactor', 'model.detector.mixture.capacityFactor'].map(path => ({
    path,
    reason:
      'how many images an expert may take changes nothing where it suffices, and elsewhere a step is refused',
  })),
  { path: 'model.weights', reason: 'weights to start from are read once, at the start' },
  { path: 'model.weightsEntry', reason: 'weights to start from are read once, at the start' },
  { path: 'model.copyNoise', reason: 'weights to start from are read once, at the start' },
  { path: 'model.weightsPart', reason: 'weights to start from are read once, at the start' },
]

/** A configuration without the keys that `safeToChange` names: what decides the numbers of a training. */
export function withoutSafeKeys(config: object): object {
  return withoutSafe(withoutAdditions(config), '')
}

function withoutSafe(tree: object, path: string): object {
  const kept = Object.entries(tree).flatMap(([key, value]: [string, unknown]) => {
    const inner = path === '' ? key : `${path}.${key}`
    if (safeToChange.some(safe => covers(safe.path, inner))) return []
    return [[key, isTree(value) ? withoutSafe(value, inner) : value] as const]
  })
  return Array.isArray(tree) ? kept.map(([, value]) => value) : Object.fromEntries(kept)
}

/** Whether a path is that of a safe change, or lies below it. */
function covers(safe: string, path: string): boolean {
  const keys = path.split('.')
  return safe.split('.').every((key, i) => key === keys[i] || (key === '*' && keys[i] !== undefined))
}

/** Those differences that forbid a resume: all that {@link safeToChange} does not name. */
export function unsafeDifferences(differences: readonly Difference[]): Difference[] {
  return differences.filter(
    ({ path, before, after }) =>
      !safeToChange.some(safe => covers(safe.path, path) && (safe.allowed?.(before, after) ?? true)),
  )
}
