import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { contentIdentity } from '../content-identity.ts'
import type { Progress } from '../dataset.ts'
import { openFolder } from '../folder.ts'
import * as image from '../image.ts'
import { DecodedPixels, type Decoder, type PixelOptions } from './decoded-pixels.ts'
import { statesOf } from './image-states.ts'
import { deleteCaches, listCaches } from './pixel-caches.ts'
import { writeWhole } from './pixel-file.ts'

const outer = mkdtempSync(join(tmpdir(), 'moiety-pixels-'))
afterAll(() => rmSync(outer, { recursive: true, force: true }))
let [folder, cache] = ['', '']
beforeEach(() => {
  const own = mkdtempSync(join(outer, 'test-'))
  folder = join(own, 'images')
  cache = join(own, 'cache')
  mkdirSync(folder)
})
afterEach(() => vi.restoreAllMocks())

const count = 6
const size = 8

/** An image of one grey, as large as every other: BMP is not compressed. */
function bmp(grey: number): Uint8Array {
  const bytes = Buffer.alloc(54 + 3 * size * size, grey)
  bytes.write('BM')
  for (const [at, value] of [
    [2, bytes.length],
    [6, 0],
    [10, 54],
    [14, 40],
    [18, size],
    [22, size],
  ] as const)
    bytes.writeUInt32LE(value, at)
  bytes.writeUInt16LE(1, 26)
  bytes.writeUInt16LE(24, 28)
  bytes.fill(0, 30, 54)
  return bytes
}

const pathOf = (at: number): string => join(folder, `${at}.bmp`)
function writeImages(greys: readonly number[]): void {
  for (const [at, grey] of greys.entries()) writeFileSync(pathOf(at), bmp(grey))
}

let decoded: string[] = []
const decoder: Decoder = {
  rule: { test: size },
  slot: 3 * size * size,
  decode: async source => {
    decoded.push(source.name)
    const pixels = await image.decodeImage(source, size)
    return { pixels, width: size, height: size, stored: { width: size, height: size, orientation: 1 } }
  },
}

async function open(changes: Partial<PixelOptions> = {}, images = count) {
  const files = Array.from({ length: images }, (_, at) => ({ path: pathOf(at) }))
  const states = await statesOf(files, undefined)
  const content = await contentIdentity(files, states, undefined)
  const options = { cache, content, states, title: 'test', memory: 0, ...changes }
  decoded = []
  return DecodedPixels.open(files, decoder, options)
}

const all = [0, 1, 2, 3, 4, 5]
async function greysOf(pixels: DecodedPixels, images: readonly number[] = all): Promise<number[]> {
  return (await pixels.load(images)).map(one => {
    if (one instanceof image.UnreadableImage) throw one
    expect(new Set(one.pixels).size).toBe(1)
    return one.pixels[0]!
  })
}

const greys = [10, 20, 30, 40, 50, 60]
const cacheFile = (): string => {
  const names = readdirSync(cache)
  expect(names).toEqual([expect.stringMatching(/^pixels-[0-9a-f]{16}\.cache$/)])
  return join(cache, names[0]!)
}

/** Opens the same images again, as another command does. @returns what was decoded again */
async function again(changes: Partial<PixelOptions> = {}, expected = greys): Promise<readonly string[]> {
  const pixels = await open(changes)
  expect(await greysOf(pixels)).toEqual(expected)
  return decoded
}

describe('a cache of decoded images', () => {
  beforeEach(async () => {
    writeImages(greys)
    expect(await greysOf(await open())).toEqual(greys)
    expect(decoded.length).toBe(count)
  })

  it('saves decoding to whoever opens the images later', async () => {
    expect(await again()).toEqual([])
    expect(await again({ cache: 'off' })).toHaveLength(count)
    cacheFile()
  })

  it('needs only the states of files that have been there for a while', async () => {
    // The clock of the decoding process is later, as if the files were older.
    const now = Date.now()
    vi.spyOn(Date, 'now').mockReturnValue(now + 10_000)
    await again()
    const read = vi.spyOn(image, 'readImageWithState')
    expect(await again()).toEqual([])
    expect(read).not.toHaveBeenCalled()
  })

  it('notices a file that was changed in place, of the same size and with the same time', async () => {
    const now = Date.now()
    vi.spyOn(Date, 'now').mockReturnValue(now + 10_000)
    await again()
    // The identity of the data changes with it; that of one which is too large to be read as a whole does not.
    const content = 'the same'
    utimesSync(pathOf(2), 1e9, 1e9)
    expect(await again({ content })).toHaveLength(count)
    expect(await again({ content })).toEqual([])
    writeFileSync(pathOf(2), bmp(77))
    utimesSync(pathOf(2), 1e9, 1e9)
    const changed = greys.with(2, 77)
    expect(await again({ content }, changed)).toEqual([pathOf(2)])
    expect(await again({ content }, changed)).toEqual([])
  })

  it('never gives the pixels of other images of the same sizes and identity', async () => {
    const content = 'the same'
    await again({ content })
    const other = join(folder, '..', 'other')
    cpSync(folder, other, { recursive: true })
    writeFileSync(join(other, '3.bmp'), bmp(99))
    const first = folder
    folder = other
    expect(await again({ content }, greys.with(3, 99))).toEqual([pathOf(3)])
    folder = first
    expect(await again({ content })).toEqual([pathOf(3)])
  })

  it('is shared with a copy of the images at another place', async () => {
    const moved = join(folder, '..', 'moved')
    cpSync(folder, moved, { recursive: true })
    folder = moved
    expect(await again()).toEqual([])
    cacheFile()
  })

  it('is another one for other images, another order and another decoding', async () => {
    renameSync(pathOf(0), join(folder, 'aside'))
    renameSync(pathOf(1), pathOf(0))
    renameSync(join(folder, 'aside'), pathOf(1))
    expect(await again({}, [20, 10, 30, 40, 50, 60])).toHaveLength(count)
    expect(readdirSync(cache)).toHaveLength(2)
    const files = all.map(at => ({ path: pathOf(at) }))
    const states = await statesOf(files, undefined)
    const content = await contentIdentity(files, states, undefined)
    const otherRule = { ...decoder, rule: { test: 'other' } }
    const options = { cache, content, states, title: '', memory: 0 }
    await DecodedPixels.open(files, otherRule, options).load(all)
    expect(readdirSync(cache)).toHaveLength(3)
  })

  it('decodes again what is damaged, wherever that is, and then has it again', async () => {
    const path = cacheFile()
    const whole = readFileSync(path)
    for (let at = 0; at < whole.length; at += 37) {
      const damaged = Buffer.from(whole)
      damaged[at]! ^= 1 << (at % 8)
      writeFileSync(path, damaged)
      await again()
      expect(await again()).toEqual([])
    }
  })

  it('is made again if it was truncated, made longer, emptied or is another file', async () => {
    const path = cacheFile()
    const { size: bytes } = statSync(path)
    const changes = [
      () => truncateSync(path, bytes - 100),
      () => truncateSync(path, 0),
      () => appendFileSync(path, 'more'),
      () => writeFileSync(path, 'another file'),
      () => writeFileSync(path, Buffer.alloc(bytes, 1)),
    ]
    for (const change of changes) {
      change()
      const pixels = await open()
      expect(pixels.note).toMatch(/^the cache .* was damaged and is made again$/)
      expect(await greysOf(pixels)).toEqual(greys)
      expect(await again()).toEqual([])
    }
  })

  it('may be truncated or deleted while it is used', async () => {
    for (const change of [() => truncateSync(cacheFile(), 0), () => rmSync(cacheFile())]) {
      const pixels = await open()
      change()
      expect(await greysOf(pixels)).toEqual(greys)
      expect(await again()).toEqual(expect.any(Array))
    }
  })

  it('is not written through a link, nor read from a pipe', async () => {
    const path = cacheFile()
    rmSync(path)
    const target = join(folder, '..', 'target')
    writeFileSync(target, 'of the user')
    symlinkSync(target, path)
    expect((await open()).note).toMatch(/^decoded images are not cached in .*symbolic link/)
    await again()
    expect(readFileSync(target, 'utf8')).toBe('of the user')
  })

  // Root may write everywhere.
  it.skipIf(process.getuid?.() === 0)('is read where it cannot be written, which is said', async () => {
    chmodSync(cacheFile(), 0o400)
    const pixels = await open()
    expect(pixels.note).toMatch(/can only be read$/)
    expect(await greysOf(pixels)).toEqual(greys)
    expect(decoded).toEqual([])
  })

  it('is used by two at once, each of which decodes what the other has not', async () => {
    rmSync(cacheFile())
    const [one, other] = [await open(), await open()]
    expect(await greysOf(one, [0, 1, 2, 3])).toEqual([10, 20, 30, 40])
    decoded = []
    expect(await greysOf(other, [2, 3, 4, 5])).toEqual([30, 40, 50, 60])
    expect(decoded.toSorted()).toEqual([pathOf(4), pathOf(5)])
    expect(await again()).toEqual([])
  })

  it('has no pixels of an image that was removed, and none of one that cannot be read', async () => {
    rmSync(pathOf(4))
    writeFileSync(pathOf(5), 'no image')
    const [gone, broken] = await (await open({ content: 'the same' })).load([4, 5])
    expect(gone).toMatchObject({ reason: 'there is no such file (ENOENT)' })
    expect(broken).toMatchObject({ reason: expect.stringContaining('not a JPEG') })
    writeImages(greys)
    expect((await again({ content: 'the same' })).toSorted()).toEqual(all.map(pathOf))
  })
})

describe('a disk', () => {
  beforeEach(() => writeImages(greys))

  it('that is full ends the caching at any write, not the work, which is said once', async () => {
    for (let fullAfter = 0; fullAfter <= 2 * count; fullAfter++) {
      rmSync(cache, { recursive: true, force: true })
      let left = fullAfter
      const said: Progress[] = []
      const writeAt: typeof writeWhole = async (file, bytes, at) => {
        if (left-- > 0) return await writeWhole(file, bytes, at)
        // As much as there is room for.
        await writeWhole(file, bytes.subarray(0, bytes.length / 2), at)
        throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      }
      const pixels = await open({ writeAt, memory: 1e6, progress: event => said.push(event) })
      for (let epoch = 0; epoch < 2; epoch++) expect(await greysOf(pixels)).toEqual(greys)
      // From memory, or from what was cached before.
      expect(decoded.length).toBeLessThanOrEqual(2 * count)
      expect(said.filter(({ isNote }) => isNote)).toEqual(
        fullAfter === 2 * count
          ? []
          : [
              expect.objectContaining({
                what: 'decoded images are no longer cached: the disk is full (ENOSPC); training goes on without',
              }),
            ],
      )
      expect((await again()).length).toBeLessThanOrEqual(count)
      expect(await again()).toEqual([])
    }
  })

  it('on which no folder can be made leaves the work without a cache', async () => {
    writeFileSync(cache, 'a file')
    const pixels = await open({ memory: 1e6 })
    expect(pixels.note).toMatch(/^decoded images are not cached in .*; training goes on without$/)
    for (let epoch = 0; epoch < 2; epoch++) expect(await greysOf(pixels)).toEqual(greys)
    expect(decoded).toHaveLength(count)
  })
})

describe('the limit', () => {
  beforeEach(() => writeImages(greys))
  const oneCache = 8192 + count * 3 * size * size

  it('deletes what was not used for the longest time', async () => {
    for (const [day, title] of ['first', 'second', 'third'].entries()) {
      await greysOf(await open({ content: title, title, cacheLimit: (2.5 * oneCache) / 1e9 }))
      for (const name of readdirSync(cache))
        if (listCaches(cache).some(({ path, what }) => path.endsWith(name) && what.startsWith(title)))
          utimesSync(join(cache, name), day, day)
    }
    expect(listCaches(cache).map(({ what }) => what)).toEqual([
      'third: 6 of 6 images decoded',
      'second: 6 of 6 images decoded',
    ])
  })

  it('below what one data set takes leaves it without a cache, which is said', async () => {
    const pixels = await open({ cacheLimit: oneCache / 2 / 1e9 })
    expect(pixels.note).toMatch(
      /^decoded images are not cached: they take 9\.3 kB, more than data\.cacheLimit/,
    )
    expect(await greysOf(pixels)).toEqual(greys)
    expect(readdirSync(cache)).toEqual([])
  })
})

it('lists and deletes caches, also damaged ones, and no files of others', async () => {
  writeImages(greys)
  await greysOf(await open({ title: 'birds at 8×8' }), [0, 1])
  writeFileSync(join(cache, 'pixels-0123456789abcdef.cache'), 'damaged')
  writeFileSync(join(cache, 'notes.txt'), 'of the user')
  const found = listCaches(cache)
  expect(found.map(({ what }) => what).sort()).toEqual(['birds at 8×8: 2 of 6 images decoded', 'damaged'])
  deleteCaches(found)
  expect(readdirSync(cache)).toEqual(['notes.txt'])
  expect(listCaches(join(cache, 'missing'))).toEqual([])
})

describe('a folder of images', () => {
  async function photographs(): Promise<string> {
    const directory = join(folder, 'photos')
    for (const [label, name] of ['cat', 'dog'].entries()) {
      mkdirSync(join(directory, name), { recursive: true })
      for (let at = 0; at < 5; at++)
        await sharp({
          create: { width: 20, height: 10, channels: 3, background: { r: 50 * label, g: at, b: 9 } },
        })
          .png()
          .toFile(join(directory, name, `${at}.png`))
    }
    return directory
  }

  it('has the same pixels with a cache as without, and skips the same images', async () => {
    const directory = await photographs()
    writeFileSync(
      join(directory, 'cat', 'broken.png'),
      readFileSync(join(directory, 'cat', '1.png')).subarray(0, 60),
    )
    const options = { directory, size: 8, unreadable: 'skip' } as const
    const [off, first, second] = [
      await openFolder(options),
      await openFolder({ ...options, cache }),
      await openFolder({ ...options, cache }),
    ]
    for (const one of [first, second]) {
      expect(one.skipped).toEqual(off.skipped)
      expect(one.skipped).toHaveLength(1)
      expect(one.content).toBe(off.content)
      expect(one.notices).toEqual([])
      for (const split of ['train', 'test'] as const) {
        const images = Array.from({ length: off[split].length }, (_, at) => at)
        expect(await one[split].load(images)).toEqual(await off[split].load(images))
      }
    }
  })

  it('is not decoded when it is opened', async () => {
    const directory = await photographs()
    const decode = vi.spyOn(image, 'decodeImage')
    const { train } = await openFolder({ directory, size: 8, cache })
    expect(decode).not.toHaveBeenCalled()
    await train.load([0])
  })
})
