/**
 * Replacing a set of files atomically. All are written to a folder with a unique name, which is then renamed to
 * `.replacing`: from then on the set is committed, and the next process to run moves its files into place, even if the
 * process that wrote them is gone. A folder that is not empty cannot be replaced by a rename, so the next set waits until all files of the previous
 * one are in place. So two concurrent writers leave the files of one of them, never a mixture.
 */
import { basename, dirname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { ignoringErrors, listNames, makeFolders, writeAtomically, writeFlushed } from './atomic-write.ts'
import { attempt, codeOf, type Disk } from './disk.ts'
import { holdSignals } from './hold-signals.ts'
import { removeAbandoned, temporaryName } from './temporary-name.ts'

/** The folder of a committed set that is not yet in place. */
export const replacingFolder = '.replacing'

/** What a file is to contain. */
export interface FileContent {
  readonly path: string
  readonly bytes: Uint8Array | string
}

/**
 * Replaces or creates files that belong together, and the folders above them. All files are written before any is replaced:
 * a full disk leaves the former files. Of a set in several folders, the files in each folder are of one writer.
 *
 * @param files - may be computed one after another
 * @returns the paths written
 * @throws MoietyError `disk`, also where a folder has the name of a file
 */
export function replaceFiles(disk: Disk, files: Iterable<FileContent>): string[] {
  const temporaryFolders = new Map<string, string>()
  const folders = new Set<string>()
  const paths: string[] = []
  try {
    for (const { path, bytes } of files) {
      const folder = dirname(path)
      const temporary = temporaryFolders.get(folder) ?? begin(disk, folder)
      temporaryFolders.set(folder, temporary)
      folders.add(folder)
      refuseFolder(disk, path)
      const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
      writeFlushed(disk, join(temporary, basename(path)), content)
      paths.push(path)
    }
    for (const temporary of temporaryFolders.values())
      attempt(disk, 'flush', temporary, () => disk.flushFolder(temporary))
    holdSignals(() => {
      for (const [folder, temporary] of temporaryFolders) commit(disk, folder, temporary)
      temporaryFolders.clear()
      for (const folder of folders) finishReplacement(disk, folder)
    })
  } catch (cause) {
    for (const temporary of temporaryFolders.values()) ignoringErrors(() => disk.remove(temporary))
    throw cause
  }
  return paths
}

/** {@link replaceFiles} for one file. @throws MoietyError `disk` */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array | string): void {
  const folder = dirname(path)
  makeFolders(disk, folder)
  writeAtomically(disk, path, bytes)
  ignoringErrors(() => removeAbandoned(disk, folder, path))
}

/** Creates the temporary folder, and removes those of ended processes. */
function begin(disk: Disk, folder: string): string {
  makeFolders(disk, folder)
  const temporary = join(folder, temporaryName('together'))
  attempt(disk, 'create the folder', temporary, () => disk.makeFolder(temporary))
  ignoringErrors(() => removeAbandoned(disk, folder, temporary))
  return temporary
}

function refuseFolder(disk: Disk, path: string): void {
  try {
    disk.list(path)
  } catch {
    return
  }
  fail({
    kind: 'disk',
    message: `cannot write ${path}: it is a folder, not a file`,
    where: path,
    help: 'move the folder away, or choose another path',
  })
}

/** Error codes where a non-empty folder of that name exists; on Windows also for an empty one. */
const taken = new Set(['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES'])
const maxAttempts = 100

function commit(disk: Disk, folder: string, temporary: string): void {
  const place = join(folder, replacingFolder)
  for (let attempts = 1; ; attempts++) {
    finishReplacement(disk, folder)
    const isDone = attempt(disk, 'rename to', place, () => {
      try {
        disk.rename(temporary, place)
        return true
      } catch (cause) {
        if (attempts === maxAttempts || !taken.has(codeOf(cause) ?? '')) throw cause
        return false
      }
    })
    if (isDone) return
  }
}

/**
 * Moves the files of a committed set into place, also if its process was killed or another process is moving them now:
 * a missing file has been moved already.
 *
 * @throws MoietyError `disk`
 */
export function finishReplacement(disk: Disk, folder: string): void {
  if (!listNames(disk, folder).includes(replacingFolder)) return
  const place = join(folder, replacingFolder)
  refuseLink(disk, place, folder)
  // The commit is durable before the first file is moved.
  attempt(disk, 'flush', folder, () => disk.flushFolder(folder))
  for (const name of listNames(disk, place)) {
    const path = join(folder, name)
    attempt(disk, 'move the finished file to', path, () =>
      unless(['ENOENT'], () => disk.rename(join(place, name), path)),
    )
  }
  attempt(disk, 'flush', folder, () => disk.flushFolder(folder))
  attempt(disk, 'remove', place, () =>
    unless(['ENOENT', 'ENOTEMPTY', 'EEXIST'], () => disk.removeEmpty(place)),
  )
}

/**
 * Only a folder is ever renamed to `.replacing`. A link of that name is not Moiety's, and following it would
 * move files out of its target.
 */
function refuseLink(disk: Disk, place: string, folder: string): void {
  const isLink = attempt(disk, 'inspect', place, () => {
    try {
      return disk.realPath(place) !== join(disk.realPath(folder), replacingFolder)
    } catch (cause) {
      // Another process has just finished it; or it is a dangling link, from which nothing can be moved.
      if (codeOf(cause) === 'ENOENT') return false
      throw cause
    }
  })
  if (!isLink) return
  fail({
    kind: 'disk',
    message: `expected a folder that Moiety has made, found a link: ${place}`,
    where: place,
    help: 'remove the link; nothing was moved',
  })
}

function unless(codes: readonly string[], action: () => void): void {
  try {
    action()
  } catch (cause) {
    if (!codes.includes(codeOf(cause) ?? '')) throw cause
  }
}
