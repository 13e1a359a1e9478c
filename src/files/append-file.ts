import { dirname } from 'node:path'
import { ignoringErrors, writeAll } from './atomic-write.ts'
import { attempt, codeOf, type Disk } from './disk.ts'

/** An append-only file; a chunk that cannot be written completely is rolled back. */
export interface AppendFile {
  readonly path: string
  /** @throws MoietyError `disk`; the file then ends with the previous chunk */
  append(piece: Uint8Array | string): void
  /** Returns when all chunks are durable (fsync). @throws MoietyError `disk` */
  flush(): void
  /** Flushes and closes; appending afterwards is an error. @throws MoietyError `disk` */
  close(): void
}

/**
 * Opens a file for appending, creating it if necessary. Each chunk is passed to the system at once, so that it
 * survives the death of this process; a power cut may lose what was written after the last flush.
 *
 * @throws MoietyError `disk`
 */
export function openAppendFile(disk: Disk, path: string): AppendFile {
  const file = attempt(disk, 'open', path, () => disk.open(path, 'a'))
  const encoder = new TextEncoder()
  let size = 0
  try {
    size = attempt(disk, 'measure', path, () => disk.size(path))
    attempt(disk, 'flush the folder of', path, () => disk.flushFolder(dirname(path)))
  } catch (cause) {
    ignoringErrors(() => disk.close(file))
    throw cause
  }
  const flush = (): void => attempt(disk, 'flush', path, () => disk.flush(file))
  return {
    path,
    append: piece => {
      const bytes = typeof piece === 'string' ? encoder.encode(piece) : piece
      try {
        attempt(disk, 'write', path, () => writeAll(disk, file, bytes))
      } catch (cause) {
        ignoringErrors(() => disk.truncate(file, size))
        throw cause
      }
      size += bytes.length
    },
    flush,
    close: () => {
      try {
        flush()
      } finally {
        attempt(disk, 'close', path, () => disk.close(file))
      }
    },
  }
}

/**
 * Cuts a file to its first `bytes` bytes and flushes it; a missing file is ignored.
 *
 * @throws MoietyError `disk`
 */
export function cutFile(disk: Disk, path: string, bytes: number): void {
  attempt(disk, 'cut', path, () => {
    let file: number
    try {
      file = disk.open(path, 'r+')
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return
      throw cause
    }
    try {
      disk.truncate(file, bytes)
      disk.flush(file)
    } finally {
      ignoringErrors(() => disk.close(file))
    }
  })
}

/**
 * The whole content of a regular file, or undefined if there is none.
 *
 * @param most - its largest size in bytes
 * @throws MoietyError `disk`
 */
export function readIfThere(disk: Disk, path: string, most?: number): Uint8Array | undefined {
  return attempt(disk, 'read', path, () => {
    try {
      return disk.read(path, most)
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return undefined
      throw cause
    }
  })
}
