import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layouts } from '../../../test/box-layouts.ts'
import { checkData } from './check-data.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moiety-check-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function put(path: string, content: string | Uint8Array): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

/** An image unlike those of other shades. */
const picture = (shade: number, width = 12, height = 10): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: shade, g: 90, b: 255 - shade } } })
    .png()
    .toBuffer()

/** Two classes in train and test: 3 and 2 cats, 2 and 1 dogs. */
async function classFolders(): Promise<void> {
  const images = [
    'train/cat/1',
    'train/cat/2',
    'train/cat/3',
    'train/dog/1',
    'train/dog/2',
    'test/cat/1',
    'test/cat/2',
    'test/dog/1',
  ]
  for (const [i, name] of images.entries()) put(`${name}.png`, await picture(20 * i))
}

const report = async () => (await checkData(folder)).report

/** Kind and count of each problem. */
const counts = async () =>
  Object.fromEntries((await report()).problems.map(({ kind, count }) => [kind, count] as const))

describe('a folder of classes', () => {
  it('without problems has its splits, classes rarest first, sizes and channels', async () => {
    await classFolders()
    expect(await report()).toMatchObject({
      ...{ kind: 'folder', task: 'classification', usable: true, problems: [], turned: 0 },
      splits: { train: { images: 5 }, test: { images: 3 } },
      classes: [
        { name: 'dog', images: 3 },
        { name: 'cat', images: 5 },
      ],
      sizes: {
        distinct: 1,
        width: { min: 12, median: 12, max: 12 },
        height: { min: 10, median: 10, max: 10 },
      },
      channels: [{ channels: 'RGB', images: 8 }],
    })
  })

  it('reports damaged and other files, and counts them in no class', async () => {
    await classFolders()
    const noise = await sharp({
      create: {
        width: 64,
        height: 64,
        channels: 3,
        background: '#888',
        noise: { type: 'gaussian', mean: 128, sigma: 40 },
      },
    })
      .jpeg()
      .toBuffer()
    put('train/cat/cut.jpg', noise.subarray(0, 0.7 * noise.length))
    put('train/dog/empty.png', '')
    put('train/dog/notes.png', 'no image')
    put('train/dog/Thumbs.db', 'x')
    put('README.txt', 'x')
    const { splits, problems, usable } = await report()
    expect([splits.train, usable]).toEqual([{ images: 5 }, true])
    expect(problems.map(({ kind, count }) => [kind, count])).toEqual([
      ['junk', 2],
      ['unreadable', 3],
    ])
    expect(problems[1]!.examples[1]).toBe(
      'train/dog/empty.png: not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image',
    )
    expect(problems[1]!.handled).toContain('data.unreadable=skip')
  })

  it('has duplicates across splits, within one, and with another class', async () => {
    await classFolders()
    put('test/cat/copy.png', await picture(0))
    put('train/cat/copy.png', await picture(20))
    put('train/dog/copy.png', await picture(40))
    const { problems } = await report()
    expect(problems).toMatchObject(
      [
        { kind: 'duplicate-in-split', count: 2 },
        { kind: 'conflicting-labels', count: 1, examples: ['train/dog/copy.png = train/cat/3.png'] },
        { kind: 'duplicate-across-splits', count: 1, examples: ['test/cat/copy.png = train/cat/1.png'] },
      ].sort(
        (a, b) => problems.findIndex(p => p.kind === a.kind) - problems.findIndex(p => p.kind === b.kind),
      ),
    )
  })

  it('that training refuses is checked to its end', async () => {
    await classFolders()
    mkdirSync(join(folder, 'train/empty'))
    put('test/bird/1.png', await picture(200))
    put('test/bird/2.png', 'no image')
    put('stray.png', await picture(210))
    const found = await report()
    expect([found.usable, found.splits]).toEqual([false, { train: { images: 5 }, test: { images: 4 } }])
    expect(await counts()).toEqual({
      ...{ refused: 1, 'misplaced-file': 1, 'empty-class': 1, 'unknown-class': 1, unreadable: 1 },
    })
    expect(JSON.stringify(found)).not.toContain(folder)
  })

  it('without splits is divided as for training; images that EXIF turns and channels are counted', async () => {
    for (let i = 0; i < 10; i++) put(`cat/${i}.png`, await picture(i, 10 + i))
    for (let i = 0; i < 5; i++) put(`dog/${i}.png`, await picture(100 + i))
    const image = sharp(await picture(77))
    put('dog/turned.jpg', await image.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer())
    put('dog/grey.png', await image.clone().toColourspace('b-w').png().toBuffer())
    put('dog/clear.png', await image.clone().ensureAlpha(0.5).png().toBuffer())
    put('dog/deep.png', await image.clone().toColourspace('rgb16').png().toBuffer())
    put('dog/cmyk.jpg', await image.clone().toColourspace('cmyk').jpeg().toBuffer())
    const { splits, division, turned, channels, sizes } = await report()
    expect([splits, turned, sizes?.distinct]).toEqual([{ train: { images: 16 }, test: { images: 4 } }, 1, 10])
    expect(division).toContain('a fifth')
    expect(Object.fromEntries(channels.map(each => [each.channels, each.images]))).toEqual({
      ...{ RGB: 16, grey: 1, 'RGB, alpha': 1, 'RGB, 16 bit': 1, CMYK: 1 },
    })
  })
})

describe('a table', () => {
  it('with bad rows and missing images is read to its end', async () => {
    for (let i = 0; i < 6; i++) put(`images/${i}.png`, await picture(i))
    const rows = [
      '0,cat,train',
      '1,dog,train',
      '2,cat,test',
      '3,dog,nowhere',
      '4,,train',
      '0,cat,train',
      '9,cat,train',
    ]
    put(
      'labels.csv',
      `path,label,split\n${rows.map(row => `images/${row.replace(',', '.png,')}`).join('\n')}\nimages/5.png\n`,
    )
    const { kind, task, splits, problems, usable } = await report()
    expect([kind, task, usable]).toEqual(['table', 'classification', false])
    expect(splits).toEqual({ train: { images: 2 }, test: { images: 1 } })
    expect(problems.map(({ kind: own, count }) => [own, count])).toEqual(
      [
        ['bad-row', 4],
        ['missing', 1],
        ['untrained-class', 0],
      ].slice(0, 2),
    )
    expect(problems[0]!.examples[0]).toBe(
      'expected 3 fields as in the first line, found 1 (labels.csv, line 9)',
    )
  })

  it('with several labels an image is of that task', async () => {
    for (let i = 0; i < 4; i++) put(`${i}.png`, await picture(i))
    put('labels.csv', 'path,labels,split\n0.png,a;b,train\n1.png,a,train\n2.png,b,test\n3.png,,test\n')
    expect(await report()).toMatchObject({
      ...{ kind: 'table', task: 'multi-label', usable: true, problems: [] },
      splits: { train: { images: 2 }, test: { images: 2 } },
      classes: [
        { name: 'a', images: 2 },
        { name: 'b', images: 2 },
      ],
    })
  })
})

describe('a folder with boxes', () => {
  it.each(Object.entries(layouts))(
    'in the layout %s has its images and objects',
    async (_, { format, write }) => {
      await write(folder)
      const found = await report()
      expect([found.kind, found.task, found.usable]).toEqual([format, 'detection', true])
      expect(found.splits).toEqual({
        train: { images: 4, objects: 4 },
        val: { images: 2, objects: 2 },
        test: { images: 1, objects: 1 },
      })
      expect(found.classes).toEqual([
        { name: 'cat', images: 3, objects: 3 },
        { name: 'bird', images: 4, objects: 4 },
      ])
      expect(found.boxes?.objects).toEqual({ small: 4, medium: 3, large: 0 })
    },
  )
})
