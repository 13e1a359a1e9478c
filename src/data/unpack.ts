import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract, Parser, type ReadEntry } from 'tar'
import { fail } from '../base/errors.ts'
import { openRegularFile } from '../files/regular.ts'

/** Entries of an archive that are written; everything else that could name a place elsewhere is refused. */
const written = new Set(['File', 'OldFile', 'ContiguousFile', 'Directory'])

/** What an archive may have beside its files, in bytes: names, padding, empty blocks at its end. */
const besideFiles = 1_000_000

/**
 * Unpacks a `.tar.gz` into an existing folder, after reading all of it once without writing anything.
 *
 * @param most - bytes that all files together may have; reading stops soon after it
 * @throws MoietyError of kind `data` for a damaged archive, for a name that is absolute or climbs out of the
 *   folder, for a link or any other special entry, and for more than `most` bytes; nothing is written then
 */
export async function unpackTarGz(archive: string, folder: string, most: number): Promise<void> {
  try {
    await inspect(archive, most)
    // The bytes are counted already, so a high ratio (much black, say) is no sign of a bomb any more.
    await extract({
      file: archive,
      cwd: folder,
      strict: true,
      maxDecompressionRatio: Number.POSITIVE_INFINITY,
    })
  } catch (cause) {
    fail({
      kind: 'data',
      message: `expected a complete archive of plain files, found ${cause instanceof Error ? cause.message : String(cause)}`,
      where: archive,
      help: 'the archive is damaged or is not what it should be; delete it and download it again',
      cause,
    })
  }
}

/** Reads the whole archive; throws the first reason not to unpack it. */
async function inspect(archive: string, most: number): Promise<void> {
  let bytes = 0
  let unfolded = 0
  let refusal: unknown
  const parser = new Parser({
    strict: true,
    onReadEntry: entry => {
      bytes += entry.size
      const reason = reasonToRefuse(entry) ?? (bytes > most ? tooMuch(most) : undefined)
      if (reason !== undefined) refusal ??= new Error(reason)
      entry.resume()
    },
  })
  const finished = new Promise<void>(done => {
    parser.on('end', done)
    parser.on('error', error => {
      refusal ??= error
      done()
    })
  })
  const feed = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) {
      unfolded += chunk.length
      if (unfolded > most + besideFiles) refusal ??= new Error(tooMuch(most))
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

const tooMuch = (most: number): string => `more than ${most} bytes when unpacked`

function reasonToRefuse({ path, type }: ReadEntry): string | undefined {
  if (!written.has(type)) return `${path}, which is no file but a ${type}`
  if (/^([/\\]|[A-Za-z]:)/.test(path)) return `the absolute name ${path}`
  if (path.split(/[/\\]/).includes('..')) return `the name ${path}, which climbs out of the folder`
  return undefined
}
