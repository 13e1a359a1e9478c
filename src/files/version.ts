import { readFileSync } from 'node:fs'
import { fail } from '../base/errors.ts'
import { isJsonObject } from './json.ts'

/** The version of this package, from its package.json, two folders above both source and build. */
export const version: string = (() => {
  const value: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return isJsonObject(value) && typeof value.version === 'string'
    ? value.version
    : fail({ kind: 'usage', message: 'the package.json of Moiety has no version' })
})()
