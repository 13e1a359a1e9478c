import { createHash } from 'node:crypto'
import { withoutAdditions } from '../config/additions.ts'
import { child } from '../config/shape.ts'
import { isOfFolder } from '../data/datasets/registry.ts'
import { canonicalJson, type Json } from '../files/json.ts'

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/**
 * The identity of a run of a sweep: its configuration, without the folder of a data set whose content does not depend on it.
 *
 * @param threads - `any` omits the number of threads, which a sweep derives from `--jobs`
 */
export function identityOf(config: object, threads: 'as given' | 'any' = 'as given'): object {
  const data = child(config, 'data')
  const engine = child(config, 'engine')
  const use = child(config, 'use')
  return {
    ...withoutAdditions({
      ...config,
      ...(isObject(data) && !isOfFolder(child(data, 'name')) ? { data: { ...data, directory: null } } : {}),
    }),
    // The same code may lie elsewhere on another machine.
    ...(isObject(use) ? { use: { sha256: child(use, 'sha256') } } : {}),
    ...(isObject(engine) && threads === 'any' ? { engine: { ...engine, threads: null } } : {}),
  }
}

/**
 * The hash of {@link identityOf}, as `configHash` gives it, for many configurations that have much in common: a part that was
 * seen before is not put in order again.
 */
export function createHasher(): (config: object, threads?: 'as given' | 'any') => string {
  const known = new Map<string, string>()
  const inOrder = (part: unknown): string => {
    const text = JSON.stringify(part)
    const before = known.get(text)
    if (before !== undefined) return before
    const parsed: Json = JSON.parse(text)
    const ordered = canonicalJson(parsed)
    known.set(text, ordered)
    return ordered
  }
  return (config, threads) => {
    const members = Object.entries(identityOf(config, threads))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => `${JSON.stringify(key)}:${inOrder(part)}`)
    return createHash('sha256')
      .update(`{${members.join(',')}}`)
      .digest('hex')
  }
}

/** Whether the configuration that a run's folder holds is the planned one with that hash. */
export type PlannedCheck = (hash: string, config: object) => boolean

export function createPlannedCheck(): PlannedCheck {
  const hashOf = createHasher()
  return (hash, config) => hashOf(config, 'any') === hash || hashOf(config) === hash
}
