import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../../base/errors.ts'
import type { DetectionDataset } from './detection-dataset.ts'
import { type DetectionDataOptions, openDetectionDataset } from './open-detection-dataset.ts'

let top = ''
let directory = ''
beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), 'moiety-coco-'))
  directory = join(top, 'coco')
})
afterEach(() => rm(top, { recursive: true }))

const categories = [
  { id: 90, name: 'toothbrush', supercategory: 'indoor' },
  { id: 1, name: 'person', supercategory: 'person' },
  { id: 17, name: 'cat', supercategory: 'animal' },
  { id: 18, name: 'dog', supercategory: 'animal' },
]
const images = [
  { id: 9, file_name: 'nine.png', width: 80, height: 50 },
  { id: 3, file_name: 'three.png', width: 50, height: 80 },
  { id: 4, file_name: 'four.png', width: 64, height: 64 },
]
const annotation = { id: 7, image_id: 9, category_id: 17, bbox: [10, 4, 20, 12], area: 150.5, iscrowd: 0 }
const good = {
  images,
  categories,
  annotations: [annotation, { ...annotation, id: 8, image_id: 3, category_id: 90, iscrowd: 1 }],
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), content)
}

/** A picture whose left half is red and whose right half is blue. */
async function picture(width: number, height: number): Promise<Buffer> {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const channel = i % 3
    return (Math.floor(i / 3) % width < width / 2 ? channel === 0 : channel === 2) ? 255 : 0
  })
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer()
}

/** A folder in the layout of instances_train.json, instances_val.json and images/. */
async function folder(train: object = {}, test: object = {}): Promise<void> {
  await write('instances_train.json', JSON.stringify({ ...good, ...train }))
  const other = images.map(image => ({ ...image, file_name: `val/${image.file_name}` }))
  await write('instances_val.json', JSON.stringify({ ...good, images: other, ...test }))
  for (const { file_name, width, height } of images) {
    const bytes = await picture(width, height)
    await write(`images/${file_name}`, bytes)
    await write(`images/val/${file_name}`, bytes)
  }
}

function open(options: Partial<DetectionDataOptions> = {}): Promise<DetectionDataset> {
  return openDetectionDataset({ name: 'coco', directory, size: 64, ...options })
}

async function refusal(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (error === undefined) return 'none'
  if (!(error instanceof MoietyError)) throw error
  expect([error.kind, typeof error.help]).toEqual(['data', 'string'])
  return `${error.message} @ ${error.where}`.replaceAll(directory, 'DIR')
}

describe('a COCO folder', () => {
  it('has classes by ascending id, gaps closed, and images in the order of the file, those without objects too', async () => {
    await folder()
    const { classes, categoryIds, superclasses, superclassOf, train, val, test, skipped, sizeFactor } =
      await open()
    expect(classes).toEqual(['person', 'cat', 'dog', 'toothbrush'])
    expect(categoryIds).toEqual([1, 17, 18, 90])
    expect(superclasses).toEqual(['person', 'animal', 'indoor'])
    expect(superclassOf).toEqual([0, 1, 1, 2])
    expect([train.length, val?.length, test.length, sizeFactor]).toEqual([3, 3, 0, 1])
    expect(train.scenes.map(({ id, name }) => [id, name])).toEqual([
      [9, 'nine.png'],
      [3, 'three.png'],
      [4, 'four.png'],
    ])
    expect(train.scenes.map(({ objects }) => objects)).toEqual([
      [{ id: 7, box: [10, 4, 20, 12], label: 1, area: 150.5, crowd: false }],
      [{ id: 8, box: [10, 4, 20, 12], label: 3, area: 150.5, crowd: true }],
      [],
    ])
    expect(skipped).toEqual([])
  })

  it('is identified by the content of its images, of every split', async () => {
    await folder()
    const { content } = await open()
    expect((await open({ size: 96 })).content).toBe(content)
    // Of the same size, so that the annotations fit as before.
    const { width, height } = images[0]!
    const other = await sharp(await picture(width, height))
      .negate()
      .png()
      .toBuffer()
    for (const path of ['images/nine.png', 'images/val/nine.png']) {
      const before = await readFile(join(directory, path))
      await write(path, other)
      expect((await open()).content, path).not.toBe(content)
      await write(path, before)
    }
    expect((await open()).content).toBe(content)
  })

  it('gives pixels of the size that the canvas rule says, red left and blue right', async () => {
    await folder()
    const { train, canvases } = await open({ size: 64, shortest: 32 })
    expect(canvases).toEqual([
      [32, 64],
      [64, 32],
    ])
    const [portrait, landscape] = await train.load([1, 0])
    // 80×50: 32/50 = 0.64 is less than 64/80.
    expect([landscape!.width, landscape!.height, landscape!.pixels.length]).toEqual([51, 32, 3 * 51 * 32])
    expect([portrait!.width, portrait!.height]).toEqual([32, 51])
    const at = (channel: number, x: number): number => landscape!.pixels[channel * 51 * 32 + 16 * 51 + x]!
    expect([at(0, 5), at(1, 5), at(2, 5), at(0, 45), at(1, 45), at(2, 45)]).toEqual([255, 0, 0, 0, 0, 255])
    expect(await train.load([])).toEqual([])
    await expect(train.load([3])).rejects.toThrow(RangeError)
  })

  it('averages the pixels of a larger image, so that a fine pattern becomes grey', async () => {
    await folder()
    const stripes = Uint8Array.from({ length: 80 * 50 * 3 }, (_, i) => (Math.floor(i / 3) % 2 ? 255 : 0))
    const raw = { width: 80, height: 50, channels: 3 } as const
    await write('images/nine.png', await sharp(stripes, { raw }).png().toBuffer())
    const { train } = await open({ size: 32 })
    const { pixels } = (await train.load([0]))[0]!
    const middle = pixels.subarray(10 * 32 + 4, 10 * 32 + 28)
    for (const value of middle) expect(Math.abs(value - 127)).toBeLessThan(30)
  })

  it('leaves images as they are stored, whatever their EXIF says, because boxes belong to stored pixels', async () => {
    await folder()
    const turned = await sharp(await picture(80, 50))
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 95 })
      .toBuffer()
    await write('images/nine.png', turned)
    const { train } = await open({ size: 80 })
    const { width, height, pixels } = (await train.load([0]))[0]!
    expect([width, height]).toEqual([80, 50])
    expect(pixels[25 * 80 + 10]).toBeGreaterThan(240)
    expect(pixels[25 * 80 + 70]).toBeLessThan(15)
  })

  it.each([
    ['annotations/instances_train2017.json', 'annotations/instances_val2017.json', 'train2017', 'val2017'],
    [
      'annotations/instances_train2017.json',
      'annotations/instances_val2017.json',
      'images/train2017',
      'images/val2017',
    ],
  ])('is found as %s, %s, %s/ and %s/', async (train, test, trainImages, testImages) => {
    await write(train, JSON.stringify(good))
    await write(test, JSON.stringify(good))
    for (const { file_name, width, height } of images) {
      for (const place of [trainImages, testImages])
        await write(`${place}/${file_name}`, await picture(width, height))
    }
    const dataset = await open()
    expect([dataset.train.length, (await dataset.val!.load([2]))[0]!.width]).toEqual([3, 64])
  })

  it('in no layout is refused with the supported ones and what was found', async () => {
    expect(await refusal(open())).toBe(
      'expected a folder of images with boxes, found none that can be opened: no such file or folder (ENOENT) @ DIR',
    )
    await write('annotations/instances_train2017.json', '{}')
    const said = await refusal(open())
    expect(said).toContain('there is no list of images, nor of categories')
    await rm(join(directory, 'annotations'), { recursive: true })
    await write('notes.md', 'nothing')
    const layouts = await refusal(open())
    expect(layouts).toContain('annotations/instances_train2017.json and train2017/')
    expect(layouts).toContain('train/_annotations.coco.json')
    expect(layouts).toContain('YOLO (data.yaml;')
    expect(layouts).toContain('Pascal VOC (Annotations/, JPEGImages/ and ImageSets/Main/')
    expect(layouts).toContain('found notes.md @ DIR')
  })

  it('keeps the first images under a limit, and ignores the others', async () => {
    await folder()
    await rm(join(directory, 'images', 'four.png'))
    const { train, val, title } = await open({ limit: { train: 2, test: 1 } })
    expect(title).toContain(', of which 2 training and 1 validation images are used')
    expect(train.scenes.map(({ id }) => id)).toEqual([9, 3])
    expect(val!.scenes.map(({ id }) => id)).toEqual([9])
  })

  it('may be a link, and have links that stay within it', async () => {
    await folder()
    await rename(join(directory, 'images', 'nine.png'), join(directory, 'kept.png'))
    await symlink(join(directory, 'kept.png'), join(directory, 'images', 'nine.png'))
    await symlink(directory, join(top, 'link'))
    expect((await open({ directory: join(top, 'link') })).train.length).toBe(3)
  })
})

describe('annotations with errors', () => {
  const change = (member: string, i: number, changes: object): object => ({
    [member]: { images, categories, annotations: good.annotations }[member]!.map((each: object, place) =>
      place === i ? { ...each, ...changes } : each,
    ),
  })
  it.each<[string, object, string]>([
    [
      'a name that leaves the folder',
      change('images', 1, { file_name: '../secret.png' }),
      'expected a relative path inside DIR/images without "..", got "../secret.png" @ DIR/instances_train.json, images[1].file_name',
    ],
    [
      'a name that leaves the folder inside',
      change('images', 1, { file_name: 'a/../../b.png' }),
      'got "a/../../b.png" @',
    ],
    [
      'a name that leaves the folder with backslashes',
      change('images', 1, { file_name: 'a\\..\\..\\b.png' }),
      'images[1].file_name',
    ],
    ['an absolute name', change('images', 1, { file_name: '/etc/passwd' }), 'got "/etc/passwd" @'],
    ['a drive', change('images', 1, { file_name: 'C:\\b.png' }), 'images[1].file_name'],
    ['an empty name', change('images', 1, { file_name: '' }), 'got "" @'],
    ['a name with a NUL', change('images', 1, { file_name: 'a\0.png' }), 'images[1].file_name'],
    ['no name', change('images', 0, { file_name: null }), 'expected the member file_name, found none @'],
    [
      'a file for two images',
      change('images', 1, { file_name: './nine.png' }),
      'expected a file of its own, got that of the image 9 @ DIR/instances_train.json, images[1].file_name',
    ],
    [
      'an id of two images',
      change('images', 1, { id: 9 }),
      'expected an id of its own, got 9 a second time @ DIR/instances_train.json, images[1].id',
    ],
    ['an id of two categories', change('categories', 1, { id: 90 }), 'got 90 a second time @'],
    ['an unknown category', change('annotations', 0, { category_id: 2 }), 'annotations[0].category_id'],
    [
      'annotations of absent images alone',
      { annotations: [{ ...annotation, image_id: 2 }] },
      'annotations[0].image_id',
    ],
    [
      'a negative width',
      change('annotations', 0, { bbox: [1, 1, -2, 2] }),
      'expected a width from 0, got -2 @',
    ],
    [
      'a negative height',
      change('annotations', 0, { bbox: [1, 1, 2, -2] }),
      'expected a height from 0, got -2 @',
    ],
    [
      'a box that is not finite',
      change('annotations', 0, { bbox: [null, 1, 2, 2] }),
      'annotations[0].bbox[0]',
    ],
    ['no images', { images: [], annotations: [] }, 'the list of images is empty @'],
    ['no categories', { categories: [], annotations: [] }, 'the list of categories is empty @'],
    ['other categories', { categories: [...categories, { id: 2, name: 'x' }] }, 'only on one side: 2 "x" @'],
    [
      'another name for a category',
      change('categories', 1, { name: 'human' }),
      'only on one side: 1 "human", 1 "person" @ DIR/instances_val.json',
    ],
  ])('are refused under both policies: %s', async (_, train, expected) => {
    await folder(train)
    for (const unreadable of ['stop', 'skip'] as const) {
      expect(await refusal(open({ unreadable }))).toContain(expected)
    }
  })

  it('are refused: a box that is infinite, or NaN as Python writes it, and a file that is cut short', async () => {
    await folder()
    const text = JSON.stringify(good)
    for (const [wrong, expected] of [
      [
        text.replace('[10,4,20,12]', '[10,4,1e999,12]'),
        'got Infinity @ DIR/instances_train.json, annotations[0].bbox[2]',
      ],
      [text.replace('[10,4,20,12]', '[10,4,NaN,12]'), 'found NaN'],
      [text.slice(0, -40), 'the file ends in the middle of it'],
      [text.slice(0, 60), 'the file ends in the middle of it'],
      ['', 'DIR/instances_train.json'],
    ] as const) {
      await write('instances_train.json', wrong)
      expect(await refusal(open())).toContain(expected)
    }
  })

  it('are refused: one name for two categories on both sides', async () => {
    const twice = { categories: [...categories, { id: 2, name: 'cat' }] }
    await folder(twice, twice)
    expect(await refusal(open())).toContain('got "cat" twice @')
  })

  it('are refused: an image for training and for testing', async () => {
    await folder({}, { images })
    expect(await refusal(open())).toContain(
      'expected images of val that are not in train too, got 3, the first of them "nine.png" @ DIR/instances_val.json',
    )
  })
})

describe('boxes that are outside or empty', () => {
  it('are left out or clipped under both policies, counted, and the first few named', async () => {
    const boxes: readonly (readonly number[])[] = [
      [10, 4, 20, 12], // 100: inside
      [-5, -5, 20, 20], // 101: clipped at the left and the top
      [70, 40, 20, 20], // 102: clipped at the right and the bottom
      [0, 0, 80.4, 50.001], // 103: rounding
      [80, 0, 10, 10], // 104: outside, touching
      [-30, 0, 10, 10], // 105: outside
      [10, 4, 0, 12], // 106: no width
      [10, 4, 12, 0], // 107: no height
      [79.995, 0, 10, 10], // 108: less than 1/100 pixel inside
      [-1e300, -1e300, 1e308, 1e308], // 109: clipped to all of it
    ]
    const annotations = boxes.map((bbox, i) => ({ ...annotation, id: 100 + i, bbox }))
    await folder({ annotations })
    for (const unreadable of ['stop', 'skip'] as const) {
      const { train, skipped } = await open({ unreadable, implausibleBoxes: 'accept' })
      expect(train.scenes[0]!.objects.map(({ id, box, area }) => [id, box, area])).toEqual([
        [100, [10, 4, 20, 12], 150.5],
        [101, [0, 0, 15, 15], 150.5],
        [102, [70, 40, 10, 10], 150.5],
        [103, [0, 0, 80, 50], 150.5],
        [109, [0, 0, 80, 50], 150.5],
      ])
      const file = join(directory, 'instances_train.json')
      expect(skipped.map(({ path, reason }) => [path.endsWith(file), reason])).toEqual([
        [
          true,
          '3 boxes partly outside of their image, clipped to it: annotation 101, annotation 102, annotation 109',
        ],
        [true, '3 boxes outside of their image, left out: annotation 104, annotation 105, annotation 108'],
        [true, '2 boxes without an extent, left out: annotation 106, annotation 107'],
      ])
    }
  })

  it('are only counted beyond the first three', async () => {
    const annotations = Array.from({ length: 12 }, (_, i) => ({ ...annotation, id: i, bbox: [90, 0, 1, 1] }))
    await folder({ annotations })
    expect((await open({ implausibleBoxes: 'accept' })).skipped[0]!.reason).toBe(
      '12 boxes outside of their image, left out: annotation 0, annotation 1, annotation 2 and 9 more',
    )
  })
})

describe('an image that cannot be used', () => {
  const cases: readonly (readonly [string, (path: string) => Promise<void>, string])[] = [
    ['is missing', path => rm(path), 'missing'],
    [
      'is a folder',
      path =>
        rm(path)
          .then(() => mkdir(path))
          .then(() => undefined),
      'not a file',
    ],
    [
      'is a link out of the folder',
      async path => {
        await rename(path, join(top, 'outside.png'))
        await symlink(join(top, 'outside.png'), path)
      },
      'behind a link that is broken or leaves the folder',
    ],
    [
      'has a broken link',
      async path => {
        await rm(path)
        await symlink('nowhere.png', path)
      },
      'behind a link that is broken or leaves the folder',
    ],
  ]

  it.each(cases)('and %s is an error, or is left out and reported', async (_, harm, reason) => {
    await folder()
    await harm(join(directory, 'images', 'three.png'))
    expect(await refusal(open())).toBe(`expected 3 images; 1 ${reason}: "three.png" (image 3) @ DIR/images`)
    const { train, skipped } = await open({ unreadable: 'skip' })
    expect(train.scenes.map(({ id }) => id)).toEqual([9, 4])
    expect((await train.load([1]))[0]!.width).toBe(64)
    expect(skipped.map(each => each.reason)).toEqual([`1 ${reason}, left out: "three.png" (image 3)`])
  })

  const damages: readonly (readonly [string, (whole: Buffer) => Promise<Uint8Array> | Uint8Array, RegExp])[] =
    [
      ['is cut short', whole => whole.subarray(0, whole.length - 30), /./],
      [
        'is a JPEG cut short',
        async () => {
          const whole = await sharp({
            create: {
              width: 50,
              height: 80,
              channels: 3,
              background: '#888',
              noise: { type: 'gaussian', mean: 128, sigma: 40 },
            },
          })
            .jpeg()
            .toBuffer()
          return whole.subarray(0, 0.9 * whole.length)
        },
        /premature end|the image data is damaged/i,
      ],
      ['is empty', () => new Uint8Array(), /not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image/],
      [
        'is text',
        () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'),
        /not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image/,
      ],
      ['has another size', () => picture(40, 80), /40×80 pixels, not 50×80/],
      ['is turned', () => picture(80, 50), /80×50 pixels, not 50×80/],
    ]

  it.each(damages)('and %s is found when it is loaded, or left out when opened', async (_, harm, reason) => {
    await folder()
    const path = join(directory, 'images', 'three.png')
    await writeFile(path, await harm(await readFile(path)))
    const { train } = await open()
    expect((await train.load([0, 2])).length).toBe(2)
    const said = await refusal(train.load([0, 1, 2]))
    expect(said).toMatch(reason)
    expect(said).toContain('DIR/images/three.png')
    const skipping = await open({ unreadable: 'skip' })
    expect(skipping.train.scenes.map(({ id }) => id)).toEqual([9, 4])
    expect(skipping.skipped[0]!.reason).toMatch(/^1 unreadable, left out: "three\.png" \(image 3: /)
    expect(skipping.skipped[0]!.reason).toMatch(reason)
  })

  it.each<[string, (width: number, height: number) => readonly [number, number], RegExp]>([
    ['resized', (width, height) => [width / 2, height / 2], /probably resized, by a factor of 0\.50,/],
    ['turned', (width, height) => [height, width], /images that EXIF turns/],
    ['cropped', (width, height) => [width - 20, height], /other images, or were cropped/],
  ])(
    'where most files were %s is refused when opened, with the key that overrides',
    async (_, now, cause) => {
      await folder()
      // Its boxes fit into all of them.
      for (const { file_name, width, height } of images.slice(0, 2))
        await write(`images/${file_name}`, await picture(...now(width, height)))
      const said = await refusal(open())
      expect(said).toMatch(/^expected images of the width .* of 3 files looked at 2 have another size\. /)
      expect(said).toMatch(cause)
      expect(said).toContain('@ DIR/instances_train.json')
      expect(await refusal(open({ unreadable: 'skip' }))).toMatch(cause)
      const accepted = await open({ unreadable: 'skip', implausibleBoxes: 'accept' })
      expect(accepted.train.scenes.map(({ name }) => name)).toEqual(['four.png'])
      const { train } = await open({ implausibleBoxes: 'accept' })
      expect(await refusal(train.load([0]))).toMatch(/pixels, not 80×50/)
    },
  )

  it('ends everything where no other is left', async () => {
    await folder()
    for (const { file_name } of images) await rm(join(directory, 'images', file_name))
    expect(await refusal(open({ unreadable: 'skip' }))).toBe(
      'expected images that can be read, of 3: 3 missing, left out: "nine.png" (image 9), "three.png" (image 3), "four.png" (image 4) @ DIR/images',
    )
  })

  it('or a whole folder that leaves the root, is an error', async () => {
    await folder()
    await rename(join(directory, 'images'), join(top, 'images'))
    await symlink(join(top, 'images'), join(directory, 'images'))
    expect(await refusal(open())).toContain('got one that leaves it @ DIR/images')
  })
})

describe('options', () => {
  it.each<[Partial<DetectionDataOptions>, string]>([
    [{ directory: null }, 'data.directory'],
    [{ size: 0 }, 'data.size'],
    [{ size: 64, shortest: 65 }, 'data.shortest'],
    [{ limit: { train: 0 } }, 'data.limit.train'],
    [{ limit: { test: 1.5 } }, 'data.limit.test'],
  ])('that are impossible are refused: %j', async (options, where) => {
    await folder()
    const error = await open(options).catch((cause: unknown) => cause)
    if (!(error instanceof MoietyError)) throw error
    expect([error.kind, error.where]).toEqual(['usage', where])
  })
})
