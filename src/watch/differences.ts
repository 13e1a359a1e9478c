import { withoutPaths } from '../config/without-paths.ts'
import { isJsonObject } from '../files/json.ts'

/** Leaves of a configuration, and letters of each, that are kept. */
const most = { leaves: 2000, letters: 200 } as const

/** The leaves of a JSON value as text, by their keys as `--set` names them; of paths only the last name. */
export function leavesOf(value: object): ReadonlyMap<string, string> {
  const leaves = new Map<string, string>()
  const visit = (one: unknown, path: string): void => {
    if (leaves.size >= most.leaves) return
    const isTree = Array.isArray(one) || isJsonObject(one)
    const entries = isTree ? Object.entries(one) : []
    if (isTree && entries.length > 0) {
      for (const [key, item] of entries) visit(item, path === '' ? key : `${path}.${key}`)
    } else leaves.set(path, (typeof one === 'string' ? one : JSON.stringify(one)).slice(0, most.letters))
  }
  visit(withoutPaths(value), '')
  return leaves
}

/**
 * Keys in which configurations differ, a key that one lacks included: those of `first` in their order, then those that all have, then
 * those that more have; equally many in the order of the configurations.
 */
export function differingKeys(
  configs: readonly ReadonlyMap<string, string>[],
  first: readonly string[] = [],
): string[] {
  const keys = new Set(configs.flatMap(config => [...config.keys()]))
  const differs = (key: string): boolean => configs.some(config => config.get(key) !== configs[0]!.get(key))
  const lacking = (key: string): number => configs.filter(config => !config.has(key)).length
  const found = [...keys].filter(differs).sort((a, b) => lacking(a) - lacking(b))
  return [...first.filter(key => found.includes(key)), ...found.filter(key => !first.includes(key))]
}
