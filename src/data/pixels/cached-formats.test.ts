import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import sharp from 'sharp'
import * as tar from 'tar'
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest'
import * as parquet from '../../files/parquet.ts'
import { openDetectionDataset } from '../detection/index.ts'
import { openFolder } from '../folder.ts'
import * as image from '../image.ts'
import { openMultiLabel } from '../multi-label/index.ts'
import type { CacheOptions } from './cache-options.ts'
import { listCaches } from './pixel-caches.ts'

const outer = mkdtempSync(join(tmpdir(), 'moiety-cached-'))
afterAll(() => rmSync(outer, { recursive: true, force: true }))
let [directory, cache] = ['', '']
beforeEach(() => {
  const own = mkdtempSync(join(outer, 'test-'))
  directory = join(own, 'data')
  cache = join(own, 'cache')
})
afterEach(() => vi.restoreAllMocks())

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), content)
}

const png = (red: number, width = 16, height = 16): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: red, g: 80, b: 200 } } })
    .png()
    .toBuffer()

type Opened = Readonly<Record<'train' | 'test', { readonly length: number; load(images: number[]): unknown }>>

/** Opens with a cache: the pixels are those without, and whoever opens again decodes nothing. */
async function expectCached(
  open: (options: CacheOptions) => Promise<Opened>,
  decoder: 'decodeImage' | 'decodeUnturned',
): Promise<void> {
  const decode = vi.spyOn(image, decoder)
  const load = async (options: CacheOptions) => {
    const data = await open(options)
    const all = (split: 'train' | 'test') => Array.from({ length: data[split].length }, (_, at) => at)
    return [await data.train.load(all('train')), await data.test.load(all('test'))]
  }
  const plain = await load({ cache: 'off' })
  const calls = decode.mock.calls.length
  expect(calls).toBeGreaterThan(0)
  expect(await load({ cache })).toEqual(plain)
  expect(decode).toHaveBeenCalledTimes(2 * calls)
  expect(await load({ cache })).toEqual(plain)
  expect(decode).toHaveBeenCalledTimes(2 * calls)
  expect(listCaches(cache).map(({ what }) => what)).toEqual([
    expect.stringMatching(new RegExp(`^data at .*: ${calls} of ${calls} images decoded$`)),
  ])
}

it('a table of images with any number of labels', async () => {
  for (let at = 0; at < 10; at++) write(`${at}.png`, await png(at))
  const rows = Array.from({ length: 10 }, (_, at) => `${at}.png,${at % 2 ? 'a' : 'a;b'}`)
  write('labels.csv', ['path,labels', ...rows].join('\n'))
  await expectCached(options => openMultiLabel({ directory, size: 8, ...options }), 'decodeImage')
})

it('a table of images of one class each', async () => {
  for (let at = 0; at < 10; at++) write(`${at}.png`, await png(at))
  const rows = Array.from({ length: 10 }, (_, at) => `${at}.png,${at % 2 ? 'a' : 'b'}`)
  write('labels.csv', ['path,label', ...rows].join('\n'))
  await expectCached(options => openFolder({ directory, size: 8, ...options }), 'decodeImage')
})

it('tar shards', async () => {
  const parts = join(directory, '..', 'parts')
  mkdirSync(parts)
  const names: string[] = []
  for (let at = 0; at < 6; at++) {
    writeFileSync(join(parts, `${at}.png`), await png(at))
    writeFileSync(join(parts, `${at}.cls`), String(at % 2))
    names.push(`${at}.png`, `${at}.cls`)
  }
  mkdirSync(directory)
  tar.create({ sync: true, file: join(directory, 'train-000000.tar'), cwd: parts }, names.slice(0, 8))
  tar.create({ sync: true, file: join(directory, 'val-000000.tar'), cwd: parts }, names.slice(8))
  const open = async (options: CacheOptions) => {
    const data = await openFolder({ directory, size: 8, ...options })
    return { train: data.train, test: data.val! }
  }
  await expectCached(open, 'decodeImage')
})

async function writeParquet(name: string, from: number): Promise<void> {
  const data = await Promise.all(Array.from({ length: 6 }, (_, at) => png(from + at)))
  const columnData = [
    { name: 'image', data: data.map(bytes => new Uint8Array(bytes)), type: 'BYTE_ARRAY' as const },
    { name: 'label', data: data.map((_, at) => BigInt(at % 2)), type: 'INT64' as const },
  ]
  write(name, new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 3 })))
}

it('Parquet files', async () => {
  await writeParquet('train-00000-of-00001.parquet', 0)
  await writeParquet('test-00000-of-00001.parquet', 10)
  await expectCached(options => openFolder({ directory, size: 8, ...options }), 'decodeImage')
})

it('a row group of Parquet is read once, whatever the order of its images', async () => {
  await writeParquet('train-00000-of-00001.parquet', 0)
  await writeParquet('test-00000-of-00001.parquet', 10)
  const { train } = await openFolder({ directory, size: 8, cache })
  const read = vi.spyOn(parquet, 'readParquet')
  for (const at of [5, 0, 3, 1, 4, 2]) expect((await train.load([at]))[0]).toBe(at)
  expect(read).toHaveBeenCalledTimes(2)
  read.mockClear()
  const again = await openFolder({ directory, size: 8, cache })
  read.mockClear()
  expect((await again.train.load([2, 5]))[0]).toBe(2)
  // To compare the content: the files were written just now. A group is read once.
  expect(read.mock.calls.length).toBeLessThanOrEqual(2)
})

async function writeYolo(): Promise<void> {
  for (const split of ['train', 'val'])
    for (let at = 0; at < 4; at++) {
      write(`images/${split}/${at}.png`, await png(at + (split === 'val' ? 50 : 0), 40 + 8 * at, 32))
      write(`labels/${split}/${at}.txt`, '0 0.5 0.5 0.4 0.4')
    }
  write('data.yaml', 'train: images/train\nval: images/val\nnames: [bird]\n')
}

async function openYolo(options: CacheOptions & { readonly unreadable?: 'skip' }) {
  const data = await openDetectionDataset({ name: 'boxes', directory, size: 64, ...options })
  return { ...data, test: data.val! }
}

it('images with boxes, of any shape', async () => {
  await writeYolo()
  await expectCached(openYolo, 'decodeUnturned')
})

it('images with boxes whose sizes are in their files: these are read once, and so are unreadable ones', async () => {
  await writeYolo()
  write('images/train/9.png', (await png(9)).subarray(0, 70))
  write('labels/train/9.txt', '0 0.5 0.5 0.4 0.4')
  const now = Date.now()
  // As if the files were older.
  vi.spyOn(Date, 'now').mockReturnValue(now + 10_000)
  const plain = await openYolo({ unreadable: 'skip' })
  const first = await openYolo({ unreadable: 'skip', cache })
  const header = vi.spyOn(image, 'storedExtent')
  const second = await openYolo({ unreadable: 'skip', cache })
  expect(header.mock.calls.map(([path]) => path)).toEqual([join(directory, 'images', 'train', '9.png')])
  for (const one of [first, second]) {
    expect(skippedOf(one)).toEqual(skippedOf(plain))
    expect(one.content).toBe(plain.content)
    expect(one.train.scenes).toEqual(plain.train.scenes)
  }
})

/** The decoder's message may be lost where several images are decoded at a time; see `explain` in image.ts. */
function skippedOf({ skipped }: { readonly skipped: readonly { path: string; reason: string }[] }) {
  return skipped.map(({ path, reason }) => ({
    path,
    reason: reason.replace('vipspng: libpng read error', 'the image data is damaged'),
  }))
}
