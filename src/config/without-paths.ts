import { isJsonObject, type Json } from '../files/json.ts'

/** Of any system; without Node, for this file is also loaded in browsers. */
const isAbsolute = /^(?:[\\/]|[a-z]:[\\/])/i

const lastName = (path: string): string => path.split(/[\\/]/).findLast(part => part !== '') ?? ''

/** Keys whose values are paths, also where they are relative. */
const pathKeys = new Set(['directory', 'weights', 'from', 'files', 'annotations', 'images'])

/**
 * A configuration for others: of each path only the last name, so that nothing in it says where the data lay or whose folder that was.
 *
 * @param config - a resolved configuration, which is JSON
 */
export function withoutPaths(config: object): Json {
  return shortened(JSON.parse(JSON.stringify(config)) as Json, false)
}

function shortened(value: Json, isPath: boolean): Json {
  if (typeof value === 'string') return isPath || isAbsolute.test(value) ? lastName(value) : value
  if (Array.isArray(value)) return value.map(each => shortened(each, isPath))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, shortened(each, isPath || pathKeys.has(key))]),
  )
}
