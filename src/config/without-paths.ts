import { basename, isAbsolute, win32 } from 'node:path'
import { isJsonObject, type Json } from '../files/json.ts'

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
  if (typeof value === 'string')
    return isPath || isAbsolute(value) || win32.isAbsolute(value) ? win32.basename(basename(value)) : value
  if (Array.isArray(value)) return value.map(each => shortened(each, isPath))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, shortened(each, isPath || pathKeys.has(key))]),
  )
}
