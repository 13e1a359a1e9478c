import { createHash } from 'node:crypto'
import { rethrowExhausted } from '../files/disk.ts'
import type { OnProgress } from './dataset.ts'
import type { ImageFile } from './image-files.ts'
import { mapConcurrently } from './map-concurrently.ts'
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
 * @param most - bytes that are read at most
 */
export async function contentIdentity(
  files: readonly ImageFile[],
  most = mostRead,
  progress?: OnProgress,
): Promise<string> {
  const sizes = await sizesOf(files, progress)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const every = Math.max(1, Math.ceil(total / most))
  const read = files.filter((_, i) => i % every === 0 && sizes[i]! <= most)
  const hash = createHash('sha256').update(sizes)
  for (const each of await hashesOf(read, progress)) hash.update(each)
  return hash.digest('hex')
}

async function sizesOf(files: readonly ImageFile[], progress: OnProgress | undefined): Promise<Float64Array> {
  const sizes = Float64Array.from(files, ({ bytes }) => bytes ?? 0)
  const unknown = files.flatMap(({ bytes }, at) => (bytes === undefined ? [at] : []))
  const paths = unknown.map(at => files[at]!.path)
  const { states } = await scan(paths, 'nothing', 'looking at files', progress)
  // A file that cannot be read is skipped, or is an error when it is decoded.
  for (const [i, at] of unknown.entries()) sizes[at] = states[4 * i]! || 0
  return sizes
}

const noContent = createHash('sha256').digest()

async function hashesOf(
  files: readonly ImageFile[],
  progress: OnProgress | undefined,
): Promise<readonly Uint8Array[]> {
  const whole = files.filter(({ read }) => read === undefined)
  const { states, contents } = await scan(
    whole.map(({ path }) => path),
    'hash',
    'hashing files',
    progress,
  )
  const hashes = new Map(
    whole.map((file, i) => [
      file,
      Number.isNaN(states[4 * i]!) ? noContent : contents.subarray(32 * i, 32 * i + 32),
    ]),
  )
  return await mapConcurrently(files, async file => hashes.get(file) ?? (await hashOfPart(file)))
}

async function hashOfPart({ path, read }: ImageFile): Promise<Uint8Array> {
  const bytes = await read!().catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', path)
    return new Uint8Array()
  })
  return createHash('sha256').update(bytes).digest()
}
