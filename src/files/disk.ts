import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { MoietyError } from '../base/errors.ts'
import { readableBytes } from './bytes.ts'
import { openForWriting, RefusedFile, readRegular } from './regular-file.ts'

export { readableBytes }

/**
 * The operations through which Moiety reads and writes its own files. Tests inject faults, short writes and
 * power cuts through this interface; {@link nodeDisk} is the real one. Every operation blocks: a checkpoint is
 * then one sequence that no event can interrupt.
 *
 * Operations throw Node's errors, an `Error` with a `code` such as `ENOSPC`; {@link attempt} turns it into a
 * `MoietyError`.
 */
export interface Disk {
  /** Opens a regular file, not through a symbolic link. `w` empties or creates it, `a` writes at its end, `r+` requires it to exist. */
  open(path: string, mode: 'r+' | 'w' | 'a'): number
  /** Writes the beginning of `bytes` and returns how many bytes were written, possibly fewer than all. */
  write(file: number, bytes: Uint8Array): number
  /** Cuts an open file to its first `bytes` bytes. */
  truncate(file: number, bytes: number): void
  /** Returns when the file's content is durable (fsync). */
  flush(file: number): void
  close(file: number): void
  /** Returns when the names in a folder are durable (fsync of the folder). */
  flushFolder(path: string): void
  /** The whole content of a regular file of at most `most` bytes. */
  read(path: string, most?: number): Uint8Array
  /** Bytes in a file. */
  size(path: string): number
  rename(from: string, to: string): void
  /** Creates one folder whose parent exists; fails with `EEXIST`. */
  makeFolder(path: string): void
  /** The names in a folder, in no particular order. */
  list(path: string): string[]
  /** Removes a file, or a folder with its contents; a missing one is no error. */
  remove(path: string): void
  /** Removes an empty folder; fails with `ENOTEMPTY` or `EEXIST` where it is not empty. */
  removeEmpty(path: string): void
  /** The path with all links resolved. */
  realPath(path: string): string
  /** When a file or a folder was last changed, in milliseconds, by the clock of its file system. */
  modified(path: string): number
  /** Bytes that this user may still write near `path`, or undefined where the system does not say. */
  freeBytes(path: string): number | undefined
}

/** The real disk, by `node:fs`. */
export const nodeDisk: Disk = {
  open: openForWriting,
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
      // Some network file systems do not support this.
      if (codeOf(cause) !== 'EINVAL' && codeOf(cause) !== 'ENOTSUP') throw cause
    } finally {
      fs.closeSync(folder)
    }
  },
  read: readRegular,
  size: path => fs.statSync(path).size,
  rename: (from, to) => fs.renameSync(from, to),
  makeFolder: path => {
    fs.mkdirSync(path)
  },
  list: path => fs.readdirSync(path),
  remove: path => fs.rmSync(path, { recursive: true, force: true }),
  removeEmpty: path => fs.rmdirSync(path),
  realPath: path => fs.realpathSync(path),
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

/** The system's name of a failure, such as `ENOSPC`, or undefined for other errors. */
export function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** What the common system errors mean, and what to do about each. All reporting uses this table. */
const failures: Readonly<Record<string, readonly [meaning: string, help: string]>> = {
  ENOSPC: [
    'the disk is full',
    'free some space, or point --out at another disk; data already written is intact',
  ],
  EDQUOT: ['the disk quota is used up', 'free some space, or point --out at another disk'],
  EIO: [
    'the device reported an error',
    'check the disk or the network share; data already written is intact',
  ],
  EROFS: ['the file system is read-only', 'point --out at a folder that can be written'],
  EMFILE: ['this process has too many files open', 'raise the limit (ulimit -n)'],
  ENFILE: ['the system has too many files open', 'close other programs, or raise the system limit'],
  ENOMEM: ['the system has too little memory', 'close other programs, or use a machine with more memory'],
  EAGAIN: [
    'the system is out of processes, threads or memory',
    'raise the limit (ulimit -u), or close other programs',
  ],
  EACCES: ['permission denied', "change the folder's permissions, or use another folder"],
  EPERM: ['operation not permitted', "change the folder's permissions, or use another folder"],
  ENOENT: ['no such file or folder', 'check the path'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'check the path'],
  EISDIR: ['it is a folder, not a file', 'check the path'],
  ELOOP: [
    'it is a symbolic link, or the path has too many of them',
    'replace the link with the file or folder itself',
  ],
  ENXIO: [
    'it is a named pipe, a socket or a device, not a regular file',
    'replace it with a regular file, or check the path',
  ],
  ENODEV: ['its device does not exist', 'check the path'],
  EBUSY: ['it is in use', 'close the program that uses it'],
  ESTALE: ['the network share no longer has it', 'mount the share again'],
  ETIMEDOUT: ['the network share does not answer', 'check the network share'],
  ENAMETOOLONG: ['the name is too long', 'use a shorter path'],
}

/** Codes of a system that is out of a resource, whatever file was being read. */
const exhausted = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOSPC', 'EDQUOT', 'EIO'])

/** A system error in words, or undefined for an error that is not the system's. */
export function systemFailure(
  cause: unknown,
): { readonly code: string; readonly meaning: string; readonly help: string } | undefined {
  if (cause instanceof RefusedFile) return { code: cause.code, meaning: cause.message, help: cause.help }
  const code = codeOf(cause)
  // Errors of Node itself, such as ERR_INVALID_ARG_TYPE, are mistakes in the program.
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return undefined
  const [meaning, help] = failures[code] ?? ['the system refused', 'see the code in the message']
  return { code, meaning, help }
}

/** Why something failed, in words that follow "got": a system error's meaning, or what another error says. */
export function reasonOf(cause: unknown): string {
  const failure = systemFailure(cause)
  if (failure !== undefined) return `${failure.meaning} (${failure.code})`
  return cause instanceof Error ? cause.message : String(cause)
}

/** Throws a failure as one of kind `disk` if the system has run out of something, so that it is not blamed on the file. */
export function rethrowExhausted(cause: unknown, doing: string, path: string): void {
  const failure = systemFailure(cause)
  if (failure === undefined || !exhausted.has(failure.code)) return
  const { code, meaning, help } = failure
  throw new MoietyError({
    kind: 'disk',
    message: `cannot ${doing} ${path}: ${meaning} (${code})`,
    where: path,
    help,
    cause,
  })
}

/**
 * Whether there is a file or a folder. Unlike `existsSync` it does not report unreadable files as missing.
 *
 * @throws MoietyError `disk`
 */
export function isThere(path: string): boolean {
  return kindOf(path) !== undefined
}

/** The kind of a path's target, links followed; undefined where there is none. @throws MoietyError `disk` */
export function kindOf(path: string): 'folder' | 'file' | undefined {
  return attempt(nodeDisk, 'look at', path, () => {
    try {
      return fs.statSync(path).isDirectory() ? 'folder' : 'file'
    } catch (cause) {
      const code = codeOf(cause)
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw cause
    }
  })
}

/**
 * Runs one operation; a system error becomes a `MoietyError` of kind `disk` that names the path, what
 * failed, why, and the free space.
 *
 * @param doing - the operation in words that follow "cannot": `"write"`, `"rename to …"`
 */
export function attempt<T>(disk: Disk, doing: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const failure = systemFailure(cause)
    if (cause instanceof MoietyError || failure === undefined) throw cause
    const { code, meaning, help } = failure
    const free = cause instanceof RefusedFile ? '' : freeNote(disk, path)
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
