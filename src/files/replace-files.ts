/**
 * Replacing files that belong together. All are written into a folder with a name of its own, which is then renamed to
 * `.replacingFolder`: from here on the set is decided, and whoever comes next moves its files to their places, whatever becomes of the
 * process that wrote them. A folder that is not empty cannot be renamed over, so the next set waits until all files of the one
 * before are in their places. So two writers at once leave the files of one of them, never some of each.
 *
 * Of a set in several folders, the folders in a fixed order, the first part alone decides. Each part names the next one (a file
 * `.also-…`), and whoever moves the files of a part decides and moves the next one before.
 */
import { randomBytes } from 'node:crypto'
import { basename, dirname, join, relative } from 'node:path'
import * as z from 'zod'
import { fail } from '../base/errors.ts'
import { readIfThere } from './append-file.ts'
import { ignoringErrors, listNames, makeFolders, writeAtomically, writeFlushed } from './atomic-write.ts'
import { attempt, codeOf, type Disk } from './disk.ts'
import { holdSignals } from './hold-signals.ts'
import { sizeLimits } from './regular-file.ts'
import { isAbandoned, removeAbandoned, temporaryName, unfinished } from './temporary-name.ts'

/** The folder of a set that is decided and not yet in its place. */
export const replacingFolder = '.replacingFolder'

/**
 * A part of a set that is decided where its first part is. It has the name of unfinished work after this, but only
 * {@link replaceFiles} removes it.
 */
const partPrefix = '.part-'
/** In a part: its neighbours, as paths relative to its folder. */
const alsoPrefix = '.also-'
const alsoSchema = z.object({ first: z.string().nullable(), next: z.string().nullable() })

/** What a file is to contain. */
export interface FileContent {
  readonly path: string
  readonly bytes: Uint8Array | string
}

/**
 * Replaces or creates files that belong together, and the folders above them. Everything is written before anything is replaced:
 * a full disk leaves the former files.
 *
 * @param files - may be computed one after another
 * @returns the paths written
 * @throws MoietyError `disk`, also where a folder has the name of a file
 */
export function replaceFiles(disk: Disk, files: Iterable<FileContent>): string[] {
  const stagings = new Map<string, string>()
  const paths: string[] = []
  try {
    for (const { path, bytes } of files) {
      const folder = realFolder(disk, dirname(path))
      const staging = stagings.get(folder) ?? begin(disk, folder)
      stagings.set(folder, staging)
      refuseFolder(disk, path)
      const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
      writeFlushed(disk, join(staging, basename(path)), content)
      paths.push(path)
    }
    link(disk, stagings)
    const [first] = [...stagings.keys()].sort()
    if (first === undefined) return paths
    holdSignals(() => {
      decide(disk, first, stagings.get(first)!)
      stagings.clear()
      finishReplacement(disk, first)
    })
  } catch (cause) {
    for (const staging of stagings.values()) ignoringErrors(() => disk.remove(staging))
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

/** A folder under one name, however it was reached: made if it is not there. */
function realFolder(disk: Disk, folder: string): string {
  makeFolders(disk, folder)
  return attempt(disk, 'look at', folder, () => disk.realPath(folder))
}

/** Makes each part name its neighbours, and gives all but the first the name that the one before knows. */
function link(disk: Disk, stagings: Map<string, string>): void {
  const folders = [...stagings.keys()].sort()
  const first = folders[0]
  for (const [i, folder] of folders.entries()) {
    const staging = stagings.get(folder)!
    const next = folders[i + 1]
    if (folders.length > 1) {
      const neighbours: z.infer<typeof alsoSchema> = {
        first: folder === first ? null : relative(folder, first!),
        next: next === undefined ? null : relative(folder, partOf(next, stagings.get(next)!)),
      }
      const also = join(staging, `${alsoPrefix}${randomBytes(6).toString('hex')}`)
      writeFlushed(disk, also, new TextEncoder().encode(JSON.stringify(neighbours)))
    }
    attempt(disk, 'flush', staging, () => disk.flushFolder(staging))
    if (folder === first) continue
    const part = partOf(folder, staging)
    attempt(disk, 'rename to', part, () => disk.rename(staging, part))
    stagings.set(folder, part)
    attempt(disk, 'flush', folder, () => disk.flushFolder(folder))
  }
}

const partOf = (folder: string, staging: string): string =>
  join(folder, basename(staging).replace(unfinished, partPrefix))

/** Makes the folder to write into, and removes what ended processes left there. */
function begin(disk: Disk, folder: string): string {
  const staging = join(folder, temporaryName('together'))
  attempt(disk, 'create the folder', staging, () => disk.makeFolder(staging))
  ignoringErrors(() => removeAbandoned(disk, folder, staging))
  ignoringErrors(() => removeParts(disk, folder, staging))
  return staging
}

/** Finishes the sets that parts belong to, if they are decided, and removes those of ended processes that never were. */
function removeParts(disk: Disk, folder: string, reference: string): void {
  for (const name of listNames(disk, folder)) {
    if (!name.startsWith(partPrefix)) continue
    const part = join(folder, name)
    for (const { first } of neighboursIn(disk, part)) {
      if (first !== null) finishReplacement(disk, join(folder, first))
    }
    if (!listNames(disk, folder).includes(name)) continue
    if (!isAbandoned(disk, folder, name, name.replace(partPrefix, unfinished), reference)) continue
    attempt(disk, 'remove the unfinished', part, () => disk.remove(part))
  }
}

/** What the files `.also-…` of a part say; nothing where another process has moved or removed it. */
function neighboursIn(disk: Disk, part: string): (z.infer<typeof alsoSchema> & { readonly path: string })[] {
  return listNames(disk, part)
    .filter(name => name.startsWith(alsoPrefix))
    .flatMap(name => {
      const path = join(part, name)
      const bytes = readIfThere(disk, path, sizeLimits.lock)
      if (bytes === undefined) return []
      return [{ path, ...(parsedNeighbours(bytes) ?? { first: null, next: null }) }]
    })
}

function parsedNeighbours(bytes: Uint8Array): z.infer<typeof alsoSchema> | undefined {
  try {
    return alsoSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
  } catch {
    return undefined
  }
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

/** @param isShared - others may decide it, too: it has been decided if it is gone */
function decide(disk: Disk, folder: string, staging: string, isShared = false): void {
  const place = join(folder, replacingFolder)
  for (let turn = 1; ; turn++) {
    finishReplacement(disk, folder)
    const isDone = attempt(disk, 'rename to', place, () => {
      try {
        disk.rename(staging, place)
        return true
      } catch (cause) {
        if (isShared && codeOf(cause) === 'ENOENT') return true
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
  for (const { path, next } of neighboursIn(disk, place)) {
    if (next !== null) finishPart(disk, folder, next)
    attempt(disk, 'remove', path, () => unless(['ENOENT'], () => disk.remove(path)))
  }
  for (const name of listNames(disk, place)) {
    // Of a set that was decided meanwhile.
    if (name.startsWith(alsoPrefix)) continue
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
 * Only a folder is ever renamed to `.replacingFolder`. A link of that name came with a folder of somebody else's, and following it would
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

/** Decides a part, unless somebody has, and moves its files to their places. */
function finishPart(disk: Disk, before: string, next: string): void {
  const part = join(before, next)
  if (!basename(part).startsWith(partPrefix)) return
  const folder = dirname(part)
  // Parts are in the order of their folders, so that no chain comes back to where it began.
  const isBehind = ((): boolean => {
    try {
      return disk.realPath(folder) > disk.realPath(before)
    } catch {
      return false
    }
  })()
  if (!isBehind) return
  decide(disk, folder, part, true)
  finishReplacement(disk, folder)
}

function unless(codes: readonly string[], action: () => void): void {
  try {
    action()
  } catch (cause) {
    if (!codes.includes(codeOf(cause) ?? '')) throw cause
  }
}
