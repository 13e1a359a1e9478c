import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { rethrowExhausted } from '../files/disk.ts'
import { readRegularFile } from '../files/regular-file.ts'
import type { ImageFile } from './image-files.ts'

/**
 * Most bytes that are read for the identity of a data set, a tenth of a second or two. Of a larger one, files are read that are evenly
 * spread over it, and of the others only the size counts.
 */
const mostRead = 64e6

/** Files that are opened at a time. */
const together = 16

/**
 * A hash of the content of a data set's files, in the order of the images: it changes when a file is replaced, also under the same
 * name, and when two are swapped. Independent of the names and of the folder's path. Of a data set larger than 64 MB a file that is
 * replaced by one of exactly the same size may go unnoticed.
 *
 * @param most - bytes that are read at most
 */
export async function contentIdentity(files: readonly ImageFile[], most = mostRead): Promise<string> {
  const sizes = await inGroups(files, async ({ path, bytes }) => bytes ?? (await sizeOf(path)))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const every = Math.max(1, Math.ceil(total / most))
  const read = files.filter((_, i) => i % every === 0 && sizes[i]! <= most)
  const hashes = await inGroups(read, file => hashOf(file, most))
  const hash = createHash('sha256').update(new Float64Array(sizes))
  for (const each of hashes) hash.update(each)
  return hash.digest('hex')
}

async function inGroups<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let first = 0; first < items.length; first += together)
    results.push(...(await Promise.all(items.slice(first, first + together).map(work))))
  return results
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    (cause: unknown) => absent(cause, path, 0),
  )
}

async function hashOf({ path, read }: ImageFile, most: number): Promise<Uint8Array> {
  const bytes = await (read?.() ?? readRegularFile(path, most)).catch((cause: unknown) =>
    absent(cause, path, new Uint8Array()),
  )
  return createHash('sha256').update(bytes).digest()
}

/** A file that cannot be read is skipped, or is an error when it is decoded. */
function absent<T>(cause: unknown, path: string, instead: T): T {
  rethrowExhausted(cause, 'read', path)
  return instead
}
