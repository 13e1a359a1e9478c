import { realpath } from 'node:fs/promises'
import { isAbsolute, join, normalize, sep, win32 } from 'node:path'
import { fail } from '../base/errors.ts'
import { rethrowExhausted } from './disk.ts'
import { quoted } from './json-reader.ts'

/**
 * The path of an untrusted file name within a folder. Based on the text alone: links are not
 * followed.
 *
 * @param where - the source of the name, for the message: a configuration path, a file and record
 * @throws MoietyError `data` if the name is empty, absolute, leaves the folder or contains a NUL
 */
export function pathInside(folder: string, name: string, where: string): string {
  const path = normalize(name)
  const leadsOut =
    name === '' ||
    name.includes('\0') ||
    isAbsolute(name) ||
    // Drives and backslashes on every system, so that a file is interpreted the same everywhere.
    win32.isAbsolute(name) ||
    /^[a-z]:/i.test(name) ||
    name.split(/[\\/]/).includes('..') ||
    path === '.' ||
    path === `.${sep}`
  if (leadsOut) {
    fail({
      kind: 'data',
      message: `expected a relative path inside ${folder} without "..", got ${quoted(name)}`,
      where,
      help: 'use a path relative to that folder',
    })
  }
  return join(folder, path)
}

/**
 * Whether a path's target, links resolved, exists and is within a folder.
 *
 * @param folder - a real path, as `realpath` gives it
 */
export async function staysWithin(path: string, folder: string): Promise<boolean> {
  const target = await realpath(path).catch((cause: unknown) => {
    rethrowExhausted(cause, 'look at', path)
    return ''
  })
  return target.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
