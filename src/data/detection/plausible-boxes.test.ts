import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { writeTinyCoco } from '../../../test/tiny-detection.ts'
import { MoietyError } from '../../base/errors.ts'
import { draws } from '../../base/random.ts'
import type { CocoAnnotations } from '../coco/annotations.ts'
import type { Box } from '../coco/record.ts'
import { openDetectionDataset } from './open-detection-dataset.ts'
import { refuseImplausible } from './plausible-boxes.ts'

type Image = readonly [width: number, height: number]

interface Made {
  readonly boxes: readonly Box[]
  readonly images: readonly Image[]
}

/** Valid boxes: completely inside images, sides of `least` to `most` of the image's. */
function honest(seed: number, count: number, sizes: readonly Image[], least = 0.05, most = 0.6): Made {
  const images = Array.from({ length: count }, (_, i) => sizes[i % sizes.length]!)
  const boxes = images.map(([width, height], i): Box => {
    const source = draws(seed, 'boxes', i)
    const side = () => least * (most / least) ** source.uniform()
    const [w, h] = [Math.max(1, width * side()), Math.max(1, height * side())]
    return [source.uniform() * (width - w), source.uniform() * (height - h), w, h]
  })
  return { boxes, images }
}

function refusal(
  { boxes, images }: Made,
  areaOf = ([, , w, h]: Box, _: number) => w * h,
): string | undefined {
  const file: CocoAnnotations = {
    images: images.map(([width, height], id) => ({ id, fileName: `${id}.jpg`, width, height })),
    categories: [{ id: 1, name: 'thing', supercategory: null }],
    annotations: boxes.map((box, id) => {
      const area = areaOf(box, id)
      return { id, imageId: id, categoryId: 1, box, area, crowd: false }
    }),
  }
  try {
    refuseImplausible(file.images, file.annotations, 'file.json')
    return undefined
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    expect([error.kind, error.where, error.help?.includes('data.implausibleBoxes=accept')]).toEqual([
      'data',
      'file.json',
      true,
    ])
    return error.message
  }
}

const vga: readonly Image[] = [
  [640, 480],
  [640, 427],
  [480, 640],
]
const changed = (made: Made, change: (box: Box, image: Image) => Box): Made => ({
  ...made,
  boxes: made.boxes.map((box, i) => change(box, made.images[i]!)),
})
const toCorners = ([x, y, w, h]: Box): Box => [x, y, x + w, y + h]
const toFractions = ([x, y, w, h]: Box, [width, height]: Image): Box => [
  x / width,
  y / height,
  w / width,
  h / height,
]

describe('implausible boxes', () => {
  it.each<[string, (made: Made) => Made, RegExp]>([
    ['normalised', made => changed(made, toFractions), /^.*probably normalised: fractions/],
    [
      'normalised corners',
      made => changed(made, (box, image) => toCorners(toFractions(box, image))),
      /normalised/,
    ],
    [
      'normalised centres',
      made =>
        changed(made, (box, image) => {
          const [x, y, w, h] = toFractions(box, image)
          return [x + w / 2, y + h / 2, w, h]
        }),
      /normalised/,
    ],
    ['corners', made => changed(made, toCorners), /probably corners \[x1, y1, x2, y2\]/],
    ['swapped', made => changed(made, ([x, y, w, h]) => [y, x, h, w]), /x and y are probably swapped/],
    [
      'swapped corners',
      made => changed(made, ([x, y, w, h]) => [y, x, y + h, x + w]),
      /corners with x and y swapped/,
    ],
    ['centres', made => changed(made, ([x, y, w, h]) => [x + w / 2, y + h / 2, w, h]), /those of the centre/],
    [
      'of images twice as large',
      made => changed(made, ([x, y, w, h]) => [2 * x, 2 * y, 2 * w, 2 * h]),
      /images of another size: divided by about (1\.9|2\.0) they would fit/,
    ],
    [
      'of images ten times as large',
      made => changed(made, ([x, y, w, h]) => [10 * x, 10 * y, 10 * w, 10 * h]),
      /images of another size: divided by about (9\.\d|10) they would fit/,
    ],
    [
      'of images a little larger',
      made => changed(made, ([x, y, w, h]) => [1.3 * x, 1.3 * y, 1.3 * w, 1.3 * h]),
      /images of another size: divided by about (1\.2|1\.3) they would fit/,
    ],
    [
      'of images half as large',
      made => changed(made, ([x, y, w, h]) => [x / 2, y / 2, w / 2, h / 2]),
      /within the upper left 0\.(49|50) of .* probably of smaller images/,
    ],
    ['points', made => changed(made, ([x, y]) => [x, y, 0.5, 0.5]), /probably points/],
    ['anywhere', made => changed(made, ([x, y, w, h]) => [x - 900, y + 900, w, h]), /of other images/],
  ])('are refused with their probable cause: %s', (_, change, cause) => {
    for (const seed of [1, 2, 3])
      for (const sizes of [vga, [[1920, 1080] as const]]) {
        // Swapped sides do not show where as many images are high as wide.
        const images = _.includes('swapped') ? [sizes[0]!] : sizes
        expect(refusal(change(honest(seed, 300, images)))).toMatch(cause)
      }
  })

  it('are refused in small files too', () => {
    expect(refusal(changed(honest(1, 1, vga), toFractions))).toMatch(/normalised/)
    expect(refusal(changed(honest(1, 8, vga, 0.3), toCorners))).toMatch(/probably corners/)
  })

  it('are refused as corners where areas say so, also where all are within their images', () => {
    const upperLeft = changed(honest(4, 50, vga, 0.1, 0.3), ([x, y, w, h]) => [x / 3, y / 3, w, h])
    const made = changed(upperLeft, toCorners)
    const areas = (_: Box, i: number): number => upperLeft.boxes[i]![2] * upperLeft.boxes[i]![3]
    expect(refusal(made, areas)).toMatch(/probably corners/)
    expect(refusal(upperLeft)).toBeUndefined()
  })

  it('are refused where they are a part of the file only', () => {
    for (const every of [2, 3, 5]) {
      const made = honest(8, 300, vga, 0.1)
      const part = (change: (box: Box, image: Image) => Box): Made => {
        const boxes = made.boxes.map((box, i) => (i % every === 0 ? change(box, made.images[i]!) : box))
        return { ...made, boxes }
      }
      const areas = (_: Box, i: number): number => made.boxes[i]![2] * made.boxes[i]![3]
      const count = String(Math.ceil(300 / every))
      expect(refusal(part(toFractions))).toContain(`Part of them, ${count}, are probably normalised`)
      expect(refusal(part(toCorners), areas)).toMatch(/Part of them, \d+, are probably corners/)
      expect(refusal(part(toCorners))).toMatch(/Part of them, \d+ at least, are probably corners/)
    }
  })

  it('are refused in files of two to four, where all are wrong or all areas are those of corners', () => {
    for (const count of [2, 3, 4]) {
      const made = honest(3, count, vga, 0.3)
      const areas = (_: Box, i: number): number => made.boxes[i]![2] * made.boxes[i]![3]
      expect(refusal(changed(made, toCorners), areas)).toMatch(/probably corners/)
      expect(refusal(changed(made, ([x, y, w, h]) => [x + 640, y, w, h]))).toMatch(/probably/)
    }
  })

  it('are counted, with an example', () => {
    const images: Image[] = Array.from({ length: 6 }, () => [100, 50])
    const boxes: Box[] = [
      [10, 10, 20, 20],
      [90, 10, 40, 20],
      [200, 10, 20, 20],
      [10, 200, 20, 20],
      [10, 10, 0.5, 20],
      [-50, 10, 100, 20],
    ]
    expect(refusal({ images, boxes })).toBe(
      'expected boxes [x, y, width, height] in pixels of their image; of 6 boxes 2 exceed it, 2 are outside of it and 1 are smaller than a pixel. They are probably of other images, or not in pixels (annotation 1: [90, 10, 40, 20] in an image of 100×50)',
    )
  })
})

describe('valid boxes', () => {
  it('are never refused, from a pixel to the whole image, in any number and size of images', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 0, max: 200 }),
        fc.tuple(fc.integer({ min: 16, max: 4000 }), fc.integer({ min: 16, max: 4000 })),
        fc.double({ min: 0.001, max: 0.9, noNaN: true }),
        (seed, count, size, least) => {
          expect(refusal(honest(seed, count, [size], least, 0.95))).toBeUndefined()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('may be tiny: objects of two pixels in images of thousands', () => {
    const tiny = changed(honest(5, 500, [[4000, 3000]]), ([x, y]) => [x, y, 2, 1.5])
    expect(refusal(tiny)).toBeUndefined()
  })

  it('may fill their images, reach a little out of them, or be of a pixel of a small image', () => {
    const full: Made = {
      images: Array.from({ length: 100 }, () => [64, 48]),
      boxes: Array.from({ length: 100 }, (): Box => [0, 0, 64, 48]),
    }
    expect(refusal(full)).toBeUndefined()
    expect(refusal(changed(full, () => [-1, -1, 67, 50]))).toBeUndefined()
    expect(refusal(changed(full, () => [5, 0, 1, 1]))).toBeUndefined()
    expect(refusal({ images: [], boxes: [] })).toBeUndefined()
  })

  it('may, a third of them, have their hidden parts out of the image, on all sides', () => {
    const made = honest(6, 600, vga)
    const amodal = changed(made, (box, [width, height]) => {
      const [x, y, w, h] = box
      const near = Math.min(x / width, y / height, 1 - (x + w) / width, 1 - (y + h) / height)
      return near > 0.08
        ? box
        : [x - 0.2 * width * (x < width / 3 ? 1 : 0), y, w + 0.2 * width, h + 0.3 * height]
    })
    const out = amodal.boxes.filter(([x, y, w, h], i) => {
      const [width, height] = amodal.images[i]!
      return x < -5 || y + h > height + 5 || x + w > width + 5
    })
    expect(out.length).toBeGreaterThan(120)
    expect(refusal(amodal)).toBeUndefined()
  })

  it('may have areas of outlines, smaller than the box by any factor', () => {
    for (let seed = 0; seed < 30; seed++) {
      const made = honest(seed, 60, vga)
      expect(
        refusal(made, ([, , w, h], i) => w * h * (0.3 + 0.7 * draws(seed, 'outline', i).uniform())),
      ).toBeUndefined()
    }
  })

  it('may all be in the middle, or at one edge, of their images', () => {
    const made = honest(8, 400, vga)
    const middle = changed(made, ([x, y, w, h], [width, height]) => [
      width / 4 + x / 2,
      height / 4 + y / 2,
      w / 2,
      h / 2,
    ])
    expect(refusal(middle)).toBeUndefined()
    const above = changed(made, ([x, y, w, h]) => [x, y / 2, w, h / 2])
    expect(refusal(above)).toBeUndefined()
    const few = { images: made.images.slice(0, 90), boxes: made.boxes.slice(0, 90) }
    expect(refusal(changed(few, ([x, y, w, h]) => [x / 2, y / 2, w / 2, h / 2]))).toBeUndefined()
  })

  it('may be a few wrong ones among many', () => {
    const made = honest(7, 200, vga)
    const some = { ...made, boxes: made.boxes.map((box, i): Box => (i % 12 === 0 ? toCorners(box) : box)) }
    expect(refusal(some)).toBeUndefined()
    expect(refusal({ images: [[100, 100]], boxes: [[90, 90, 40, 40]] })).toBeUndefined()
  })
})

describe('a folder in the layout of COCO', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-boxes-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const open = (implausibleBoxes: 'stop' | 'accept' = 'stop') =>
    openDetectionDataset({ name: 'coco', directory: folder, size: 64, implausibleBoxes })

  it('is refused for the boxes of any split, unless they are accepted, and categories without objects are reported', async () => {
    await writeTinyCoco(folder)
    const dataset = await open()
    expect([dataset.val?.length, dataset.test.length, dataset.notices]).toEqual([6, 0, []])
    expect(dataset.title).toContain(': 2 classes, 12 training and 6 validation images')
    const made = (fields: object) => ({
      images: [{ id: 1, file_name: 'val-0.png', width: 128, height: 128 }],
      categories: [
        { id: 3, name: 'square' },
        { id: 7, name: 'disc' },
      ],
      annotations: [
        { id: 1, image_id: 1, category_id: 3, bbox: [0.1, 0.2, 0.3, 0.4], area: 0.12, ...fields },
      ],
    })
    writeFileSync(join(folder, 'instances_val.json'), JSON.stringify(made({})))
    await expect(open()).rejects.toThrow(/normalised/)
    const { val } = await open('accept')
    expect(val!.scenes[0]!.objects).toHaveLength(1)
    writeFileSync(join(folder, 'instances_val.json'), JSON.stringify(made({ bbox: [1, 2, 30, 40] })))
    const one = {
      ...made({ bbox: [1, 2, 30, 40] }),
      images: [{ id: 1, file_name: 'train-0.png', width: 128, height: 128 }],
    }
    writeFileSync(join(folder, 'instances_train.json'), JSON.stringify(one))
    expect((await open()).notices).toEqual(['categories without training objects: disc (1 of 2)'])
    const crowd = {
      ...made({ bbox: [1, 2, 30, 40] }),
      images: [{ id: 1, file_name: 'train-3.png', width: 128, height: 128 }],
    }
    writeFileSync(join(folder, 'instances_test.json'), JSON.stringify(crowd))
    const three = await open()
    expect([three.train.length, three.val?.length, three.test.length]).toEqual([1, 1, 1])
    expect(three.title).toContain('1 training, 1 validation and 1 test images')
    writeFileSync(join(folder, 'instances_test.json'), JSON.stringify(one))
    await expect(open()).rejects.toThrow('expected images of test that are not in train too, got 1')
  })
})
