/**
 * Replacing files that belong together. All are written into a folder with a name of its own, which is then renamed to
 * `.replacing`: from here on the set is decided, and whoever comes next moves its files to their places, whatever becomes of the
 * process that wrote them. A folder that is not empty cannot be renamed over, so the next set waits until all files of the one
 * before are in their places. So two writers at once leave the files of one of them, never some of each.
 */
import { basename, dirname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { ignoringErrors, listNames, makeFolders, writeAtomically, writeFlushed } from './atomic-write.ts'
import { attempt, codeOf, type Disk } from './disk.ts'
import { holdSignals } from './hold-signals.ts'
import { removeAbandoned, temporaryName } from './temporary-name.ts'

/** The folder of a set that is decided and not yet in its place. */
export const replacingFolder = '.replacing'

/** What a file is to contain. */
export interface FileContent {
  readonly path: string
  readonly bytes: Uint8Array | string
}

/**
 * Replaces or creates files that belong together, and the folders above them. Everything is written before anything is replaced:
 * a full disk leaves the former files. Of a set in several folders, the files in each folder are of one writer.
 *
 * @param files - may be computed one after another
 * @returns the paths written
 * @throws MoietyError `disk`, also where a folder has the name of a file
 */
export function replaceFiles(disk: Disk, files: Iterable<FileContent>): string[] {
  const besides = new Map<string, string>()
  const folders = new Set<string>()
  const paths: string[] = []
  try {
    for (const { path, bytes } of files) {
      const folder = dirname(path)
      const beside = besides.get(folder) ?? begin(disk, folder)
      besides.set(folder, beside)
      folders.add(folder)
      refuseFolder(disk, path)
      const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
      writeFlushed(disk, join(beside, basename(path)), content)
      paths.push(path)
    }
    for (const beside of besides.values()) attempt(disk, 'flush', beside, () => disk.flushFolder(beside))
    holdSignals(() => {
      for (const [folder, beside] of besides) decide(disk, folder, beside)
      besides.clear()
      for (const folder of folders) finishReplacement(disk, folder)
    })
  } catch (cause) {
    for (const beside of besides.values()) ignoringErrors(() => disk.remove(beside))
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

/** Makes the folder to write into, and removes what ended processes left there. */
function begin(disk: Disk, folder: string): string {
  makeFolders(disk, folder)
  const beside = join(folder, temporaryName('together'))
  attempt(disk, 'create the folder', beside, () => disk.makeFolder(beside))
  ignoringErrors(() => removeAbandoned(disk, folder, beside))
  return beside
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
    help: 'move the folder away, or write to another place',
  })
}

/** What systems answer where a folder that is not empty has the name; Windows also where an empty one has it. */
const taken = new Set(['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES'])
const mostTurns = 100

function decide(disk: Disk, folder: string, beside: string): void {
  const place = join(folder, replacingFolder)
  for (let turn = 1; ; turn++) {
    finishReplacement(disk, folder)
    const isDone = attempt(disk, 'rename to', place, () => {
      try {
        disk.rename(beside, place)
        return true
      } catch (cause) {
        if (turn === mostTurns || !taken.has(codeOf(cause) ?? '')) throw cause
        return false
      }
    })
    if (isDone) return
  }
}

/**
 * Moves the files of a decided set to their places, also of one whose process was killed, or which another process is moving now:
 * a file that has gone has been moved.
 *
 * @throws MoietyError `disk`
 */
export function finishReplacement(disk: Disk, folder: string): void {
  if (!listNames(disk, folder).includes(replacingFolder)) return
  const place = join(folder, replacingFolder)
  refuseLink(disk, place, folder)
  // The decision survives a power cut before the first file is moved.
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
 * Only a folder is ever renamed to `.replacing`. A link of that name came with a folder of somebody else's, and following it would
 * move files out of the place that it leads to.
 */
function refuseLink(disk: Disk, place: string, folder: string): void {
  const isLink = attempt(disk, 'look at', place, () => {
    try {
      return disk.realPath(place) !== join(disk.realPath(folder), replacingFolder)
    } catch (cause) {
      // Another process has just finished it; or it is a link to nothing, out of which nothing can be moved.
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
