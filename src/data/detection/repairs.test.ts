import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CocoFile, coco, examples, layouts, write } from '../../../test/box-layouts.ts'
import { MoietyError } from '../../base/errors.ts'
import type { DetectionDataset } from './detection-dataset.ts'
import { type DetectionDataOptions, openDetectionDataset } from './open-detection-dataset.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moiety-repairs-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const open = async (options: Partial<DetectionDataOptions> = {}): Promise<DetectionDataset> =>
  await openDetectionDataset({ name: 'boxes', directory: folder, size: 64, ...options })

async function refusal(action: Promise<unknown> = open()): Promise<string> {
  const error: unknown = await action.then(
    () => new Error('not refused'),
    (cause: unknown) => cause,
  )
  if (!(error instanceof MoietyError)) throw error
  expect(typeof error.help).toBe('string')
  return `${error.message} @ ${error.where}`.replaceAll(folder, 'DIR')
}

/** Boxes with their areas and whether they are crowds. */
const objectsOf = ({ train }: DetectionDataset) =>
  train.scenes.flatMap(({ objects }) =>
    objects.map(({ box, area, crowd, label }) => [label, ...box, area, crowd]),
  )

const good = [
  [1, 10, 5, 20, 10, 200, false],
  [0, 0, 0, 40, 25, 1000, false],
  [0, 16, 8, 48, 56, 2688, false],
  [1, 40, 10, 40, 40, 1600, false],
]

const train = 'annotations/instances_train2017.json'

/** A COCO folder whose training annotations are changed. */
async function changed(change: (file: CocoFile) => object): Promise<void> {
  await layouts['COCO 2017']!.write(folder)
  write(folder, train, coco(examples.train, undefined, change))
}

const each =
  (change: (record: Record<string, unknown>, i: number) => Record<string, unknown>) => (file: CocoFile) => ({
    ...file,
    annotations: file.annotations.map(change),
  })

const rectangle = ([x, y, w, h]: readonly number[]) => [[x!, y!, x! + w!, y!, x! + w!, y! + h!, x!, y! + h!]]

describe('mistakes in annotations of COCO that are repaired', () => {
  it.each<[string, (file: CocoFile) => object, string, readonly unknown[][]]>([
    [
      'no area',
      each(({ area: _, ...rest }) => rest),
      '4 objects without an area, or of area 0, computed from the outline, or width × height: annotations[0], annotations[1], annotations[2] and 1 more',
      good,
    ],
    ['area null', each(record => ({ ...record, area: null })), '4 objects without an area', good],
    [
      'area 0',
      each((record, i) => (i === 2 ? { ...record, area: 0 } : record)),
      '1 objects without an area, or of area 0, computed from the outline, or width × height: annotations[2]',
      good,
    ],
    [
      'no area, but a triangle',
      each((record, i) =>
        i === 0 ? { ...record, area: undefined, segmentation: [[10, 5, 30, 5, 10, 15]] } : record,
      ),
      '1 objects without an area',
      [[1, 10, 5, 20, 10, 100, false], ...good.slice(1)],
    ],
    ['no annotation ids', each(({ id: _, ...rest }) => rest), '4 records without an id, numbered', good],
    [
      'one annotation id',
      each(record => ({ ...record, id: 7 })),
      '3 annotation ids that occur more than once, numbered again: annotations[1], annotations[2], annotations[3]',
      good,
    ],
    [
      'annotation ids that are text',
      each((record, i) => ({ ...record, id: `n-${i}` })),
      '4 ids that are text',
      good,
    ],
    [
      'iscrowd null',
      each(record => ({ ...record, iscrowd: null })),
      '4 annotations whose iscrowd is missing or null, read as 0',
      good,
    ],
    [
      'no iscrowd',
      each(({ iscrowd: _, ...rest }) => rest),
      '4 annotations whose iscrowd is missing or null, read as 0',
      good,
    ],
    [
      'iscrowd as text',
      each((record, i) => ({ ...record, iscrowd: i === 1 ? 'true' : '0' })),
      '4 annotations whose iscrowd is text, read as 0 or 1',
      good.with(1, [0, 0, 0, 40, 25, 1000, true]),
    ],
    [
      'no box, but an outline',
      each(({ bbox, ...rest }) => ({ ...rest, segmentation: rectangle(bbox as number[]) })),
      '4 objects without a box, the box of their outline',
      good,
    ],
    [
      'no box, but a mask',
      // Column by column: 10 columns of 50, then in each of 20 columns 10 pixels from row 5.
      each((record, i) => {
        if (i !== 0) return record
        const columns = Array.from({ length: 19 }, () => [10, 40]).flat()
        return {
          ...record,
          bbox: null,
          segmentation: { size: [50, 80], counts: [505, ...columns, 10, 2535] },
        }
      }),
      '1 objects without a box, the box of their outline',
      good,
    ],
    [
      'neither box nor outline',
      each((record, i) => (i === 3 ? { ...record, bbox: [] } : record)),
      '1 objects without a box or an outline, left out: annotations[3]',
      good.slice(0, 3),
    ],
    [
      'category ids that are text',
      each(record => ({ ...record, category_id: String(record.category_id) })),
      '4 category ids that are text',
      good,
    ],
    [
      'category names for ids',
      each(record => ({ ...record, category_id: record.category_id === 1 ? 'bird' : 'cat' })),
      '4 category ids that are text',
      good,
    ],
    [
      'image ids that are text',
      each(record => ({ ...record, image_id: String(record.image_id) })),
      '4 ids that are text',
      good,
    ],
    [
      'annotations of absent images',
      file => ({
        ...file,
        annotations: [...file.annotations, { ...file.annotations[0], id: 99, image_id: 77 }],
      }),
      '1 annotations of images that are not listed, left out: annotations[4] of 77',
      good,
    ],
    [
      'an image twice',
      file => ({ ...file, images: [...file.images, file.images[0]] }),
      '1 images or categories listed twice, used once: images[4]',
      good,
    ],
    [
      'a category twice',
      file => ({ ...file, categories: [...file.categories, file.categories[0]] }),
      '1 images or categories listed twice, used once: categories[2]',
      good,
    ],
    [
      'no sizes',
      file => ({ ...file, images: file.images.map(({ width: _, ...image }) => image) }),
      '4 images without width or height, read from the image file',
      good,
    ],
    [
      'backslashes',
      file => ({
        ...file,
        images: file.images.map(image => ({
          ...image,
          file_name: `train2017\\${String(image.file_name)}`,
        })),
      }),
      '4 file names with backslashes, read as /',
      good,
    ],
    [
      'percent-encoded names',
      file => ({
        ...file,
        images: file.images.map(image => ({
          ...image,
          file_name: String(image.file_name).replace('.', '%2E'),
        })),
      }),
      '4 file names with percent-encoded characters, decoded',
      good,
    ],
    [
      'an images/ prefix',
      file => ({
        ...file,
        images: file.images.map(image => ({ ...image, file_name: `images/${String(image.file_name)}` })),
      }),
      '4 file names that begin with a folder which is not below the folder of images, read without it',
      good,
    ],
  ])('%s', async (_, change, sentence, objects) => {
    await changed(change)
    const dataset = await open()
    expect(objectsOf(dataset)).toEqual(objects)
    const reasons = dataset.skipped.map(({ reason }) => reason)
    expect(reasons.filter(reason => reason.includes(sentence.slice(sentence.indexOf(' '))))).toHaveLength(1)
    expect(reasons.some(reason => reason.startsWith(sentence))).toBe(true)
    const problem = dataset.problems!.find(({ handled }) => reasons.some(reason => reason.includes(handled)))!
    expect(problem.examples.length).toBeLessThanOrEqual(3)
    const isConvention = sentence.includes('begin with a folder')
    if (!isConvention)
      expect(await refusal(open({ strict: true }))).toMatch(
        /^expected data without mistakes, because data\.strict is true; got \d/,
      )
  })

  it('ids of categories that are text', async () => {
    const text = (file: CocoFile) => ({
      ...file,
      categories: file.categories.map(record => ({ ...record, id: `c${String(record.id)}` })),
      annotations: file.annotations.map(record => ({
        ...record,
        category_id: `c${String(record.category_id)}`,
      })),
    })
    await changed(text)
    for (const split of ['val', 'test'] as const)
      write(folder, `annotations/instances_${split}2017.json`, coco(examples[split], undefined, text))
    const dataset = await open()
    expect(objectsOf(dataset)).toEqual(good)
    expect([dataset.classes, dataset.categoryIds]).toEqual([
      ['bird', 'cat'],
      [1, 2],
    ])
    expect(dataset.problems!.map(({ kind, count }) => [kind, count])).toEqual([
      ['text-id', 6],
      ['text-category', 7],
    ])
  })

  it('an unused root category, as of Roboflow', async () => {
    await layouts.Roboflow!.write(folder)
    for (const [split, images] of [
      ['train', examples.train],
      ['valid', examples.val],
      ['test', examples.test],
    ] as const)
      write(
        folder,
        `${split}/_annotations.coco.json`,
        coco(images, undefined, file => ({
          ...file,
          categories: [{ id: 0, name: 'animal', supercategory: 'none' }, ...file.categories],
        })),
      )
    const { classes, skipped } = await open()
    expect(classes).toEqual(['bird', 'cat'])
    expect(skipped.map(({ reason }) => reason)).toEqual([
      '1 unused categories that are only the supercategory of others, dropped: "animal"',
    ])
    // Of an unused category that is not the root of others, nothing is dropped.
    for (const [split, images] of [
      ['train', examples.train],
      ['valid', examples.val],
      ['test', examples.test],
    ] as const)
      write(
        folder,
        `${split}/_annotations.coco.json`,
        coco(images, undefined, file => ({
          ...file,
          categories: [{ id: 0, name: 'dog', supercategory: 'none' }, ...file.categories],
        })),
      )
    expect((await open()).classes).toEqual(['dog', 'bird', 'cat'])
  })

  it('a byte order mark, also of a compressed file', async () => {
    await layouts['COCO 2017']!.write(folder)
    const text = `\ufeff${coco(examples.train)}`
    write(folder, train, text)
    const sentence = '1 files beginning with a byte order mark, skipped: instances_train2017.json'
    expect((await open()).skipped.map(({ reason }) => reason)).toEqual([sentence])
    rmSync(join(folder, 'annotations'), { recursive: true })
    for (const split of ['train', 'val', 'test'] as const)
      write(folder, `annotations/instances_${split}2017.json.gz`, gzipSync(`\ufeff${coco(examples[split])}`))
    const { skipped, train: opened } = await open()
    expect(skipped[0]!.reason).toMatch(/^3 files beginning with a byte order mark/)
    expect(opened.length).toBe(4)
  })

  it('few objects of unlisted categories are left out, many are refused', async () => {
    const more = (count: number) => (file: CocoFile) => ({
      ...file,
      annotations: [
        ...Array.from({ length: 40 }, (_, i) => ({ ...file.annotations[0]!, id: 100 + i })),
        ...Array.from({ length: count }, (_, i) => ({
          ...file.annotations[0]!,
          id: 200 + i,
          category_id: 9,
        })),
      ],
    })
    await changed(more(2))
    expect((await open()).skipped[0]!.reason).toMatch(
      /^2 objects of classes that are not listed, left out: annotations\[40\] of 9/,
    )
    await changed(more(10))
    expect(await refusal()).toContain('annotations[40].category_id')
  })

  it('are reported once for all splits, with the file of each example', async () => {
    await changed(each(({ area: _, ...rest }) => rest))
    write(
      folder,
      'annotations/instances_val2017.json',
      coco(
        examples.val,
        undefined,
        each(({ area: _, ...rest }) => rest),
      ),
    )
    const { skipped, problems } = await open()
    expect(skipped).toHaveLength(1)
    expect(problems).toEqual([
      {
        kind: 'missing-area',
        count: 6,
        examples: [0, 1, 2].map(i => `annotations/instances_train2017.json: annotations[${i}]`),
        handled: 'computed from the outline, or width × height',
      },
    ])
  })

  it('are stated for the split whose measures they change', async () => {
    await changed(each(({ area: _, ...rest }) => rest))
    const { train: changedSplit, val } = await open()
    expect(changedSplit.changes).toEqual([
      {
        measure: 'AP by size',
        text: '4 objects without an area, or of area 0: computed from the outline, or width × height (in instances_train2017.json)',
      },
    ])
    expect(val!.changes).toEqual([])
  })
})

it('annotations without any box, as of panoptic segmentation, are refused', async () => {
  await changed(
    each(({ image_id, category_id }, i) => ({
      ...{ image_id, file_name: `${i}.png` },
      segments_info: [{ id: 1, category_id, bbox: [0, 0, 9, 9], area: 81 }],
    })),
  )
  expect(await refusal()).toBe(
    `expected objects with a bbox or a segmentation, found none in 4 annotations @ DIR/${train}`,
  )
})

describe('annotation files that a configuration names', () => {
  it('may be anywhere', async () => {
    await layouts['COCO 2017']!.write(folder)
    write(folder, 'elsewhere/t.json', coco(examples.train))
    write(folder, 'elsewhere/v.json.gz', gzipSync(coco(examples.val)))
    const options = {
      annotations: { train: 'elsewhere/t.json', val: join(folder, 'elsewhere/v.json.gz') },
      images: { train: 'train2017', val: 'val2017' },
    }
    const { train: opened, val, test } = await open(options)
    expect([opened.length, val?.length, test.length]).toEqual([4, 2, 0])
    expect(await refusal(open({ annotations: { train: 'nowhere.json' } }))).toContain(
      'expected a JSON file, found none',
    )
    expect(await refusal(open({ ...options, images: { train: 'nowhere' } }))).toContain(
      'expected a folder of images, found none @ DIR/nowhere',
    )
    expect(await refusal(open({ annotations: { val: 'elsewhere/t.json' } }))).toContain(
      'expected the annotations of train, got none',
    )
  })
})

describe('mistakes in labels of YOLO', () => {
  const labelled = async (
    text: string,
    yaml = 'train: images/train\nval: images/val\nnames: [bird, cat]\n',
  ) => {
    await layouts['YOLO without data.yaml']!.write(folder)
    rmSync(join(folder, 'classes.txt'))
    if (yaml !== '') write(folder, 'data.yaml', yaml)
    write(folder, 'labels/train/b.txt', text)
  }
  const line = '0 0.5 0.5 0.25 0.25'

  it.each<[string, string, string, number]>([
    ['an empty file', ' \n', '2 images without objects, used as background', 0],
    [
      'a line twice',
      `${line}\n${line}\n`,
      '1 objects listed twice, used once: "images/train/b.jpg" line 2',
      1,
    ],
    [
      'a confidence',
      `${line} 0.9\n`,
      '1 label lines with a confidence behind the box, the confidence is ignored',
      1,
    ],
    ['a byte order mark', `\ufeff${line}\r\n`, '1 files beginning with a byte order mark', 1],
    [
      'a box that reaches out',
      '0 0.9 0.5 0.3 0.25\n',
      '1 boxes partly outside of their image, clipped to it',
      1,
    ],
    ['a class as a float', '1.0 0.5 0.5 0.25 0.25\n', '', 1],
    [
      'an outline',
      '0 0.25 0.25 0.75 0.25 0.75 0.75\n',
      '1 outlines, reduced to their boxes, area from the outline',
      1,
    ],
  ])('%s', async (_, text, sentence, count) => {
    await labelled(text)
    const { train: opened, skipped } = await open()
    expect(opened.scenes[1]!.objects).toHaveLength(count)
    if (sentence !== '') expect(skipped.filter(({ reason }) => reason.startsWith(sentence))).toHaveLength(1)
  })

  it('single lines that cannot be read and classes that are not named are left out, many are refused', async () => {
    const many = Array.from({ length: 30 }, (_, i) => `0 0.5 0.5 0.2 0.${10 + i}`).join('\n')
    await labelled(`${many}\n0 0.5 0.5\n7 0.5 0.5 0.2 0.2\nbird 0.5 0.5 0.1 0.1\n`)
    const reasons = (await open()).skipped.map(({ reason }) => reason)
    expect(reasons).toContainEqual(
      '2 label lines that are not a class and a box or an outline, left out: "images/train/b.jpg" line 31, "images/train/b.jpg" line 33',
    )
    expect(reasons).toContainEqual(
      '1 objects of classes that are not listed, left out: "images/train/b.jpg": class 7, 0.4000 0.4000 0.2000 0.2000',
    )
    await labelled('7 0.5 0.5 0.2 0.2\n')
    expect(await refusal()).toContain(
      'expected classes 0 to 1, as names has them; 1 of 4 objects are of others ("images/train/b.jpg": class 7',
    )
    await labelled('0 0.5\n0 x y z w\n')
    expect(await refusal()).toContain('2 of 5 lines are not @ DIR/labels/train')
    await labelled('0 32 32 16 16\n1 10 10 5 5\n')
    expect(await refusal()).toContain(
      'expected fractions of the image from 0 to 1; 2 of 5 boxes are outside, they are probably pixels',
    )
  })

  it('names that differ from nc, and classes without names', async () => {
    await labelled(line, 'train: images/train\nval: images/val\nnc: 3\nnames: [bird, cat]\n')
    expect((await open()).skipped.map(({ reason }) => reason)).toContainEqual(
      '1 numbers of classes (nc) that differ from the names, the names are used: nc 3, 2 names',
    )
    await labelled(line, 'train: images/train\nval: images/val\nnc: 2\n')
    expect((await open()).classes).toEqual(['class 0', 'class 1'])
    rmSync(join(folder, 'data.yaml'))
    await labelled(line, '')
    expect((await open()).classes).toEqual(['class 0', 'class 1'])
  })

  it('label files without an image, and a val that is train', async () => {
    await labelled(line, 'train: images/train\nval: images/train\nnames: [bird, cat]\n')
    write(folder, 'labels/train/stray.txt', line)
    const { train: opened, test, skipped } = await open()
    expect([opened.length, test.length]).toEqual([3, 1])
    const reasons = skipped.map(({ reason }) => reason)
    expect(reasons).toContainEqual('1 label files without an image, left out: "labels/train/stray.txt"')
    expect(reasons).toContainEqual('1 splits that are the same images as train, left out: val')
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'boxes of an image with EXIF orientation %i are turned to stored pixels',
    async orientation => {
      await labelled('0 0.75 0.125 0.5 0.25\n')
      // White where the box is when the image is looked at: to the right above.
      const width = orientation < 5 ? 80 : 40
      const height = orientation < 5 ? 40 : 80
      const looked = await sharp({ create: { width: 80, height: 40, channels: 3, background: '#000' } })
        .composite([
          {
            input: await sharp({ create: { width: 40, height: 10, channels: 3, background: '#fff' } })
              .png()
              .toBuffer(),
            left: 40,
            top: 0,
          },
        ])
        .png()
        .toBuffer()
      // The inverse of what EXIF asks for.
      const inverse = [1, 2, 3, 4, 5, 8, 7, 6][orientation - 1]!
      const tagged = await sharp(looked)
        .withMetadata({ orientation: inverse })
        .jpeg({ quality: 100 })
        .toBuffer()
      const stored = await sharp(await sharp(tagged).autoOrient().png().toBuffer())
        .withMetadata({ orientation })
        .jpeg({ quality: 100 })
        .toBuffer()
      write(folder, 'images/train/b.jpg', stored)
      const { train: opened, skipped } = await open({ size: 96, shortest: 96 })
      const { box } = opened.scenes[1]!.objects[0]!
      expect([opened.scenes[1]!.width, opened.scenes[1]!.height]).toEqual([width, height])
      const { data, info } = await sharp(stored)
        .extract({ left: box[0], top: box[1], width: box[2], height: box[3] })
        .raw()
        .toBuffer({ resolveWithObject: true })
      expect([info.width * info.height, Math.min(...data) > 200]).toEqual([400, true])
      if (orientation > 1)
        expect(skipped.map(({ reason }) => reason)).toContainEqual(
          '1 images that EXIF turns, boxes turned to the pixels as they are stored: "images/train/b.jpg"',
        )
    },
  )
})

describe('annotations of Pascal VOC', () => {
  const object = (name: string, box: string, more = '') =>
    `<object><name>${name}</name>${more}<bndbox>${box}</bndbox></object>`
  const box = '<xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>15</ymax>'
  const written = async (objects: string) => {
    await layouts['Pascal VOC of Roboflow']!.write(folder)
    write(
      folder,
      'train/b.xml',
      `<annotation><filename>other.jpg</filename><size><width>0</width><height>0</height></size>${objects}</annotation>`,
    )
  }

  it('count from 1 unless a corner is below 1; difficult ones are crowds; sizes of 0 are read from images', async () => {
    await written(
      `${object('cat &amp; dog', box, '<difficult>1</difficult>')}${object('cat', box)}${object('cat', box)}`,
    )
    const { classes, train: opened, skipped } = await open()
    expect(classes).toEqual(['bird', 'cat', 'cat & dog'])
    expect(opened.scenes[1]).toMatchObject({
      width: 64,
      objects: [
        { box: [10, 5, 20, 10], label: 2, area: 200, crowd: true },
        { box: [10, 5, 20, 10], label: 1, area: 200, crowd: false },
      ],
    })
    const reasons = skipped.map(({ reason }) => reason)
    expect(reasons).toContainEqual(
      '1 objects marked difficult, treated as crowds: not trained on, ignored in evaluation: "train/b.xml" object 1',
    )
    expect(reasons).toContainEqual('1 objects listed twice, used once: "train/b.xml" object 3')
    expect(reasons).toContainEqual(
      '1 images without width or height, read from the image file: "train/b.jpg"',
    )
    await written(object('cat', '<xmin>0</xmin><ymin>6</ymin><xmax>30</xmax><ymax>15</ymax>'))
    const zero = await open()
    expect(zero.train.scenes[1]!.objects[0]!.box).toEqual([0, 6, 30, 9])
    expect(zero.problems!.map(({ kind }) => kind)).toContain('corners-from-0')
  })

  it('without corners are left out, without a name refused', async () => {
    await written(object('cat', '<xmin>30</xmin><ymin>6</ymin><xmax>11</xmax><ymax>15</ymax>'))
    expect((await open()).skipped.map(({ reason }) => reason)).toContainEqual(
      '1 objects without a box or an outline, left out: "train/b.xml" object 1',
    )
    await written(object('', box))
    expect(await refusal()).toBe('expected objects with a name, got one without @ DIR/train/b.xml')
  })

  it('with entities, a document type or damage are refused', async () => {
    const bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    await written('')
    for (const [text, said] of [
      [`<?xml version="1.0"?>${bomb}<annotation>&b;</annotation>`, 'without a document type'],
      [
        '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>',
        'without a document type',
      ],
      ['<annotation><object></annotation>', 'expected an XML file, got: '],
      [`${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`, 'expected an XML file, got: '],
      ['<other/>', 'expected the element annotation, found none'],
    ] as const) {
      write(folder, 'train/b.xml', text)
      expect(await refusal()).toContain(said)
    }
  })
})

describe('hostile files', () => {
  const yolo = async (yaml: string) => {
    await layouts['YOLO without data.yaml']!.write(folder)
    write(folder, 'data.yaml', yaml)
  }

  it.each<[string, string, string]>([
    [
      'a path above',
      'train: ../../secret/images\nval: images/val\nnames: [a]\n',
      'expected a path inside DIR, got "../../secret/images" @ DIR/data.yaml, train',
    ],
    [
      'an absolute path',
      'train: /etc\nval: images/val\nnames: [a]\n',
      'expected a path inside DIR, got "/etc"',
    ],
    [
      'a path in path',
      'path: /\ntrain: ../../etc\nnames: [a]\n',
      'expected a path inside DIR, got "../../etc in /"',
    ],
    [
      'aliases of aliases',
      `${Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${Array.from({ length: 10 }, () => (i === 0 ? 'x' : `*a${i - 1}`)).join(', ')}]`).join('\n')}\nnames: *a11\ntrain: images/train\n`,
      'Excessive alias count',
    ],
    ['deep nesting', `names: ${'['.repeat(5000)}${']'.repeat(5000)}\ntrain: images/train\n`, 'DIR/data.yaml'],
    ['a key twice', 'names: [a]\nnames: [b]\ntrain: images/train\n', 'Map keys must be unique'],
    [
      'names that are objects',
      'names: [{a: b}]\ntrain: images/train\n',
      'expected a name, got {"a":"b"} @ DIR/data.yaml, names.0',
    ],
    [
      'a million classes',
      'nc: 100000000\ntrain: images/train\n',
      'expected a number of classes from 1 to 100000, got 100000000',
    ],
    ['no names', 'train: images/train\npath: .\n', 'expected the names of the classes, got none'],
    [
      'a folder that is not there',
      'train: images/nothing\nnames: [a]\n',
      'expected a folder or a list of images that exists, got "images/nothing"',
    ],
  ])('data.yaml with %s', async (_, yaml, said) => {
    await yolo(yaml)
    expect(await refusal()).toContain(said)
  })

  it('lists that name files outside, and links that lead there', async () => {
    await yolo('train: train.txt\nval: images/val\nnames: [bird, cat]\n')
    write(folder, 'train.txt', './images/train/a.jpg\n../../etc/passwd\n')
    expect(await refusal()).toContain('got "../../etc/passwd" @ DIR/train.txt, line 2')
    write(folder, 'train.txt', '/etc/passwd\n')
    expect(await refusal()).toContain('got "/etc/passwd" @ DIR/train.txt, line 1')
    write(folder, 'train.txt', `${folder}/images/train/a.jpg\nimages/train/b.jpg\n`)
    expect((await open()).train.length).toBe(2)
    rmSync(join(folder, 'labels/train/a.txt'))
    symlinkSync('/etc/hostname', join(folder, 'labels/train/a.txt'))
    expect(await refusal()).toContain('a link that is broken or leaves it @ DIR/labels/train/a.txt')
  })

  it('files that are too large', async () => {
    await yolo(`names: [a]\ntrain: images/train\n${' '.repeat(1_100_000)}\n`)
    expect(await refusal()).toContain('expected at most 1.0 MB, found 1.1 MB')
  })

  it('a file that is no gzip file', async () => {
    await layouts['COCO, compressed']!.write(folder)
    write(folder, 'annotations/instances_train2017.json.gz', 'not packed')
    expect(await refusal()).toContain(
      'expected a gzip file, got: incorrect header check @ DIR/annotations/instances_train2017.json.gz',
    )
  })
})
