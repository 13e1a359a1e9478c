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
  for (const each of await hashesOf(read, progress)) hash.update(each)
  return hash.digest('hex')
}

const noContent = createHash('sha256').digest()

async function hashesOf(
  files: readonly ImageFile[],
  progress: OnProgress | undefined,
): Promise<readonly Uint8Array[]> {
  const whole = files.flatMap(({ read }, at) => (read === undefined ? [at] : []))
  const paths = whole.map(at => files[at]!.path)
  const { states, contents } = await scan(paths, 'hash', 'hashing files', progress)
  const hashes = new Array<Uint8Array>(files.length)
  for (const [i, at] of whole.entries())
    hashes[at] = Number.isNaN(states[4 * i]!) ? noContent : contents.subarray(32 * i, 32 * i + 32)
  await mapConcurrently(
    files.flatMap((file, at) => (file.read === undefined ? [] : [at])),
    async at => {
      hashes[at] = await hashOfPart(files[at]!)
    },
  )
  return hashes
}

async function hashOfPart({ path, read }: ImageFile): Promise<Uint8Array> {
  const bytes = await read!().catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', path)
    return new Uint8Array()
  })
  return createHash('sha256').update(bytes).digest()
}
