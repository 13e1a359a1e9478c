import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { Header, type HeaderData, Pax } from 'tar'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { recognisedData } from '../choose.ts'
import { openFolder } from '../folder.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moiety-shards-'))
})
afterEach(() => rm(directory, { recursive: true }))

const png = (red: number) =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer()

type Part = readonly [path: string, content: string | Buffer, header?: HeaderData]

function tar(parts: readonly Part[]): Buffer {
  const blocks = parts.flatMap(([path, content, more = {}]) => {
    const bytes = Buffer.from(content)
    const header = Buffer.alloc(512)
    new Header({ path, size: bytes.length, mode: 0o644, type: 'File', ...more }).encode(header, 0)
    const long = path.length > 99 ? [new Pax({ path, size: bytes.length }).encode()] : []
    return [...long, header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), content)
}

async function content() {
  const data = await openFolder({ directory, size: 8 })
  const sides: Record<string, string[]> = {}
  for (const name of ['train', 'val', 'test'] as const) {
    const split = data[name]
    if (split === undefined) continue
    const pixels = await split.load(Array.from({ length: split.length }, (_, i) => i))
    sides[name] = Array.from(split.labels, (label, i) => `${pixels[i * 192]} ${data.classes[label]}`)
  }
  return { data, sides }
}

it('reads shards of splits with classes by number, in several files, whose content is that of the images', async () => {
  const deep = `${'long/'.repeat(30)}0003`
  await write(
    'imagenet-train-000000.tar',
    tar([
      ['0001.cls', '1'],
      ['0001.png', await png(10)],
      ['0002.png', await png(20)],
      ['0002.cls', '0\n'],
    ]),
  )
  await write(
    'imagenet-train-000001.tar',
    tar([
      ['._0001.png', 'x'],
      [`${deep}.png`, await png(30)],
      [`${deep}.cls`, '1'],
      ['9.txt', 'no image'],
      ['8.png', 'no label'],
    ]),
  )
  await write(
    'imagenet-val-000000.tar',
    tar([
      ['0001.png', await png(40)],
      ['0001.cls', '1'],
    ]),
  )
  await write('classes.txt', 'cat\ndog\n')
  expect(await recognisedData(directory)).toEqual({ name: 'folder', directory })
  const { data, sides } = await content()
  expect(sides).toEqual({ train: ['10 dog', '20 cat', '30 dog'], val: ['40 dog'], test: [] })
  expect(data.notices?.slice(0, 3)).toEqual([
    'images are from 3 tar shards',
    '1 images without a label are left out',
    '1 names without an image are left out',
  ])
  const { content: before } = data
  await write(
    'imagenet-val-000000.tar',
    tar([
      ['0001.png', await png(41)],
      ['0001.cls', '1'],
    ]),
  )
  expect((await openFolder({ directory, size: 8 })).content).not.toBe(before)
})

it('reads labels from JSON and text, in folders of splits', async () => {
  await write(
    'train/0.tar',
    tar([
      ['a.png', await png(1)],
      ['a.json', '{"caption": "x", "label": "cat"}'],
      ['b.png', await png(2)],
      ['b.json', '{"label": "dog"}'],
    ]),
  )
  await write(
    'test/0.tar',
    tar([
      ['c.png', await png(3)],
      ['c.txt', 'dog\n'],
    ]),
  )
  expect((await content()).sides).toEqual({ train: ['1 cat', '2 dog'], test: ['3 dog'] })
})

it('reads one shard that is given, whatever its name', async () => {
  const parts = [0, 1, 2, 3].map(async i => [
    [`${i}.png`, await png(i)] as const,
    [`${i}.json`, JSON.stringify({ label: i % 2 === 0 ? 'cat' : 'dog' })] as const,
  ])
  await write('val-0001.tar', tar((await Promise.all(parts)).flat()))
  const file = join(directory, 'val-0001.tar')
  expect(await recognisedData(file)).toEqual({ name: 'folder', directory: file })
  const { title } = await openFolder({ directory: file, size: 8 })
  expect(title).toBe('images of the file val-0001.tar: 2 classes, 2 training and 2 test images')
})

it('ignores archives next to folders of classes', async () => {
  for (const name of ['cat/1.png', 'cat/2.png', 'dog/1.png', 'dog/2.png']) await write(name, await png(1))
  await write('images.tar', tar([['cat/1.png', await png(1)]]))
  await expect(openFolder({ directory })).rejects.toThrow('found the file images.tar')
})

it.each([
  ['../x.png', {}, 'expected relative names without "..", found "../x.png"'],
  ['/etc/x.png', {}, 'expected relative names without ".."'],
  ['x.png', { type: 'SymbolicLink', linkpath: '/etc/passwd' }, 'found "x.png", a SymbolicLink'],
  ['x.png', { type: 'Link', linkpath: 'y.png' }, 'found "x.png", a Link'],
  ['x.png', { type: 'FIFO' }, 'found "x.png", a FIFO'],
  ['x.png', { size: 1e9 }, 'to have the 1000000000 bytes of its header'],
] as const)('refuses an entry %s %j', async (path, header, message) => {
  await write(
    'train.tar',
    tar([
      ['a.cls', '0'],
      [path, '', header as HeaderData],
    ]),
  )
  await expect(openFolder({ directory })).rejects.toMatchObject({
    kind: 'data',
    message: expect.stringContaining(message),
    where: expect.stringMatching(/train\.tar, byte 1024$/),
  })
})

it.each([
  ['train.tar', Buffer.alloc(1024, 7), 'its checksum is wrong'],
  ['train.tar', Buffer.alloc(1024), 'an empty archive'],
  ['train.tar', tar([['a.cls', '0']]), 'expected images with labels of the same name'],
  ['train.tar.gz', Buffer.alloc(9), 'shards that are not compressed'],
  [
    'train.tar',
    tar([
      ['a.png', 'x'],
      ['a.cls', ''],
    ]),
    'expected the number or the name of a class, found ""',
  ],
  [
    'train.tar',
    tar([
      ['a.png', 'x'],
      ['a.json', '{"caption": "x"}'],
    ]),
    'expected a "label", found caption',
  ],
  [
    'train.tar',
    tar([
      ['a.png', 'x'],
      ['a.cls', 'y'.repeat(2 << 20)],
    ]),
    'a label of at most',
  ],
] as const)('refuses %s of %s', async (name, bytes, message) => {
  await write(name, bytes)
  await expect(openFolder({ directory })).rejects.toMatchObject({
    kind: 'data',
    message: expect.stringContaining(message),
  })
})

it('refuses a label of no class', async () => {
  await write('classes.txt', 'cat\n')
  await write(
    'train.tar',
    tar([
      ['a.png', await png(1)],
      ['a.cls', '1'],
    ]),
  )
  await expect(openFolder({ directory })).rejects.toMatchObject({
    message: 'expected a label of the 1 classes that the data names, got 1',
    where: join(directory, 'train.tar/a.cls'),
  })
})
