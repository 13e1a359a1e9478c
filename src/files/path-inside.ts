import { realpath } from 'node:fs/promises'
import { isAbsolute, join, normalize, sep, win32 } from 'node:path'
import { fail } from '../base/errors.ts'
import { quoted } from './json-reader.ts'

/**
 * The path of a file that a name of unknown origin gives within a folder. By its text alone: links are not
 * followed.
 *
 * @param where - what gave the name, for the message: a configuration path, a file and record
 * @throws MoietyError `data` if the name is empty, absolute, leads out of the folder or holds a NUL
 */
export function pathInside(folder: string, name: string, where: string): string {
  const path = normalize(name)
  const leadsOut =
    name === '' ||
    name.includes('\0') ||
    isAbsolute(name) ||
    // Drives and backslashes on every system, so that a file means the same everywhere.
    win32.isAbsolute(name) ||
    /^[a-z]:/i.test(name) ||
    name.split(/[\\/]/).includes('..') ||
    path === '.' ||
    path === `.${sep}`
  if (leadsOut) {
    fail({
      kind: 'data',
      message: `a name inside of ${folder} was expected, without "..", got ${quoted(name)}`,
      where,
      help: 'use a path relative to that folder',
    })
  }
  return join(folder, path)
}

/**
 * Whether what a path leads to, its links followed, is there and lies within a folder.
 *
 * @param folder - a real path, as `realpath` gives it
 */
export async function staysWithin(path: string, folder: string): Promise<boolean> {
  const target = await realpath(path).catch(() => '')
  return target.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
