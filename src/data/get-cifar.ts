import { mkdtemp, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import { makeFolders, unfinished } from '../files/atomic-write.ts'
import { isThere, nodeDisk, reasonOf } from '../files/disk.ts'
import { layouts, openCifar } from './cifar.ts'
import type { OnProgress } from './dataset.ts'
import { unpackTarGz } from './unpack.ts'

/** An archive to download, and its MD5 in hexadecimal. */
export interface Archive {
  readonly url: string
  readonly md5: string
}

/** The authors' archives and the checksums that they publish (cs.toronto.edu/~kriz/cifar.html). */
export const archives: Readonly<Record<'cifar10' | 'cifar100', Archive>> = {
  cifar10: {
    url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
    md5: 'c32a1d4ab5d03f1284b67883e8d87530',
  },
  cifar100: {
    url: 'https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz',
    md5: '03b5dce01913d631647c71ecec9e9cb8',
  },
}

/** Where to put the data set, and from where it comes. */
export interface GetOptions {
  /** The folder in which the dataset's folder is made; created if need be. */
  readonly to: string
  readonly progress?: OnProgress
  /** The fetch function. Default: the global `fetch`. */
  readonly fetch?: (url: string) => Promise<Response>
  /** URL of another copy of the archive. Default: the authors'. */
  readonly archive?: Archive
}

/** Both archives have less than 180 MB, packed and unpacked. */
const mostBytes = 300_000_000

/**
 * Downloads CIFAR in its binary version, checks the archive's published MD5, only then unpacks it, and checks every
 * record.
 * All of that happens in a temporary folder; the dataset's folder appears only when everything is correct.
 * If it exists already, it is checked and nothing is downloaded.
 *
 * @returns the folder that now holds the files
 * @throws MoietyError of kind `data` without a network, for a wrong checksum or a refused archive; of kind
 *   `disk` where the files cannot be written
 */
export async function getCifar(name: 'cifar10' | 'cifar100', options: GetOptions): Promise<string> {
  const { to, progress, archive = archives[name] } = options
  const target = join(to, layouts[name].folder)
  if (isThere(target)) {
    await openCifar(name, target)
    return target
  }
  const staging = await onDisk(to, async () => {
    makeFolders(nodeDisk, to)
    return mkdtemp(join(to, unfinished))
  })
  try {
    const packed = join(staging, 'archive.tar.gz')
    const response = await request(archive.url, options.fetch ?? fetch, name)
    await download(response, packed, archive.url, progress)
    progress?.({ done: 0, total: 1, what: 'unpacking and checking' })
    await unpackTarGz(packed, staging, { most: mostBytes, md5: archive.md5, source: archive.url })
    await openCifar(name, staging)
    await onDisk(target, () => rename(join(staging, layouts[name].folder), target))
    progress?.({ done: 1, total: 1, what: 'unpacking and checking' })
    return target
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

async function request(
  url: string,
  get: (url: string) => Promise<Response>,
  name: string,
): Promise<Response> {
  const response = await get(url).catch((cause: unknown) => unreachable(url, name, cause))
  if (!response.ok) {
    fail({
      kind: 'data',
      message: `expected the archive, got the response ${response.status} ${response.statusText}`,
      where: url,
      help: `try again later, or get the archive elsewhere, unpack it, and use --data DIR`,
    })
  }
  return response
}

/** `fetch` says only "fetch failed"; the reason is in its cause. */
function unreachable(url: string, name: string, cause: unknown): never {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  fail({
    kind: 'data',
    message: `expected a network to download ${layoutTitle(name)}, got: ${inner instanceof Error ? inner.message : String(inner)}`,
    where: url,
    help: 'download that file where there is a network, unpack it here, and use --data DIR; or train on the sample',
    cause,
  })
}

function layoutTitle(name: string): string {
  return name === 'cifar10' ? layouts.cifar10.title : layouts.cifar100.title
}

/** Writes the response body to `path`. */
async function download(response: Response, path: string, url: string, progress?: OnProgress): Promise<void> {
  const total = Number(response.headers.get('content-length') ?? 0)
  const file = await onDisk(path, () => open(path, 'wx'))
  try {
    let done = 0
    for await (const chunk of bodyOf(response, url)) {
      done += chunk.length
      if (done > mostBytes) tooMuch(url)
      await onDisk(path, () => file.writeFile(chunk))
      progress?.({ done, total, what: 'downloading' })
    }
  } finally {
    await file.close()
  }
}

/** The body's chunks; a broken connection becomes an error that names the URL. */
async function* bodyOf(response: Response, url: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    fail({
      kind: 'data',
      message: `expected the whole archive, the connection broke: ${reasonOf(cause)}`,
      where: url,
      help: 'try again',
      cause,
    })
  }
}

function tooMuch(url: string): never {
  fail({
    kind: 'data',
    message: `expected an archive of less than ${mostBytes} bytes, got more`,
    where: url,
    help: 'this is not the published archive; try again later',
  })
}

async function onDisk<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    return fail({
      kind: 'disk',
      message: `expected to be able to write there, got: ${reasonOf(cause)}`,
      where: path,
      help: 'free some space, remove existing files, or choose another folder with --to',
      cause,
    })
  }
}
