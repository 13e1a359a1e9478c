import { createHash } from 'node:crypto'
import { rethrowExhausted } from '../files/disk.ts'
import type { OnProgress } from './dataset.ts'
import type { ImageFile } from './image-files.ts'
import { mapConcurrently } from './map-concurrently.ts'
import type { ImageStates } from './pixels/image-states.ts'
import { scan } from './pixels/scan.ts'

/**
 * Most bytes that are read for the identity of a data set, a tenth of a second or two. Of a larger one, files are read that are evenly
 * spread over it, and of the others only the size counts.
 */
const mostRead = 64e6

/**
 * A hash of the content of a data set's files, in the order of the images: it changes when a file is replaced, also under the same
 * name, and when two are swapped. Independent of the names and of the folder's path. Of a data set larger than 64 MB a file that is
 * replaced by one of exactly the same size may go unnoticed.
 *
 * @param states - of the files, see {@link statesOf}
 * @param most - bytes that are read at most
 */
export async function contentIdentity(
  files: readonly ImageFile[],
  states: ImageStates,
  progress?: OnProgress,
  most = mostRead,
): Promise<string> {
  // A file that cannot be read is skipped, or is an error when it is decoded.
  const sizes = Float64Array.from(files, ({ bytes }, at) => bytes ?? (states[4 * at]! || 0))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const every = Math.max(1, Math.ceil(total / most))
  const read = files.filter((_, i) => i % every === 0 && sizes[i]! <= most)
  const hash = createHash('sha256').update(sizes)
  hash.update(await hashesOf(read, progress))
  return hash.digest('hex')
}

const noContent = createHash('sha256').digest()

/** The SHA-256 of each, one after another. */
async function hashesOf(files: readonly ImageFile[], progress: OnProgress | undefined): Promise<Uint8Array> {
  const isWhole = files.map(({ read }) => read === undefined)
  const whole = files.flatMap(({ path }, at) => (isWhole[at] ? [path] : []))
  const { states, contents } = await scan(whole, 'hash', 'hashing files', progress)
  for (let i = 0; i < whole.length; i++) if (Number.isNaN(states[4 * i]!)) contents.set(noContent, 32 * i)
  const parts = files.flatMap((_, at) => (isWhole[at] ? [] : [at]))
  if (parts.length === 0) return contents
  const hashes = new Uint8Array(32 * files.length)
  let next = 0
  for (const [at, isOwn] of isWhole.entries())
    if (isOwn) hashes.set(contents.subarray(32 * next, 32 * ++next), 32 * at)
  await mapConcurrently(parts, async at => hashes.set(await hashOfPart(files[at]!), 32 * at))
  return hashes
}

async function hashOfPart({ path, read }: ImageFile): Promise<Uint8Array> {
  const bytes = await read!().catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', path)
    return new Uint8Array()
  })
  return createHash('sha256').update(bytes).digest()
}
