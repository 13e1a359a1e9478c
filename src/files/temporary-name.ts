/**
 * Names of files and folders that are still being written. Each name is unique, so that two writers of one file never share
 * it, and contains its owner, so that only abandoned files are removed.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { attempt, codeOf, type Disk } from './disk.ts'
import { pidNamespace, processHasEnded, statOf } from './process-identity.ts'

/** Prefix of temporary files and folders, which are never read. */
export const unfinished = '.writing-'

/** How long after its last change a temporary file whose owner cannot be queried counts as abandoned. */
export const hoursUntilAbandoned = 24

/**
 * A new temporary name: `.writing-PLACE.PID.STARTED.RANDOM-NAME`.
 *
 * @param name - its final name; only the end is kept, because names have at most 255 bytes
 */
export function temporaryName(name: string): string {
  const { pid } = process
  const owner = [pidNamespace() ?? 'unknown', pid, statOf(pid)?.started ?? 0, randomBytes(6).toString('hex')]
  return `${unfinished}${owner.join('.')}-${name.replace(/[^\w.-]/g, '_').slice(-60)}`
}

const ownerPattern = /^\.writing-(?<place>[0-9a-f]{12})\.(?<pid>\d{1,10})\.(?<started>\d+)\.[0-9a-f]{12}-/

/** Whether the process that owns a temporary name has ended; undefined where it cannot be queried from here. */
function ownerEnded(name: string): boolean | undefined {
  const { place, pid, started } = ownerPattern.exec(name)?.groups ?? {}
  // 0 where the system did not report it.
  return processHasEnded({ place, pid: Number(pid), ticks: started === '0' ? undefined : started })
}

/**
 * Removes abandoned temporary files in a folder: their process has ended, or cannot be queried (it ran on another
 * machine, in another container or before a reboot, or an earlier version of Moiety wrote it) and has changed nothing for
 * {@link hoursUntilAbandoned} hours. Writing takes seconds.
 *
 * @param reference - a file or folder there that was just written: times are compared by the clock of the file system
 * @param isOwn - whether only the caller writes the file of this final name, so that any temporary one is abandoned
 * @throws MoietyError `disk`
 */
export function removeAbandoned(
  disk: Disk,
  folder: string,
  reference: string,
  isOwn: (finished: string) => boolean = () => false,
): void {
  for (const name of attempt(disk, 'list', folder, () => disk.list(folder))) {
    if (!name.startsWith(unfinished)) continue
    const path = join(folder, name)
    const finished = name.replace(ownerPattern, '').replace(unfinished, '')
    if (!isOwn(finished) && !isAbandoned(disk, folder, name, name, reference)) continue
    attempt(disk, 'remove the unfinished', path, () => disk.remove(path))
  }
}

/**
 * Whether unfinished work is certainly abandoned.
 *
 * @param name - what it is called in the folder
 * @param owned - the name that says whose it is
 */
export function isAbandoned(
  disk: Disk,
  folder: string,
  name: string,
  owned: string,
  reference: string,
): boolean {
  return ownerEnded(owned) ?? isOld(disk, join(folder, name), reference)
}

function isOld(disk: Disk, path: string, reference: string): boolean {
  try {
    return disk.modified(reference) - disk.modified(path) > hoursUntilAbandoned * 3_600_000
  } catch (cause) {
    // Its owner has just finished.
    if (codeOf(cause) === 'ENOENT') return false
    throw cause
  }
}
