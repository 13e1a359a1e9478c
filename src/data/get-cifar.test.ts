import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { Progress } from './dataset.ts'
import { archives, type GetOptions, getCifar } from './get-cifar.ts'
import { unpackTarGz } from './unpack.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moiety-get-'))
})
afterEach(() => rm(directory, { recursive: true }))

interface Entry {
  readonly path: string
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'FIFO'
  readonly data?: Uint8Array
  readonly linkpath?: string
}

/** A tar archive with exactly these entries, including malicious ones. */
function tar(...entries: readonly Entry[]): Buffer {
  const blocks = entries.map(({ path, type = 'File', data = new Uint8Array(), linkpath }) => {
    const header = Buffer.alloc(512)
    new Header({
      path,
      type,
      size: data.length,
      mode: 0o644,
      ...(linkpath !== undefined && { linkpath }),
    }).encode(header)
    return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

const record = (...labels: readonly number[]): Uint8Array =>
  Uint8Array.from([...labels, ...new Array<number>(3072).fill(7)])

const good = gzipSync(
  tar(
    { path: 'cifar-100-binary/', type: 'Directory' },
    { path: 'cifar-100-binary/train.bin', data: record(1, 2) },
    { path: 'cifar-100-binary/test.bin', data: record(3, 4) },
  ),
)

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')

/** A download of `bytes` from memory, with the checksum that they have. */
function serving(bytes: Uint8Array, more: Partial<GetOptions> = {}): GetOptions {
  const body = new Uint8Array(bytes)
  return {
    to: directory,
    fetch: async () => new Response(body, { headers: { 'content-length': String(body.length) } }),
    archive: { url: 'https://example.org/cifar.tar.gz', md5: md5Of(bytes) },
    ...more,
  }
}

async function failure(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof MoietyError)) throw error ?? new Error('nothing failed')
  return `${error.exitCode} ${error.describe()}`
}

describe('getCifar', () => {
  it.skipIf(process.platform === 'win32')(
    'downloads nothing where it cannot see whether the folder is there',
    async () => {
      const target = join(directory, 'cifar-100-binary')
      await symlink(target, target)
      const asked: string[] = []
      const fetch = async (url: string): Promise<Response> => {
        asked.push(url)
        return new Response(null, { status: 500 })
      }
      await expect(getCifar('cifar100', { to: directory, fetch })).rejects.toThrow('symbolic link')
      expect(asked).toEqual([])
    },
  )

  it("asks for the authors' archive and checks the MD5 that they publish", async () => {
    const asked: string[] = []
    const get = async (url: string): Promise<Response> => {
      asked.push(url)
      return new Response(new Uint8Array(good))
    }
    const said = await failure(getCifar('cifar100', { to: directory, fetch: get }))
    expect(asked).toEqual(['https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz'])
    expect(said).toMatch(
      /^3 error: expected the archive with MD5 03b5dce01913d631647c71ecec9e9cb8, got one with/,
    )
    expect(archives.cifar10.md5).toBe('c32a1d4ab5d03f1284b67883e8d87530')
    expect(await readdir(directory)).toEqual([])
  })

  it('unpacks the archive, checks it, and leaves nothing else behind', async () => {
    const seen: Progress[] = []
    const place = await getCifar('cifar100', serving(good, { progress: p => seen.push(p) }))
    expect(place).toBe(join(directory, 'cifar-100-binary'))
    expect(await readdir(directory)).toEqual(['cifar-100-binary'])
    expect((await readdir(place)).sort()).toEqual(['test.bin', 'train.bin'])
    expect(seen.filter(({ what }) => what === 'downloading').at(-1)).toEqual({
      done: good.length,
      total: good.length,
      what: 'downloading',
    })
  })

  it('downloads nothing where the folder is there, but checks it', async () => {
    const place = await getCifar('cifar100', serving(good))
    const never = { to: directory, fetch: async () => expect.unreachable() }
    expect(await getCifar('cifar100', never)).toBe(place)
    await writeFile(join(place, 'train.bin'), record(1, 200))
    expect(await failure(getCifar('cifar100', never))).toContain('expected a label of 0 … 99, got 200')
  })

  it('reports a missing network, and what to do then', async () => {
    const none = async (): Promise<Response> => {
      throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND www.cs.toronto.edu') })
    }
    const said = await failure(getCifar('cifar10', { to: directory, fetch: none }))
    expect(said).toBe(
      [
        '3 error: expected a network to download CIFAR-10, got: getaddrinfo ENOTFOUND www.cs.toronto.edu',
        '  at https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
        '  help: download that file where there is a network, unpack it here, and use --data DIR; or train on the sample',
      ].join('\n'),
    )
  })

  it('reports the server’s error response', async () => {
    const get = async (): Promise<Response> => new Response('', { status: 404, statusText: 'Not Found' })
    expect(await failure(getCifar('cifar100', serving(good, { fetch: get })))).toContain(
      'got the response 404 Not Found',
    )
  })

  it('reports a broken connection, and leaves nothing behind', async () => {
    const broken = new ReadableStream<Uint8Array>({
      start: controller => controller.enqueue(new Uint8Array(good.subarray(0, 50))),
      pull: controller => controller.error(new Error('other side closed')),
    })
    const said = await failure(
      getCifar('cifar100', serving(good, { fetch: async () => new Response(broken) })),
    )
    expect(said).toMatch(/^3 error: expected the whole archive, the connection broke: other side closed/)
    expect(await readdir(directory)).toEqual([])
  })

  it('takes no archive whose records are wrong, even with the right checksum', async () => {
    const wrong = gzipSync(
      tar(
        { path: 'cifar-100-binary/train.bin', data: record(20, 2) },
        { path: 'cifar-100-binary/test.bin', data: record(3, 4) },
      ),
    )
    expect(await failure(getCifar('cifar100', serving(wrong)))).toContain(
      'expected a label of 0 … 19, got 20',
    )
    expect(await readdir(directory)).toEqual([])
  })

  it('reports an unwritable folder as a disk error', async () => {
    await writeFile(join(directory, 'file'), '')
    const said = await failure(getCifar('cifar100', serving(good, { to: join(directory, 'file', 'in') })))
    expect(said).toMatch(/^5 error: cannot create the folder/)
  })
})

describe('unpackTarGz', () => {
  const file = { path: 'a.bin', data: Uint8Array.of(1, 2, 3) }

  async function unpacking(archive: Uint8Array, most = 1000, md5 = md5Of(archive)): Promise<void> {
    const inside = join(directory, 'inside')
    await mkdir(inside, { recursive: true })
    await writeFile(join(directory, 'archive.tar.gz'), archive)
    await unpackTarGz(join(directory, 'archive.tar.gz'), inside, { most, md5 })
  }

  it('writes the files of a valid archive', async () => {
    await unpacking(gzipSync(tar({ path: 'd/', type: 'Directory' }, { ...file, path: 'd/a.bin' })))
    expect(await readdir(join(directory, 'inside', 'd'))).toEqual(['a.bin'])
  })

  it.each<[string, Entry, RegExp]>([
    ['a name that leaves the folder', { ...file, path: '../evil.bin' }, /leaves the folder/],
    ['a name that leaves the folder midway', { ...file, path: 'd/../../evil.bin' }, /leaves the folder/],
    [
      'a name that leaves the folder in the Windows way',
      { ...file, path: 'd\\..\\..\\evil.bin' },
      /leaves the folder/,
    ],
    ['an absolute name', { ...file, path: '/tmp/evil.bin' }, /absolute name/],
    ['an absolute Windows name', { ...file, path: 'C:/evil.bin' }, /absolute name/],
    [
      'a symbolic link',
      { path: 'link', type: 'SymbolicLink', linkpath: '/etc' },
      /not a file but a SymbolicLink/,
    ],
    ['a hard link', { path: 'link', type: 'Link', linkpath: 'a.bin' }, /not a file but a Link/],
    ['a pipe', { path: 'pipe', type: 'FIFO' }, /not a file but a FIFO/],
  ])('refuses %s, and writes nothing', async (_, entry, reason) => {
    expect(await failure(unpacking(gzipSync(tar(file, entry))))).toMatch(reason)
    expect(await readdir(join(directory, 'inside'))).toEqual([])
    expect(existsSync(join(directory, 'evil.bin'))).toBe(false)
  })

  it('refuses files that are too large together', async () => {
    const some = tar(file, { path: 'b.bin', data: new Uint8Array(998) })
    expect(await failure(unpacking(gzipSync(some)))).toContain('more than 1000 bytes when unpacked')
  })

  it('stops reading an archive that unfolds without end', async () => {
    const bomb = gzipSync(tar({ path: 'zero.bin', data: new Uint8Array(20_000_000) }))
    expect(bomb.length).toBeLessThan(50_000)
    expect(await failure(unpacking(bomb))).toContain('more than 1000 bytes when unpacked')
    const empty = gzipSync(Buffer.concat([tar(file), new Uint8Array(20_000_000)]))
    expect(await failure(unpacking(empty))).toContain('more than 1000 bytes when unpacked')
    expect(await readdir(join(directory, 'inside'))).toEqual([])
  })

  it('refuses 150 MB behind the end of an archive at once, above the limit and below it', async () => {
    const bomb = gzipSync(Buffer.concat([tar(file), new Uint8Array(150_000_000)]), { level: 1 })
    const started = process.cpuUsage()
    expect(await failure(unpacking(bomb, 100_000_000))).toContain('more than 1000000 bytes after its end')
    expect(await failure(unpacking(bomb, 500_000_000))).toContain('more than 1000000 bytes after its end')
    // Of this process alone: far above what it takes (10 ms each), far below the minutes of keeping all of it in one buffer.
    expect(process.cpuUsage(started).user).toBeLessThan(10e6)
    const padded = gzipSync(Buffer.concat([tar(file), new Uint8Array(9_000)]))
    await unpacking(padded)
    expect(await readdir(join(directory, 'inside'))).toEqual(['a.bin'])
  })

  it('refuses an archive that is compressed twice, however its first bytes arrive', async () => {
    const once = gzipSync(tar(file))
    const inOne = gzipSync(once)
    const inPieces = Buffer.concat([once.subarray(0, 1), once.subarray(1)].map(part => gzipSync(part)))
    for (const twice of [inOne, inPieces])
      expect(await failure(unpacking(twice))).toContain('compressed data within the compressed data')
    expect(await readdir(join(directory, 'inside'))).toEqual([])
  })

  it('refuses a great many empty files', async () => {
    const many = Array.from({ length: 10_001 }, (_, i): Entry => ({ path: `${i}` }))
    expect(await failure(unpacking(gzipSync(tar(...many)), 10_000_000))).toContain(
      'more than 10000 files and folders',
    )
    expect(await readdir(join(directory, 'inside'))).toEqual([])
  })

  it('decompresses nothing of an archive with another checksum', async () => {
    const said = await failure(unpacking(Buffer.from('no archive'), 1000, md5Of(good)))
    expect(said).toMatch(/^3 error: expected the archive with MD5 .*, got one with .*\n.*archive\.tar\.gz/)
  })

  it('refuses an archive that ends early, at any place', async () => {
    const plain = tar(file, { path: 'b.bin', data: new Uint8Array(900) })
    const whole = gzipSync(plain)
    for (let length = 0; length < whole.length; length += 7) {
      expect(await failure(unpacking(whole.subarray(0, length)))).toMatch(
        /^3 error: expected a complete archive/,
      )
    }
    expect(await failure(unpacking(gzipSync(plain.subarray(0, 1600))))).toMatch(/^3 /)
    expect(await readdir(join(directory, 'inside'))).toEqual([])
  })

  it('refuses what is no archive', async () => {
    expect(await failure(unpacking(Buffer.from('<html>not here</html>'.repeat(100))))).toMatch(/^3 /)
  })
})
