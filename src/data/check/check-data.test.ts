import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layouts } from '../../../test/box-layouts.ts'
import { anchorsOf, pyramidStrides } from '../../models/detection/anchors.ts'
import { bestOverlap } from './box-sizes.ts'
import { checkData } from './check-data.ts'
import { writeRepairedCopy } from './repaired-copy.ts'

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
    const found = Object.fromEntries((await report()).problems.map(each => [each.kind, each]))
    expect(found).toMatchObject({
      'duplicate-in-split': { count: 2 },
      'conflicting-labels': { count: 1, examples: ['train/dog/copy.png = train/cat/3.png'] },
      'duplicate-across-splits': { count: 1, examples: ['test/cat/copy.png = train/cat/1.png'] },
    })
    expect(Object.keys(found).length).toBe(3)
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
    expect(problems.map(({ kind: own, count }) => [own, count])).toEqual([
      ['bad-row', 4],
      ['missing', 1],
    ])
    expect(problems[0]!.examples[0]).toBe(
      'expected 3 fields as in the first line, found 1 (labels.csv, line 9)',
    )
  })

  it('given as a file is read, and shows no path outside of its folder', async () => {
    for (let i = 0; i < 3; i++) put(`${i}.png`, await picture(i))
    put('labels.csv', 'path,label,split\n0.png,cat,train\n1.png,cat,test\n2.png,cat,x\n')
    const { report: found } = await checkData(join(folder, 'labels.csv'))
    expect([found.name, found.splits]).toEqual(['labels.csv', { train: { images: 1 }, test: { images: 1 } }])
    expect(JSON.stringify(found)).not.toContain(folder)
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

describe('boxes that training refuses or repairs', () => {
  /** Two images a split, 100×80, each with one box of 20×20. */
  async function coco(change: (file: Record<'images' | 'annotations' | 'categories', object[]>) => unknown) {
    for (const [i, split] of ['train', 'val'].entries()) {
      for (const n of [1, 2]) put(`${split}2017/${n}.png`, await picture(40 * i + 20 * n, 100, 80))
      const file = {
        images: [1, 2].map(id => ({ id, file_name: `${id}.png`, width: 100, height: 80 })),
        annotations: [1, 2].map(id => ({
          id,
          image_id: id,
          category_id: 1,
          bbox: [10, 10, 20, 20],
          area: 400,
          iscrowd: 0,
        })),
        categories: [{ id: 1, name: 'cat' }],
      }
      put(`annotations/instances_${split}2017.json`, JSON.stringify(change(file) ?? file))
    }
  }

  it('are counted by kind', async () => {
    await coco(({ images, annotations }) => {
      Object.assign(annotations[0]!, { area: undefined })
      annotations.push({ id: 3, image_id: 1, category_id: 1, bbox: [95, 10, 20, 20], area: 400, iscrowd: 0 })
      annotations.push({ id: 4, image_id: 99, category_id: 1, bbox: [0, 0, 5, 5], area: 25, iscrowd: 0 })
      images.push({ id: 3, file_name: 'absent.png', width: 100, height: 80 })
    })
    put('train2017/2.png', 'no image')
    put('val2017/1.png', await picture(3, 50, 40))
    expect(await counts()).toEqual({
      ...{ 'missing-area': 2, 'box-clipped': 1, 'absent-image': 2 },
      ...{ missing: 2, unreadable: 1, 'other-size': 1 },
    })
    const { splits, usable } = await report()
    expect([splits, usable]).toEqual([
      { train: { images: 1, objects: 2 }, val: { images: 1, objects: 1 } },
      true,
    ])
  })

  it('of another convention are refused, and the rest is checked', async () => {
    await coco(({ images, annotations }) => {
      annotations.splice(0)
      for (const [i] of Array(40).entries())
        annotations.push({
          id: i,
          image_id: (i % 2) + 1,
          category_id: 1,
          bbox: [0.1, 0.1, 0.5, 0.5],
          area: 0.25,
          iscrowd: 0,
        })
      images.reverse()
    })
    const { usable, problems, splits } = await report()
    expect(usable).toBe(false)
    expect(problems.find(({ kind }) => kind === 'implausible-boxes')?.count).toBe(2)
    expect(splits.train?.images).toBe(2)
  })

  it('in records that are refused are counted, and all others are read', async () => {
    await coco(({ annotations, images }) => {
      annotations.push({ id: 3, image_id: 1, category_id: 1, bbox: [1, 2, 'x', 4] })
      annotations.push({ id: 4, image_id: 2, category_id: 1, bbox: [1, 2, 3] })
      annotations.push({ id: 5, image_id: 2, category_id: 77, bbox: [1, 2, 3, 4], area: 12, iscrowd: 0 })
      images.push({ id: 9 })
    })
    const { usable, splits, problems } = await report()
    expect([usable, splits]).toEqual([
      false,
      { train: { images: 2, objects: 2 }, val: { images: 2, objects: 2 } },
    ])
    expect(await counts()).toMatchObject({ 'bad-record': 6, refused: 2, 'unknown-category': 2 })
    expect(problems.find(({ kind }) => kind === 'bad-record')!.examples[0]).toBe(
      'expected a finite number, got "x" (annotations/instances_train2017.json, annotations[2].bbox[2])',
    )
  })

  it('in damaged files of Pascal VOC are counted, and all others are read', async () => {
    await layouts['Pascal VOC']!.write(folder)
    put('VOCdevkit/VOC2012/Annotations/a.xml', '<annotation><object>')
    put('VOCdevkit/VOC2012/Annotations/e.xml', '')
    const { splits, usable } = await report()
    expect([usable, splits.train, splits.val]).toEqual([
      false,
      { images: 3, objects: 2 },
      { images: 1, objects: 1 },
    ])
    expect(await counts()).toMatchObject({ 'bad-record': 2 })
  })

  it('in a damaged file are one problem, and images are still looked at', async () => {
    await coco(() => undefined)
    put('annotations/instances_train2017.json', '{"images": [')
    put('val2017/2.png', 'no image')
    const found = await report()
    expect([found.kind, found.usable]).toEqual(['coco', false])
    expect(found.splits).toEqual({ train: { images: 2, objects: 0 }, val: { images: 1, objects: 0 } })
    expect(found.problems.map(({ kind, count }) => [kind, count])).toContainEqual(['unreadable', 1])
    expect(found.problems.map(({ kind }) => kind)).toContain('refused')
  })
})

describe('the largest overlap with an anchor', () => {
  it('is that of a search through all anchors', () => {
    const strides = pyramidStrides('imagenet')
    const { boxes } = anchorsOf([320, 320], strides)
    for (const box of [
      [3, 5, 20, 31],
      [100, 90, 7, 6],
      [0, 0, 320, 214],
      [300, 10, 19, 200],
      [150.3, 77.7, 64, 64],
    ] as const) {
      const [x, y, w, h] = box
      let best = 0
      for (let a = 0; a < boxes.length; a += 4) {
        const across = Math.min(x + w, boxes[a + 2]!) - Math.max(x, boxes[a]!)
        const down = Math.min(y + h, boxes[a + 3]!) - Math.max(y, boxes[a + 1]!)
        const common = Math.max(0, across) * Math.max(0, down)
        const area = (boxes[a + 2]! - boxes[a]!) * (boxes[a + 3]! - boxes[a + 1]!)
        best = Math.max(best, common / (w * h + area - common))
      }
      expect(bestOverlap(box, [320, 320], strides)).toBeCloseTo(best, 5)
    }
  })
})

const copied = ['COCO 2017', 'YOLO of Ultralytics', 'YOLO outlines', 'Pascal VOC']

describe('a repaired copy', () => {
  const repaired = async () => {
    const target = `${folder}-repaired`
    try {
      const copy = await writeRepairedCopy(await checkData(folder), folder, target)
      return { copy, report: (await checkData(target)).report }
    } finally {
      rmSync(target, { recursive: true, force: true })
    }
  }

  it('of folders has neither unreadable images nor duplicates, and no problem', async () => {
    await classFolders()
    put('train/cat/bad.png', 'no image')
    put('test/cat/copy.png', await picture(0))
    put('test/bird/1.png', await picture(222))
    mkdirSync(join(folder, 'train/empty'))
    const { copy, report: again } = await repaired()
    expect(copy).toEqual({ images: 8, leftOut: 2 })
    expect(again).toMatchObject({
      ...{ kind: 'folder', usable: true, problems: [] },
      splits: { train: { images: 5 }, test: { images: 3 } },
    })
  })

  it('of several labels has a labels file', async () => {
    for (let i = 0; i < 4; i++) put(`${i}.png`, await picture(i))
    put(
      'labels.csv',
      'path,labels,split\n0.png,a;b,train\n1.png,a,train\n2.png,b,test\n3.png,,test\n9.png,a,test\n',
    )
    const { report: again } = await repaired()
    expect(again).toMatchObject({
      ...{ kind: 'table', task: 'multi-label', usable: true, problems: [] },
      splits: { train: { images: 2 }, test: { images: 2 } },
    })
  })

  it.each(Object.entries(layouts).filter(([name]) => copied.includes(name)))(
    'of boxes in the layout %s has the same objects in COCO',
    async (_, { write }) => {
      await write(folder)
      // The example's images of one size are of one colour: a byte behind their end makes them different files.
      const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name =>
        /\.jpg$/.test(name),
      )
      for (const [i, name] of files.entries()) appendFileSync(join(folder, name), String.fromCharCode(i))
      const before = await report()
      const { copy, report: again } = await repaired()
      expect([copy.leftOut, again.kind, again.usable]).toEqual([0, 'coco', true])
      expect(again.problems).toEqual([])
      expect([again.splits, again.classes, again.boxes]).toEqual([
        before.splits,
        before.classes,
        before.boxes,
      ])
    },
  )

  it('is written into no folder that holds something, and not into the data', async () => {
    await classFolders()
    const check = await checkData(folder)
    await expect(writeRepairedCopy(check, folder, join(folder, 'train'))).rejects.toThrow(
      'new or empty folder',
    )
    await expect(writeRepairedCopy(check, folder, join(folder, 'new'))).rejects.toThrow(
      'outside of the data set',
    )
  })
})
