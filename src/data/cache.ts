import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { MoietyError } from '../base/errors.ts'
import { makeFolders, writeAtomically } from '../files/atomic-write.ts'
import { nodeDisk } from '../files/disk.ts'
import { readRegularFile } from '../files/regular-file.ts'
import type { OnProgress } from './dataset.ts'

/** The cache folder: MOIETY_CACHE, or `.cache/moiety` next to the nearest package.json. */
export function cacheDirectory(from = process.cwd()): string {
  const configured = process.env.MOIETY_CACHE
  if (configured !== undefined && configured !== '') return resolve(configured)
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    // What may not be looked at is passed over: a search upwards ends in folders of others.
    if (existsSync(join(folder, 'package.json'))) return join(folder, '.cache', 'moiety')
    if (dirname(folder) === folder) return join(resolve(from), '.cache', 'moiety')
  }
}

/** Hash of everything that determines the cached data, used as its file name. */
export function cacheKey(facts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16)
}

const digestBytes = 32

/** The bytes that {@link writeCache} wrote; undefined if the file is missing, damaged, or not of `total` bytes. */
export async function readCache(file: string, total: number): Promise<Uint8Array | undefined> {
  const bytes = await readRegularFile(file, digestBytes + total).catch(() => undefined)
  if (bytes?.length !== digestBytes + total) return undefined
  const content = bytes.subarray(digestBytes)
  const digest = createHash('sha256').update(content).digest()
  return digest.equals(bytes.subarray(0, digestBytes)) ? content : undefined
}

/**
 * Caches drawings, prefixed with their SHA-256. A failure is only reported through
 * `progress`.
 */
export function writeCache(file: string, content: Uint8Array, progress?: OnProgress): void {
  const bytes = new Uint8Array(digestBytes + content.length)
  bytes.set(createHash('sha256').update(content).digest())
  bytes.set(content, digestBytes)
  try {
    makeFolders(nodeDisk, dirname(file))
    writeAtomically(nodeDisk, file, bytes)
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    progress?.({
      done: 1,
      total: 1,
      what: `the drawings could not be cached: ${error.message}`,
      isNote: true,
    })
  }
}
