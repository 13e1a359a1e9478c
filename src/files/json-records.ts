import { closeSync, fstatSync, readSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { fail } from '../base/errors.ts'
import { readableBytes } from './bytes.ts'
import { codeOf, reasonOf, rethrowExhausted } from './disk.ts'
import { quoted } from './json-reader.ts'
import { openRegular, readRegular, sizeLimits } from './regular-file.ts'

/**
 * Reads long lists of records from a JSON file of any size: the file is an array, or an object with arrays among its
 * members, as COCO's are. Bytes are only scanned for the end of each record; `JSON.parse` then reads that record
 * alone. A file whose name ends in `.gz` is unpacked into memory first. In memory at any time are a buffer of a megabyte, or of four times the longest record where that is more, the
 * record itself, and the caller's data.
 *
 * Why not one `JSON.parse`, nor a package that streams: docs/explanation/decisions/detection.md.
 */

/** What is done with the records. */
export interface JsonRecordOptions {
  /**
   * The lists to read, by the name of their member; the name of a file that is itself a list is `''`. Other members
   * are skipped: only their brackets must match.
   */
  readonly lists: readonly string[]
  /**
   * Called with each record of these lists, in the order of the file. Its errors are passed to the caller.
   *
   * @param path - of the record within the file, as `annotations[17]`
   */
  readonly record: (list: string, value: unknown, index: number, path: string) => void
  /** Called periodically with the bytes read and the total. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Most bytes that a compressed file may unpack to. */
  readonly mostUnpacked?: number | undefined
}

/** The outline of a file. */
export interface JsonOutline {
  readonly root: 'object' | 'array'
  /** The number of records of each requested list that exists. */
  readonly lengths: ReadonlyMap<string, number>
  /** Whether the file begins with a byte order mark, which is skipped. */
  readonly hasMark: boolean
}

const chunk = 1 << 20
/** The longest record: a hundred times the longest outline of an object in COCO. */
const longest = 16 << 20

/**
 * Reads a file as {@link JsonRecordOptions} says.
 *
 * @throws MoietyError of kind `data`, with the byte or the record: no such file, not JSON, cut short, a list that is no
 *   list or there twice, a record of more than 16 MiB
 */
export function readJsonRecords(file: string, options: JsonRecordOptions): JsonOutline {
  const descriptor = opened(file)
  try {
    const source = file.endsWith('.gz') ? unpacked(file, options.mostUnpacked) : fromDisk(descriptor)
    return new RecordReader(file, source, options).read()
  } catch (cause) {
    if (codeOf(cause) === undefined || !(cause instanceof Error)) throw cause
    rethrowExhausted(cause, 'read', file)
    return fail({
      kind: 'data',
      message: `expected a JSON file that can be read: ${reasonOf(cause)}`,
      where: file,
      help: 'give a file, not a folder; check the disk',
      cause,
    })
  } finally {
    closeSync(descriptor)
  }
}

function opened(file: string): number {
  try {
    return openRegular(file)
  } catch (cause) {
    rethrowExhausted(cause, 'read', file)
    const missing = codeOf(cause) === 'ENOENT'
    return fail({
      kind: 'data',
      message: missing
        ? 'expected a JSON file, found none'
        : `expected a JSON file that can be read: ${reasonOf(cause)}`,
      where: file,
      help: missing ? 'check the path' : 'check the permissions, or use another file',
      cause,
    })
  }
}

/** Bytes that are read one part after the other. */
interface Source {
  readonly size: number
  /** Fills `target` from `offset` and returns how many bytes there were; 0 at the end. */
  read(target: Buffer, offset: number, length: number): number
}

function fromDisk(descriptor: number): Source {
  const { size } = fstatSync(descriptor)
  return { size, read: (target, offset, length) => readSync(descriptor, target, offset, length, null) }
}

function unpacked(file: string, most: number = sizeLimits.unpackedAnnotations): Source {
  const content = unzip(file, most)
  let at = 0
  return {
    size: content.length,
    read: (target, offset, length) => {
      const taken = content.copy(target, offset, at, at + length)
      at += taken
      return taken
    },
  }
}

function unzip(file: string, most: number): Buffer {
  const packed = readRegular(file, most)
  try {
    return gunzipSync(packed, { maxOutputLength: most })
  } catch (cause) {
    const isTooLarge = codeOf(cause) === 'ERR_BUFFER_TOO_LARGE'
    return fail({
      kind: 'data',
      message: isTooLarge
        ? `expected at most ${readableBytes(most)} when unpacked, got more`
        : `expected a gzip file, got: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: file,
      help: isTooLarge ? 'unpack it: the .json itself may have any size' : 'copy or compress the file again',
      cause,
    })
  }
}

const byteOrderMark = [0xef, 0xbb, 0xbf]

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openArray = 0x5b
const backslash = 0x5c
const closeArray = 0x5d
const openObject = 0x7b
const closeObject = 0x7d

class RecordReader {
  readonly #file: string
  readonly #source: Source
  readonly #options: JsonRecordOptions
  readonly #lengths = new Map<string, number>()
  #buffer = Buffer.allocUnsafe(chunk)
  /** Bytes of the buffer that hold file content. */
  #filled = 0
  /** The current position in the buffer. */
  #at = 0
  /** Start of the value being read, so that it stays in the buffer; −1 if none. */
  #kept = -1
  /** The buffer's offset in the file. */
  #offset = 0
  /** What is being read, for messages. */
  #place = ''

  constructor(file: string, source: Source, options: JsonRecordOptions) {
    this.#file = file
    this.#source = source
    this.#options = options
  }

  read(): JsonOutline {
    const hasMark = this.#mark()
    const first = this.#next()
    const root = first === openObject ? 'object' : 'array'
    if (first === openObject) this.#members()
    else if (first === openArray) this.#list('')
    else this.#refuse(`expected JSON that begins with { or [, found ${this.#found()}`)
    this.#place = ''
    if (this.#next() !== -1) this.#refuse(`expected the end, found ${this.#found()}`)
    return { root, lengths: this.#lengths, hasMark }
  }

  #mark(): boolean {
    this.#fill()
    const has = byteOrderMark.every((byte, i) => i < this.#filled && this.#buffer[i] === byte)
    if (has) this.#at = byteOrderMark.length
    return has
  }

  #members(): void {
    this.#sequence(closeObject, () => {
      if (this.#next() !== quote) this.#refuse(`expected a name in quotes, found ${this.#found()}`)
      const name = this.#value()
      if (typeof name !== 'string') this.#refuse('expected a name in quotes')
      if (this.#next() !== colon) this.#refuse(`expected : after ${quoted(name)}, found ${this.#found()}`)
      this.#at++
      const wanted = this.#options.lists.includes(name)
      const opening = this.#next()
      this.#place = name
      if (!wanted) this.#pass()
      else if (opening !== openArray) this.#refuse(`expected a list, found ${this.#found()}`)
      else if (this.#lengths.has(name)) this.#refuse('this list occurs twice in the file')
      else this.#list(name)
      this.#place = ''
    })
  }

  #list(name: string): void {
    const wanted = this.#options.lists.includes(name)
    let index = 0
    this.#sequence(closeArray, () => {
      this.#place = `${name}[${index}]`
      if (wanted) this.#options.record(name, this.#value(), index, this.#place)
      else this.#pass()
      index++
    })
    if (wanted) this.#lengths.set(name, index)
  }

  /** Items between commas; the opening bracket is the next byte. */
  #sequence(closing: number, item: () => void): void {
    this.#at++
    if (this.#next() === closing) {
      this.#at++
      return
    }
    for (;;) {
      item()
      const mark = this.#next()
      if (mark !== comma && mark !== closing) {
        this.#refuse(`expected , or ${String.fromCharCode(closing)} after it, found ${this.#found()}`)
      }
      this.#at++
      if (mark === closing) return
    }
  }

  #value(): unknown {
    this.#next()
    this.#kept = this.#at
    this.#skip()
    const value = this.#parse(this.#buffer.subarray(this.#kept, this.#at))
    this.#kept = -1
    return value
  }

  #pass(): void {
    this.#next()
    this.#skip()
  }

  /** Skips to the end of a value, where its brackets close; whether it is valid JSON is not checked. */
  #skip(): void {
    let depth = 0
    for (;;) {
      if (this.#at === this.#filled && !this.#fill()) {
        if (depth === 0) return
        this.#cutShort()
      }
      const byte = this.#buffer[this.#at]!
      if (byte === quote) {
        this.#string()
        if (depth === 0) return
      } else if (byte === openObject || byte === openArray) {
        depth++
        this.#at++
      } else if (byte === closeObject || byte === closeArray) {
        if (depth === 0) return
        this.#at++
        if (--depth === 0) return
      } else if (depth === 0 && (byte === comma || byte === colon || isSpace(byte))) return
      else this.#at++
    }
  }

  #string(): void {
    this.#at++
    for (;;) {
      if (this.#at >= this.#filled && !this.#fill()) this.#cutShort()
      const byte = this.#buffer[this.#at]!
      if (byte === quote) break
      // The character after a backslash may be beyond the buffer; #fill preserves relative positions.
      this.#at += byte === backslash ? 2 : 1
    }
    this.#at++
  }

  /** The next byte that is no white space, or −1 at the end of the file. */
  #next(): number {
    for (; ; this.#at++) {
      if (this.#at === this.#filled && !this.#fill()) return -1
      const byte = this.#buffer[this.#at]!
      if (!isSpace(byte)) return byte
    }
  }

  /** Reads more; the current value moves to the front of the buffer. @returns false at the end of the file */
  #fill(): boolean {
    const keep = this.#kept < 0 ? Math.min(this.#at, this.#filled) : this.#kept
    const length = this.#filled - keep
    if (length > longest) this.#refuse(`expected records of at most ${longest >> 20} MiB, found a longer one`)
    const target =
      length > this.#buffer.length / 2 ? Buffer.allocUnsafe(2 * this.#buffer.length) : this.#buffer
    this.#buffer.copy(target, 0, keep, this.#filled)
    this.#buffer = target
    this.#offset += keep
    this.#at -= keep
    if (this.#kept >= 0) this.#kept = 0
    const taken = this.#source.read(target, length, target.length - length)
    this.#filled = length + taken
    this.#options.onProgress?.(this.#offset + this.#filled, this.#source.size)
    return this.#at < this.#filled
  }

  #parse(bytes: Buffer): unknown {
    try {
      return JSON.parse(bytes.toString('utf8'))
    } catch (cause) {
      const text = bytes.toString('utf8', 0, 60)
      const notNumber = /\b(NaN|Infinity)\b/.exec(bytes.toString('latin1'))?.[0]
      return this.#refuse(
        notNumber === undefined
          ? `expected JSON, found ${quoted(text)}: ${cause instanceof Error ? cause.message : String(cause)}`
          : `expected a number, found ${notNumber}, which JSON does not have`,
        notNumber === undefined ? undefined : 'write finite numbers; Python writes NaN by default',
      )
    }
  }

  #cutShort(): never {
    return this.#refuse('the file ends in the middle of it', 'the file was cut short; copy or write it again')
  }

  #found(): string {
    if (this.#at >= this.#filled) return 'the end of the file'
    return quoted(this.#buffer.toString('utf8', this.#at, Math.min(this.#at + 20, this.#filled)))
  }

  #refuse(message: string, help = 'the file is damaged or of another format'): never {
    const record = this.#place === '' ? '' : `${this.#place}, `
    const byte = this.#offset + (this.#kept < 0 ? this.#at : this.#kept)
    return fail({ kind: 'data', message, where: `${this.#file}, ${record}byte ${byte}`, help })
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
