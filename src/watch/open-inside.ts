import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular-file.ts'

// Neither is available on Windows.
const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants

/**
 * Opens a regular file for reading that is in a folder wherever links lead; undefined where it is not, or cannot be opened: a
 * dashboard shows what there is. The caller closes it.
 *
 * @param root - a real path, as `realpath` gives it
 */
export async function openInside(root: string, path: string): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined
  try {
    const target = await realpath(path)
    if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined
    // The target has no link in it; one that takes its place meanwhile is not followed.
    file = await open(target, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
    if ((await file.stat()).isFile()) return file
    await file.close()
    return undefined
  } catch {
    await file?.close().catch(() => undefined)
    return undefined
  }
}

/** The JSON in such a file; undefined where there is none, null where it is damaged or too large. */
export async function jsonInside(root: string, path: string): Promise<unknown> {
  const file = await openInside(root, path)
  if (file === undefined) return undefined
  try {
    if ((await file.stat()).size > sizeLimits.config) return null
    const value: unknown = JSON.parse(await file.readFile('utf8'))
    return isTooDeep(value) ? null : value
  } catch {
    return null
  } finally {
    await file.close()
  }
}
