import { basename, dirname, join } from 'node:path'
import { attempt, codeOf, type Disk } from './disk.ts'
import { temporaryName, unfinished } from './temporary-name.ts'

export { unfinished }

/** Writes all of `bytes` to an open file, in as many writes as necessary. */
export function writeAll(disk: Disk, file: number, bytes: Uint8Array): void {
  let rest = bytes
  while (rest.length > 0) {
    const taken = disk.write(file, rest)
    if (taken <= 0) throw Object.assign(new Error('the disk took no bytes'), { code: 'EIO' })
    rest = rest.subarray(taken)
  }
}

/** Runs a clean-up and ignores its failure, so that it does not hide the original error. */
export function ignoringErrors(action: () => void): void {
  try {
    action()
  } catch {
    // The original error is the one to report; leftovers have temporary names.
  }
}

/**
 * Writes a file under its final name, all parts of it one after another, and flushes it. For places that no reader uses yet,
 * such as a folder that is still to be renamed: until this returns, the file may be incomplete. After a failure it is removed.
 *
 * @throws MoietyError `disk`
 */
export function writeFlushed(disk: Disk, path: string, content: Uint8Array | readonly Uint8Array[]): void {
  const parts = content instanceof Uint8Array ? [content] : content
  const file = attempt(disk, 'create', path, () => disk.open(path, 'w'))
  let open = true
  try {
    attempt(disk, 'write', path, () => {
      for (const part of parts) writeAll(disk, file, part)
    })
    attempt(disk, 'flush', path, () => disk.flush(file))
    open = false
    attempt(disk, 'close', path, () => disk.close(file))
  } catch (cause) {
    if (open) ignoringErrors(() => disk.close(file))
    ignoringErrors(() => disk.remove(path))
    throw cause
  }
}

/**
 * Replaces or creates a file so that a reader, at any instant and after any failure or power cut, finds either
 * the old content or the whole new one: written to a temporary file, flushed, renamed, folder flushed.
 *
 * @throws MoietyError `disk`
 */
export function writeAtomically(disk: Disk, path: string, bytes: Uint8Array | string): void {
  const folder = dirname(path)
  const temporary = join(folder, temporaryName(basename(path)))
  writeFlushed(disk, temporary, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
  try {
    attempt(disk, 'move the finished file to', path, () => disk.rename(temporary, path))
  } catch (cause) {
    ignoringErrors(() => disk.remove(temporary))
    throw cause
  }
  attempt(disk, 'flush the folder of', path, () => disk.flushFolder(folder))
}

/**
 * Creates a folder and its missing parents, each name flushed into its parent. An existing folder
 * is left unchanged.
 *
 * @throws MoietyError `disk`
 */
export function makeFolders(disk: Disk, path: string): void {
  const outcome = attempt(disk, 'create the folder', path, () => {
    try {
      disk.makeFolder(path)
      return 'created'
    } catch (cause) {
      const code = codeOf(cause)
      if (code === 'ENOENT' && dirname(path) !== path) return 'parent missing'
      if (code !== 'EEXIST') throw cause
      // A file of that name cannot be listed.
      disk.list(path)
      return 'was there'
    }
  })
  if (outcome === 'was there') return
  if (outcome === 'parent missing') {
    makeFolders(disk, dirname(path))
    attempt(disk, 'create the folder', path, () => disk.makeFolder(path))
  }
  attempt(disk, 'flush the folder above', path, () => disk.flushFolder(dirname(path)))
}

/**
 * The names in a folder, sorted; none if there is no such folder.
 *
 * @throws MoietyError `disk`
 */
export function listNames(disk: Disk, folder: string): string[] {
  return attempt(disk, 'list', folder, () => {
    try {
      return disk.list(folder).sort()
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return []
      throw cause
    }
  })
}
