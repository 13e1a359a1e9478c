import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract, Parser, type ReadEntry } from 'tar'
import { fail, MoietyError } from '../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../files/disk.ts'
import { openRegularFile } from '../files/regular-file.ts'

/** Entries of an archive that are written; all other types, such as links, are refused. */
const written = new Set(['File', 'OldFile', 'ContiguousFile', 'Directory'])

/** Bytes that an archive may have in addition to its files: names, padding, empty blocks at its end. */
const besideFiles = 1_000_000

/** Files and folders that an archive may have: each takes a place in the file system, even an empty one. */
const mostEntries = 10_000

/** How gzip and zstd begin. The tar reader would decompress such data again without a limit. */
const compressed = [Buffer.from([0x1f, 0x8b]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])]

/** Requirements on an archive. */
export interface UnpackOptions {
  /** Bytes that all files together may have; decompression stops soon after it. */
  readonly most: number
  /** The MD5 of the archive, in hexadecimal. Nothing of an archive with another one is decompressed. */
  readonly md5: string
  /** Where the archive comes from, for errors; the file itself by default. */
  readonly source?: string
}

/**
 * Unpacks a `.tar.gz` into an existing folder, after its checksum and after reading all of it once without writing
 * anything.
 *
 * @throws MoietyError of kind `data` for another checksum, a damaged archive, a name that is absolute or leaves the folder of
 *   the folder, a link or any other special entry, an archive in an archive, and more than `most` bytes or 10,000
 *   entries; nothing is written then
 */
export async function unpackTarGz(archive: string, folder: string, options: UnpackOptions): Promise<void> {
  const { most, md5, source = archive } = options
  try {
    await checkMd5(archive, md5, source)
    await inspect(archive, most)
    // The bytes are counted already, so a high ratio (much black, say) does not indicate a bomb.
    await extract({
      file: archive,
      cwd: folder,
      strict: true,
      maxDecompressionRatio: Number.POSITIVE_INFINITY,
    })
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    // A full disk, for example, is not an error of the archive. The tar reader passes the system's code on.
    rethrowExhausted(cause, 'unpack into', folder)
    fail({
      kind: 'data',
      message: `expected a complete archive of plain files, found ${reasonOf(cause)}`,
      where: source,
      help: 'the archive is damaged or is another file; delete it and download it again',
      cause,
    })
  }
}

async function checkMd5(archive: string, md5: string, source: string): Promise<void> {
  const hash = createHash('md5')
  for await (const chunk of (await openRegularFile(archive)).createReadStream()) hash.update(chunk)
  const found = hash.digest('hex')
  if (found === md5) return
  fail({
    kind: 'data',
    message: `expected the archive with MD5 ${md5}, got one with ${found}`,
    where: source,
    help: 'the download was cut short or changed on its way; try again',
  })
}

/**
 * Reads the whole archive; throws the first reason not to unpack it. Decompressed bytes are counted before the tar
 * reader sees them, and those after the end of the archive apart: the reader keeps all of these in one growing buffer,
 * which takes minutes for a few hundred megabytes.
 */
async function inspect(archive: string, most: number): Promise<void> {
  let bytes = 0
  let entries = 0
  let unfolded = 0
  let behind = 0
  let isAtEnd = false
  let refusal: unknown
  const parser = new Parser({
    strict: true,
    onReadEntry: entry => {
      bytes += entry.size
      entries += 1
      const reason =
        reasonToRefuse(entry) ??
        (bytes > most ? tooMuch(most) : undefined) ??
        (entries > mostEntries ? `more than ${mostEntries} files and folders` : undefined)
      if (reason !== undefined) refusal ??= new Error(reason)
      entry.resume()
    },
  })
  parser.on('eof', () => {
    isAtEnd = true
  })
  const finished = new Promise<void>(done => {
    parser.on('end', done)
    parser.on('error', error => {
      refusal ??= error
      done()
    })
  })
  const feed = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of refuseNested(chunks, reason => {
      refusal ??= reason
    })) {
      unfolded += chunk.length
      if (isAtEnd) behind += chunk.length
      if (unfolded > most + besideFiles) refusal ??= new Error(tooMuch(most))
      if (behind > besideFiles) refusal ??= new Error(`more than ${besideFiles} bytes after its end`)
      if (refusal !== undefined) throw refusal
      parser.write(chunk)
    }
  }
  // Stopping early may make the streams before complain as well; the refusal is the reason.
  await pipeline((await openRegularFile(archive)).createReadStream(), createGunzip(), feed).catch(
    (cause: unknown) => {
      throw refusal ?? cause
    },
  )
  parser.end()
  if (refusal === undefined) await finished
  if (refusal !== undefined) throw refusal
}

/** The same bytes; none of them, but a refusal, where they begin like compressed ones. */
async function* refuseNested(
  chunks: AsyncIterable<Uint8Array>,
  refuse: (reason: Error) => void,
): AsyncGenerator<Uint8Array> {
  const longest = Math.max(...compressed.map(magic => magic.length))
  let start: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (start === undefined) {
      yield chunk
      continue
    }
    start = Buffer.concat([start, chunk])
    const seen = start
    if (compressed.some(magic => seen.subarray(0, magic.length).equals(magic)))
      return refuse(new Error('compressed data within the compressed data'))
    if (start.length < longest) continue
    yield start
    start = undefined
  }
  if (start !== undefined) yield start
}

const tooMuch = (most: number): string => `more than ${most} bytes when unpacked`

function reasonToRefuse({ path, type }: ReadEntry): string | undefined {
  if (!written.has(type)) return `${path}, which is not a file but a ${type}`
  if (/^([/\\]|[A-Za-z]:)/.test(path)) return `the absolute name ${path}`
  if (path.split(/[/\\]/).includes('..')) return `the name ${path}, which leaves the folder`
  return undefined
}
