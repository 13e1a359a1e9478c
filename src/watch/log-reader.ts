import type { FileHandle } from 'node:fs/promises'
import { isJsonObject } from '../files/json.ts'
import { sizeLimits } from '../files/regular-file.ts'
import type { MetricsLine } from '../run/metrics-line.ts'

/** What a {@link LogReader} reports. */
export interface LogListener {
  /** A line of the log. */
  line(value: MetricsLine): void
  /** Everything before is no longer in the file: it was replaced or cut, and is read from its beginning. */
  restarted(): void
}

/** How far {@link LogReader.read} came: there is more to read, the end, or there is no file. */
export type Reading = 'more' | 'end' | 'missing'

/** Steps are numbered from 1; a larger number is damage, and would make all buckets wide. */
const mostSteps = 2 ** 40

/** Bytes before the place where reading goes on, by which a file that was cut and has grown again is recognised. */
const checkedBytes = 256

/** Line numbers of damaged lines that are kept. */
const keptNumbers = 5

/** A line of `metrics.jsonl`, or undefined. */
export function parseLogLine(text: string): MetricsLine | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isLogLine(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isLogLine(value: unknown): value is MetricsLine {
  if (!isJsonObject(value) || typeof value.kind !== 'string') return false
  const { step } = value
  return Number.isSafeInteger(step) && Number(step) >= 0 && Number(step) < mostSteps
}

/**
 * Reads a log while it is written, each line once. The file is opened for each call, so that nothing is held: it may be missing, be
 * cut by a resume, grow meanwhile, or be replaced by another. A last line without its end is left for the next call.
 */
export class LogReader {
  /** Lines read, damaged ones included. */
  lines = 0
  damaged = 0
  /** Numbers of the first damaged lines, from 1. */
  damagedLines: number[] = []
  /** Bytes read. */
  offset = 0
  #identity = ''
  #before = Buffer.alloc(0)
  /** In the middle of a line that is too long. */
  #isSkipping = false

  constructor(
    readonly open: () => Promise<FileHandle | undefined>,
    readonly listener: LogListener,
  ) {}

  /** Reads on. @param most - bytes; a longer line is read whole */
  async read(most: number): Promise<Reading> {
    const file = await this.open()
    if (file === undefined) {
      this.#restart()
      return 'missing'
    }
    try {
      const { dev, ino, size } = await file.stat()
      const identity = `${dev} ${ino}`
      if (
        this.offset > 0 &&
        (identity !== this.#identity || size < this.offset || !(await this.#isSame(file)))
      )
        this.#restart()
      this.#identity = identity
      return await this.#readFrom(file, size, most)
    } finally {
      await file.close()
    }
  }

  async #readFrom(file: FileHandle, size: number, most: number): Promise<Reading> {
    let length = Math.min(most, size - this.offset)
    for (;;) {
      const bytes = await bytesAt(file, this.offset, length)
      const end = bytes.lastIndexOf(0x0a) + 1
      if (end > 0) {
        const isChanged = await this.#take(file, bytes.subarray(0, end))
        if (isChanged) this.#restart()
        return isChanged || this.offset < size - (bytes.length - end) ? 'more' : 'end'
      }
      if (bytes.length < length || length === size - this.offset) return 'end'
      if (length > sizeLimits.metricsLine) {
        if (!this.#isSkipping) this.#damage()
        this.#isSkipping = true
        this.#advance(bytes)
        return 'more'
      }
      length = Math.min(length * 4, size - this.offset)
    }
  }

  /** Reads whole lines. True where the file changed under it. */
  async #take(file: FileHandle, bytes: Buffer): Promise<boolean> {
    const { offset } = this
    for (let begin = 0; begin < bytes.length; ) {
      const end = bytes.indexOf(0x0a, begin)
      if (this.#isSkipping) this.#isSkipping = false
      else {
        const value = parseLogLine(bytes.toString('utf8', begin, end))
        if (value === undefined) {
          // Concurrent truncation and appending can mix two lines; real damage is the same when read again.
          const again = await bytesAt(file, offset + begin, end - begin)
          if (!again.equals(bytes.subarray(begin, end))) return true
          this.#damage()
        } else {
          this.lines += 1
          this.listener.line(value)
        }
      }
      begin = end + 1
    }
    this.#advance(bytes)
    return false
  }

  #damage(): void {
    this.lines += 1
    this.damaged += 1
    if (this.damagedLines.length < keptNumbers) this.damagedLines.push(this.lines)
  }

  #advance(bytes: Buffer): void {
    this.offset += bytes.length
    const kept = Buffer.concat([this.#before, bytes.subarray(-checkedBytes)])
    this.#before = Buffer.from(kept.subarray(-checkedBytes))
  }

  async #isSame(file: FileHandle): Promise<boolean> {
    const { length } = this.#before
    return (await bytesAt(file, this.offset - length, length)).equals(this.#before)
  }

  #restart(): void {
    if (this.offset === 0 && this.lines === 0) return
    this.offset = 0
    this.lines = 0
    this.damaged = 0
    this.damagedLines = []
    this.#before = Buffer.alloc(0)
    this.#isSkipping = false
    this.listener.restarted()
  }
}

/** Bytes of a file; fewer where it ends. */
export async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(Math.max(0, length))
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}
