import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { MoietyError } from '../base/errors.ts'

/**
 * The few operations through which Moiety reads and writes its own files. Tests put faults, short writes and
 * power cuts behind this interface; {@link nodeDisk} is the real one. Every operation blocks: a checkpoint is
 * then one uninterrupted sequence that no event can fall into.
 *
 * Operations throw what Node throws, an `Error` with a `code` such as `ENOSPC`; {@link attempt} turns it into a
 * `MoietyError`.
 */
export interface Disk {
  /** Opens a file. `w` empties or creates it, `a` writes at its end, `r+` needs it to be there. */
  open(path: string, mode: 'r+' | 'w' | 'a'): number
  /** Writes the beginning of `bytes`, and says how many were taken: possibly fewer than all. */
  write(file: number, bytes: Uint8Array): number
  /** Cuts an open file to its first `bytes` bytes. */
  truncate(file: number, bytes: number): void
  /** Returns when the file's content would survive a power cut (fsync). */
  flush(file: number): void
  close(file: number): void
  /** Returns when the names in a folder would survive a power cut (fsync of the folder). */
  flushFolder(path: string): void
  /** The whole content of a file. */
  read(path: string): Uint8Array
  /** Bytes in a file. */
  size(path: string): number
  rename(from: string, to: string): void
  /** Creates one folder whose parent exists; fails with `EEXIST`. */
  makeFolder(path: string): void
  /** The names in a folder, in no particular order. */
  list(path: string): string[]
  /** Removes a file, or a folder with all it holds; nothing there is no error. */
  remove(path: string): void
  /** Removes an empty folder; fails with `ENOTEMPTY` or `EEXIST` where it holds anything. */
  removeEmpty(path: string): void
  /** When a file or a folder was last changed, in milliseconds, by the clock of its file system. */
  modified(path: string): number
  /** Bytes that this user may still write near `path`, or undefined where the system does not say. */
  freeBytes(path: string): number | undefined
}

/** The real disk, by `node:fs`. */
export const nodeDisk: Disk = {
  open: (path, mode) => fs.openSync(path, mode),
  write: (file, bytes) => fs.writeSync(file, bytes),
  truncate: (file, bytes) => fs.ftruncateSync(file, bytes),
  flush: file => fs.fsyncSync(file),
  close: file => fs.closeSync(file),
  flushFolder: path => {
    // Windows cannot open a folder, and flushes names by itself.
    if (process.platform === 'win32') return
    const folder = fs.openSync(path, 'r')
    try {
      fs.fsyncSync(folder)
    } catch (cause) {
      // Some network file systems have no such operation; there is nothing more one could do on them.
      if (codeOf(cause) !== 'EINVAL' && codeOf(cause) !== 'ENOTSUP') throw cause
    } finally {
      fs.closeSync(folder)
    }
  },
  // In parts, because fs.readFileSync stops at 2 GiB.
  read: path => {
    const file = fs.openSync(path, 'r')
    try {
      const bytes = new Uint8Array(fs.fstatSync(file).size)
      let filled = 0
      while (filled < bytes.length) {
        const taken = fs.readSync(file, bytes, filled, Math.min(bytes.length - filled, 1 << 30), null)
        if (taken === 0) break
        filled += taken
      }
      return bytes.subarray(0, filled)
    } finally {
      fs.closeSync(file)
    }
  },
  size: path => fs.statSync(path).size,
  rename: (from, to) => fs.renameSync(from, to),
  makeFolder: path => {
    fs.mkdirSync(path)
  },
  list: path => fs.readdirSync(path),
  remove: path => fs.rmSync(path, { recursive: true, force: true }),
  removeEmpty: path => fs.rmdirSync(path),
  modified: path => fs.lstatSync(path).mtimeMs,
  freeBytes: path => {
    for (let place = path; ; place = dirname(place)) {
      try {
        const { bavail, bsize } = fs.statfsSync(place)
        return bavail * bsize
      } catch (cause) {
        if (codeOf(cause) !== 'ENOENT' || dirname(place) === place) return undefined
      }
    }
  },
}

/** The system's name of a failure, such as `ENOSPC`, or undefined if the error is not the system's. */
export function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** What the common failures mean, and what a person can do about each. */
const failures: Readonly<Record<string, readonly [meaning: string, help: string]>> = {
  ENOSPC: [
    'the disk is full',
    'free some space, or point --out at another disk; nothing written before is lost',
  ],
  EDQUOT: ['the disk quota is used up', 'free some space, or point --out at another disk'],
  EIO: [
    'the device reported an error',
    'check the disk or the network share; nothing written before was touched',
  ],
  EROFS: ['the file system is read-only', 'point --out at a folder that can be written'],
  EMFILE: ['this process has too many files open', 'raise the limit (ulimit -n)'],
  ENFILE: ['the system has too many files open', 'close other programs, or raise the system limit'],
  EACCES: ['permission denied', "change the folder's permissions, or use another folder"],
  EPERM: ['operation not permitted', "change the folder's permissions, or use another folder"],
  ENOENT: ['no such file or folder', 'check the path'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'check the path'],
  EISDIR: ['it is a folder, not a file', 'check the path'],
  ENAMETOOLONG: ['the name is too long', 'use a shorter path'],
}

/** Bytes as a person reads them: `1.5 GB`, `12 kB`, `0 B`. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let amount = bytes
  let unit = 0
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`
}

/**
 * Runs one operation; a failure of the system becomes a `MoietyError` of kind `disk` that names the path, what
 * failed, why, and the free space.
 *
 * @param doing - the operation in words that follow "cannot": `"write"`, `"rename to …"`
 */
export function attempt<T>(disk: Disk, doing: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const code = codeOf(cause)
    if (cause instanceof MoietyError || code === undefined) throw cause
    const [meaning, help] = failures[code] ?? ['the system refused', 'see the code in the message']
    const free = freeNote(disk, path)
    throw new MoietyError({
      kind: 'disk',
      message: `cannot ${doing} ${path}: ${meaning} (${code})${free}`,
      where: path,
      help,
      cause,
    })
  }
}

function freeNote(disk: Disk, path: string): string {
  const bytes = disk.freeBytes(path)
  return bytes === undefined ? '' : `; ${readableBytes(bytes)} free there`
}
