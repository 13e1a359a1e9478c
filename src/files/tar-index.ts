/** Where the files in a tar archive begin, so that each can be read by itself. Nothing is unpacked to the disk. */
import type { FileHandle } from 'node:fs/promises'
import { Header, Pax } from 'tar'
import { fail } from '../base/errors.ts'
import { quoted } from './json-reader.ts'
import { openRegularFile } from './regular-file.ts'

/** A file in an archive. */
export interface TarEntry {
  readonly name: string
  /** Bytes from the beginning of the archive to those of the file. */
  readonly start: number
  readonly bytes: number
}

const block = 512
/** Names and attributes in headers of their own, in bytes. */
const mostMeta = 1 << 20
const mostEntries = 20_000_000
const help = 'the archive is damaged or not what it seems; copy or write it again'

/**
 * The files in an archive, in their order.
 *
 * @throws MoietyError `data` for a damaged archive, a link or another thing that is no file, and a name that leads out
 */
export async function tarIndex(path: string): Promise<readonly TarEntry[]> {
  const file = await openRegularFile(path)
  try {
    const { size } = await file.stat()
    const reader = new BlockReader(file, size)
    const entries: TarEntry[] = []
    let extended: Pax | undefined
    let global: Pax | undefined
    let longName: string | undefined
    for (let at = 0; at + block <= size; ) {
      const where = `${path}, byte ${at}`
      const header = headerOf(await reader.read(at, block), where, extended, global)
      if (header === undefined) {
        // Blocks of zeros end an archive.
        if (entries.length === 0) refuse('expected files, found an empty archive', where)
        break
      }
      const bytes = header.size ?? 0
      const start = at + block
      if (!(Number.isSafeInteger(bytes) && bytes >= 0) || start + bytes > size)
        refuse(
          `expected ${quoted(header.path ?? '')} to have the ${bytes} bytes of its header, found ${Math.max(0, size - start)} to the end of the archive`,
          where,
        )
      at = start + Math.ceil(bytes / block) * block
      const { type } = header
      if (type === 'ExtendedHeader' || type === 'GlobalExtendedHeader' || type === 'NextFileHasLongPath') {
        if (bytes > mostMeta)
          refuse(`expected attributes of at most ${mostMeta} bytes, found ${bytes}`, where)
        const text = Buffer.from(await reader.read(start, bytes)).toString('utf8')
        if (type === 'ExtendedHeader') extended = Pax.parse(text, extended, false)
        else if (type === 'GlobalExtendedHeader') global = Pax.parse(text, global, true)
        else longName = text.replace(/\0.*$/s, '')
        continue
      }
      const name = longName ?? header.path ?? ''
      ;[extended, longName] = [undefined, undefined]
      if (type === 'Directory' || type === 'GNUDumpDir') continue
      if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile')
        refuse(
          `expected files only, found ${quoted(name)}, a ${type}`,
          where,
          'write the archive again with the files that links point to',
        )
      checkName(name, where)
      if (entries.push({ name, start, bytes }) > mostEntries)
        refuse(`expected at most ${mostEntries} files`, where)
    }
    return entries
  } finally {
    await file.close()
  }
}

/** The bytes of a file in an archive. */
export async function readTarEntry(path: string, { start, bytes }: TarEntry): Promise<Uint8Array> {
  const file = await openRegularFile(path)
  try {
    const content = new Uint8Array(bytes)
    const { bytesRead } = await file.read(content, 0, bytes, start)
    if (bytesRead !== bytes) refuse('the archive is shorter than before', path)
    return content
  } finally {
    await file.close()
  }
}

function headerOf(
  bytes: Uint8Array,
  where: string,
  extended: Pax | undefined,
  global: Pax | undefined,
): Header | undefined {
  const header = new Header(Buffer.from(bytes), 0, extended, global)
  if (header.nullBlock) return undefined
  if (!header.cksumValid) refuse('expected a header of tar, found other bytes (its checksum is wrong)', where)
  return header
}

/** Nothing is written under these names; they are refused because unpacking the archive would write there. */
function checkName(name: string, where: string): void {
  if (
    name === '' ||
    name.includes('\0') ||
    /^([/\\]|[a-z]:)/i.test(name) ||
    name.split(/[\\/]/).includes('..')
  )
    refuse(`expected relative names without "..", found ${quoted(name)}`, where)
}

/** Reads blocks one after another, many at a time. */
class BlockReader {
  #buffer = new Uint8Array(0)
  #from = 0

  constructor(
    readonly file: FileHandle,
    readonly size: number,
  ) {}

  async read(at: number, length: number): Promise<Uint8Array> {
    if (at < this.#from || at + length > this.#from + this.#buffer.length) {
      // Headers lie apart where files are large: then little is read in vain.
      const buffer = new Uint8Array(Math.min(Math.max(length, 1 << 14), this.size - at))
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, at)
      this.#buffer = buffer.subarray(0, bytesRead)
      this.#from = at
    }
    return this.#buffer.subarray(at - this.#from, at - this.#from + length)
  }
}

function refuse(message: string, where: string, what = help): never {
  return fail({ kind: 'data', message, where, help: what })
}
