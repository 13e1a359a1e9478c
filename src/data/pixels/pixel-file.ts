import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ignoringErrors } from '../../files/atomic-write.ts'
import { codeOf } from '../../files/disk.ts'
import { openForWriting, openRegular } from '../../files/regular-file.ts'
import { temporaryName } from '../../files/temporary-name.ts'
import {
  entryBytes,
  equalBytes,
  type PixelEntry,
  pixelDigestOf,
  readEntry,
  writeEntry,
} from './pixel-entry.ts'

/**
 * A cache of pixels: a header, an entry for each image (`pixel-entry.ts`), and a place for the pixels of each. The file has its full
 * size from the beginning, and takes as much of the disk as was written.
 *
 * Pixels are written first, then their entry, which has a digest of them. So a process that is killed, a power cut and a second
 * process that writes at the same time leave entries that are right, or that are seen not to be: those images are decoded again.
 */
const headerBytes = 4096
const magic = 'moiety pixels 1'

/** What the pixels of a file are. */
export interface PixelFileFacts {
  /** All that determines them, as JSON. */
  readonly key: string
  /** For people: what they are images of. */
  readonly title: string
  readonly images: number
  /** Bytes of the pixels of one image, at most. */
  readonly slot: number
}

/** Writes all bytes at a place of an open file. Tests replace it by a disk that is full. */
export type WriteAt = (file: number, bytes: Uint8Array, at: number) => Promise<void>

const readAt = promisify(fs.read)
const write = promisify(fs.write)

export const writeWhole: WriteAt = async (file, bytes, at) => {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await write(file, bytes, written, bytes.length - written, at + written)
    if (bytesWritten === 0) throw Object.assign(new Error('the disk took no bytes'), { code: 'EIO' })
    written += bytesWritten
  }
}

const slotsStart = (images: number): number => Math.ceil((headerBytes + images * entryBytes) / 4096) * 4096

/** Bytes of a whole file. */
export const bytesOfPixelFile = ({ images, slot }: PixelFileFacts): number =>
  slotsStart(images) + images * slot

/** The process has a file open for as long as something refers to it. */
const open = new FinalizationRegistry<number>(file => ignoringErrors(() => fs.closeSync(file)))

/** An open file of pixels. */
export class PixelFile {
  readonly #table: Buffer

  constructor(
    readonly file: number,
    readonly facts: PixelFileFacts,
    readonly isWritable: boolean,
    readonly writeAt: WriteAt,
  ) {
    open.register(this, file)
    this.#table = Buffer.alloc(facts.images * entryBytes)
    fs.readSync(file, this.#table, 0, this.#table.length, headerBytes)
  }

  /** What there is of an image; undefined where there is nothing, or it is damaged. */
  entry(image: number): PixelEntry | undefined {
    return readEntry(this.#table.subarray(image * entryBytes, (image + 1) * entryBytes))
  }

  /** The same, as another process may have written it since. */
  async entryNow(image: number): Promise<PixelEntry | undefined> {
    const place = image * entryBytes
    const bytes = Buffer.alloc(entryBytes)
    await readAt(this.file, bytes, 0, entryBytes, headerBytes + place)
    const entry = readEntry(bytes)
    if (entry !== undefined) this.#table.set(bytes, place)
    return entry
  }

  /** The pixels of an entry; undefined where they are damaged. */
  async read(image: number, entry: PixelEntry): Promise<Uint8Array | undefined> {
    const { length, pixelDigest } = entry
    if (length > this.facts.slot) return undefined
    const bytes = new Uint8Array(length)
    const { bytesRead } = await readAt(this.file, bytes, 0, length, this.#placeOf(image))
    return bytesRead === length && equalBytes(pixelDigestOf(bytes), pixelDigest) ? bytes : undefined
  }

  /** @throws Node's errors, as where the disk is full */
  async write(image: number, entry: Omit<PixelEntry, 'length' | 'pixelDigest'>, bytes: Uint8Array) {
    await this.writeAt(this.file, bytes, this.#placeOf(image))
    await this.writeEntry(image, { ...entry, length: bytes.length, pixelDigest: pixelDigestOf(bytes) })
  }

  async writeEntry(image: number, entry: PixelEntry): Promise<void> {
    const bytes = writeEntry(entry)
    await this.writeAt(this.file, bytes, headerBytes + image * entryBytes)
    this.#table.set(bytes, image * entryBytes)
  }

  /** Images that are decoded. */
  get filled(): number {
    return Array.from({ length: this.facts.images }, (_, image) => this.entry(image)).filter(Boolean).length
  }

  #placeOf(image: number): number {
    return slotsStart(this.facts.images) + image * this.facts.slot
  }
}

/**
 * Creates a file, so that no other process ever sees it unfinished; where another has just created it, that one stays.
 *
 * @throws Node's errors
 */
export function createPixelFile(path: string, facts: PixelFileFacts): void {
  const temporary = join(dirname(path), temporaryName(basename(path)))
  try {
    const file = fs.openSync(temporary, 'wx')
    try {
      fs.writeSync(file, headerOf(facts))
      fs.ftruncateSync(file, bytesOfPixelFile(facts))
    } finally {
      fs.closeSync(file)
    }
    try {
      fs.linkSync(temporary, path)
    } catch (cause) {
      if (codeOf(cause) === 'EEXIST') return
      // File systems without links.
      fs.renameSync(temporary, path)
    }
  } finally {
    fs.rmSync(temporary, { force: true })
  }
}

/**
 * Opens a file that has the pixels that `facts` describe.
 *
 * @returns undefined for a file of something else, or of another length
 * @throws Node's errors, as where there is none
 */
export function openPixelFile(
  path: string,
  facts: PixelFileFacts,
  writeAt: WriteAt = writeWhole,
): PixelFile | undefined {
  const { file, isWritable } = openWritable(path)
  const found = factsIn(file)
  const isSame =
    found !== undefined && found.key === facts.key && fs.fstatSync(file).size === bytesOfPixelFile(facts)
  if (isSame) return new PixelFile(file, facts, isWritable, writeAt)
  fs.closeSync(file)
  return undefined
}

/** A file of whatever pixels. @returns undefined for another file */
export function openAnyPixelFile(path: string): PixelFile | undefined {
  const file = openRegular(path)
  const facts = factsIn(file)
  if (facts !== undefined) return new PixelFile(file, facts, false, writeWhole)
  fs.closeSync(file)
  return undefined
}

function openWritable(path: string): { readonly file: number; readonly isWritable: boolean } {
  try {
    return { file: openForWriting(path, 'r+'), isWritable: true }
  } catch (cause) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(codeOf(cause) ?? '')) throw cause
    return { file: openRegular(path), isWritable: false }
  }
}

/** JSON, filled up with spaces, and its SHA-256. */
function headerOf({ key, title, images, slot }: PixelFileFacts): Uint8Array {
  // Of a longer title the beginning says enough.
  const text = JSON.stringify({ magic, key, title: title.slice(0, 200), images, slot })
  const body = Buffer.alloc(headerBytes - 32, ' ')
  if (Buffer.byteLength(text) > body.length) throw new RangeError('a key that is longer than the header')
  body.write(text)
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
}

function factsIn(file: number): PixelFileFacts | undefined {
  const bytes = Buffer.alloc(headerBytes)
  if (fs.readSync(file, bytes, 0, headerBytes, 0) !== headerBytes) return undefined
  const body = bytes.subarray(0, -32)
  if (!createHash('sha256').update(body).digest().equals(bytes.subarray(-32))) return undefined
  const facts = JSON.parse(body.toString('utf8')) as PixelFileFacts & { readonly magic?: string }
  const { magic: kind, key, title, images, slot } = facts
  return kind === magic ? { key, title, images, slot } : undefined
}
