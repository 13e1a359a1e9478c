import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'

/** One small data set with boxes, written in each layout of each format. All objects are the same in all of them. */

interface Example {
  readonly name: string
  readonly width: number
  readonly height: number
  /** Class, and box [x, y, width, height] in whole pixels. */
  readonly objects: readonly (readonly ['bird' | 'cat', number, number, number, number])[]
}

type Split = 'train' | 'val' | 'test'

/** The images of each split. */
export const examples: Readonly<Record<Split, readonly Example[]>> = {
  train: [
    {
      name: 'a',
      width: 80,
      height: 50,
      objects: [
        ['cat', 10, 5, 20, 10],
        ['bird', 0, 0, 40, 25],
      ],
    },
    { name: 'b', width: 64, height: 64, objects: [['bird', 16, 8, 48, 56]] },
    { name: 'c', width: 50, height: 80, objects: [] },
    { name: 'd', width: 80, height: 50, objects: [['cat', 40, 10, 40, 40]] },
  ],
  val: [
    { name: 'e', width: 80, height: 50, objects: [['cat', 20, 10, 16, 15]] },
    { name: 'g', width: 64, height: 64, objects: [['bird', 1, 2, 30, 40]] },
  ],
  test: [{ name: 'f', width: 64, height: 64, objects: [['bird', 4, 4, 12, 20]] }],
}

export const classes = ['bird', 'cat'] as const
const splits = ['train', 'val', 'test'] as const

export function write(folder: string, path: string, content: string | Uint8Array): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

async function picture(width: number, height: number): Promise<Buffer> {
  return await sharp({ create: { width, height, channels: 3, background: '#6a4' } })
    .jpeg()
    .toBuffer()
}

async function writeImages(folder: string, place: (split: Split, file: string) => string): Promise<void> {
  for (const split of splits)
    for (const { name, width, height } of examples[split])
      write(folder, place(split, `${name}.jpg`), await picture(width, height))
}

/** Annotations in COCO's format. @param change - changes the records before they are written */
export function coco(
  images: readonly Example[],
  nameOf: (file: string) => string = file => file,
  change: (file: CocoFile) => object = file => file,
): string {
  const file: CocoFile = {
    images: images.map(({ name, width, height }, i) => ({
      id: i + 1,
      file_name: nameOf(`${name}.jpg`),
      width,
      height,
    })),
    categories: classes.map((name, i) => ({ id: i + 1, name, supercategory: 'animal' })),
    annotations: images
      .flatMap(({ objects }, i) =>
        objects.map(([name, ...bbox]) => ({
          ...{ image_id: i + 1, category_id: classes.indexOf(name) + 1, bbox },
          ...{ area: bbox[2] * bbox[3], iscrowd: 0 },
        })),
      )
      .map((record, i) => ({ id: i + 1, ...record })),
  }
  return JSON.stringify(change(file))
}

export interface CocoFile {
  images: Record<string, unknown>[]
  categories: Record<string, unknown>[]
  annotations: Record<string, unknown>[]
}

/** Lines of a YOLO label file. */
export function yolo({ width, height, objects }: Example): string {
  return objects
    .map(([name, x, y, w, h]) =>
      [classes.indexOf(name), (x + w / 2) / width, (y + h / 2) / height, w / width, h / height].join(' '),
    )
    .join('\n')
}

/** The same as polygons of four corners. */
function outlines({ width, height, objects }: Example): string {
  return objects
    .map(([name, x, y, w, h]) => {
      const corners = [x, y, x + w, y, x + w, y + h, x, y + h]
      return [
        classes.indexOf(name),
        ...corners.map((value, i) => value / (i % 2 === 0 ? width : height)),
      ].join(' ')
    })
    .join('\n')
}

/** An annotation file of Pascal VOC. @param first - what the first pixel is called: 1, or 0 for edges */
export function voc({ name, width, height, objects }: Example, first: 0 | 1 = 1): string {
  const boxes = objects.map(
    ([category, x, y, w, h]) =>
      `<object><name>${category}</name><difficult>0</difficult><bndbox><xmin>${x + first}</xmin><ymin>${y + first}</ymin><xmax>${x + w}</xmax><ymax>${y + h}</ymax></bndbox></object>`,
  )
  return `<?xml version="1.0"?><annotation><filename>${name}.jpg</filename><size><width>${width}</width><height>${height}</height><depth>3</depth></size>${boxes.join('')}</annotation>`
}

type Layout = (folder: string) => Promise<void>

const cocoPlaces =
  (annotations: (split: Split) => string, images: (split: Split) => string, gz = false): Layout =>
  async folder => {
    await writeImages(folder, (split, file) => `${images(split)}/${file}`)
    for (const split of splits) {
      const text = coco(examples[split])
      write(folder, annotations(split), gz ? gzipSync(text) : text)
    }
  }

const yoloPlaces =
  (images: (split: Split) => string, labels: (split: Split) => string, yaml?: string): Layout =>
  async folder => {
    await writeImages(folder, (split, file) => `${images(split)}/${file}`)
    for (const split of splits)
      for (const example of examples[split])
        write(folder, `${labels(split)}/${example.name}.txt`, yolo(example))
    if (yaml === undefined) write(folder, 'classes.txt', `${classes.join('\n')}\n`)
    else write(folder, 'data.yaml', yaml)
  }

const valid = (split: Split): string => (split === 'val' ? 'valid' : split)

/** Layouts with three splits, by name. */
export const layouts: Readonly<
  Record<string, { readonly format: 'coco' | 'yolo' | 'voc'; readonly write: Layout }>
> = {
  'COCO 2017': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/instances_${split}2017.json`,
      split => `${split}2017`,
    ),
  },
  'COCO 2014': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/instances_${split}2014.json`,
      split => `${split}2014`,
    ),
  },
  'COCO with images/train2017': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/instances_${split}2017.json`,
      split => `images/${split}2017`,
    ),
  },
  'COCO, compressed': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/instances_${split}2017.json.gz`,
      split => `${split}2017`,
      true,
    ),
  },
  'COCO with images/train': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/${split}.json`,
      split => `images/${split}`,
    ),
  },
  'COCO with names of its own': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/zoo_${split}.json`,
      split => `photos/${split}`,
    ),
  },
  Roboflow: { format: 'coco', write: cocoPlaces(split => `${valid(split)}/_annotations.coco.json`, valid) },
  FiftyOne: {
    format: 'coco',
    write: cocoPlaces(
      split => `${split}/labels.json`,
      split => `${split}/data`,
    ),
  },
  'CVAT with subsets': {
    format: 'coco',
    write: cocoPlaces(
      split => `annotations/instances_${split}.json`,
      split => `images/${split}`,
    ),
  },
  'a folder in a folder': {
    format: 'coco',
    write: async folder =>
      await cocoPlaces(
        split => `set/annotations/instances_${split}2017.json`,
        split => `set/${split}2017`,
      )(folder),
  },
  'YOLO of Roboflow': {
    format: 'yolo',
    write: yoloPlaces(
      split => `${valid(split)}/images`,
      split => `${valid(split)}/labels`,
      'train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: [bird, cat]\n',
    ),
  },
  'YOLO of Ultralytics': {
    format: 'yolo',
    write: yoloPlaces(
      split => `images/${split}`,
      split => `labels/${split}`,
      'path: ../datasets/animals # dataset root dir\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n  0: bird\n  1: cat\n',
    ),
  },
  'YOLO with lists': {
    format: 'yolo',
    write: async folder => {
      await yoloPlaces(
        split => `images/${split}`,
        split => `labels/${split}`,
        'train: train.txt\nval: [val.txt]\ntest: images/test\nnames: {0: bird, 1: cat}\n',
      )(folder)
      for (const split of ['train', 'val'] as const)
        write(
          folder,
          `${split}.txt`,
          examples[split].map(({ name }) => `./images/${split}/${name}.jpg\n`).join(''),
        )
    },
  },
  'YOLO without data.yaml': {
    format: 'yolo',
    write: yoloPlaces(
      split => `images/${split}`,
      split => `labels/${split}`,
    ),
  },
  'YOLO by split': {
    format: 'yolo',
    write: yoloPlaces(
      split => `${split}/images`,
      split => `${split}/labels`,
    ),
  },
  'YOLO of CVAT': {
    format: 'yolo',
    write: async folder => {
      const place = (split: Split): string => `obj_${split}_data`
      await yoloPlaces(place, place)(folder)
      write(folder, 'obj.names', 'bird\ncat\n')
      write(
        folder,
        'obj.data',
        'classes = 2\ntrain = data/train.txt\nvalid = data/val.txt\ntest = data/test.txt\nnames = data/obj.names\nbackup = backup/\n',
      )
      for (const split of splits)
        write(
          folder,
          `${split}.txt`,
          examples[split].map(({ name }) => `data/${place(split)}/${name}.jpg\n`).join(''),
        )
    },
  },
  'YOLO outlines': {
    format: 'yolo',
    write: async folder => {
      await yoloPlaces(
        split => `images/${split}`,
        split => `labels/${split}`,
      )(folder)
      for (const split of splits)
        for (const example of examples[split])
          write(folder, `labels/${split}/${example.name}.txt`, outlines(example))
    },
  },
  'Pascal VOC': {
    format: 'voc',
    write: async folder => {
      await writeImages(folder, (_, file) => `VOCdevkit/VOC2012/JPEGImages/${file}`)
      for (const split of splits) {
        for (const example of examples[split])
          write(folder, `VOCdevkit/VOC2012/Annotations/${example.name}.xml`, voc(example))
        write(
          folder,
          `VOCdevkit/VOC2012/ImageSets/Main/${split}.txt`,
          examples[split].map(({ name }) => `${name}\n`).join(''),
        )
        write(
          folder,
          `VOCdevkit/VOC2012/ImageSets/Main/cat_${split}.txt`,
          examples[split].map(({ name }) => `${name} -1\n`).join(''),
        )
      }
      write(
        folder,
        'VOCdevkit/VOC2012/ImageSets/Main/trainval.txt',
        [...examples.train, ...examples.val].map(({ name }) => `${name}\n`).join(''),
      )
    },
  },
  'Pascal VOC of Roboflow': {
    format: 'voc',
    write: async folder => {
      await writeImages(folder, (split, file) => `${valid(split)}/${file}`)
      for (const split of splits)
        for (const example of examples[split])
          write(folder, `${valid(split)}/${example.name}.xml`, voc(example))
    },
  },
  'Pascal VOC counted from 0': {
    format: 'voc',
    write: async folder => {
      await writeImages(folder, (split, file) => `images/${split}/${file}`)
      for (const split of splits)
        for (const example of examples[split])
          write(folder, `annotations/${split}/${example.name}.xml`, voc(example, 0))
    },
  },
}

const everything = splits.flatMap(split => examples[split])

/** Layouts without splits. */
export const undivided: Readonly<Record<string, Layout>> = {
  CVAT: async folder => {
    await writeImages(folder, (_, file) => `images/${file}`)
    write(folder, 'annotations/instances_default.json', coco(everything))
  },
  'COCO of VIA': async folder => {
    await writeImages(folder, (_, file) => file)
    write(folder, 'via_export.json', coco(everything))
  },
  'Label Studio': async folder => {
    await writeImages(folder, (_, file) => `images/${file}`)
    write(
      folder,
      'result.json',
      coco(everything, file => `images/${file}`),
    )
  },
  'YOLO of Label Studio': async folder => {
    await yoloPlaces(
      () => 'images',
      () => 'labels',
    )(folder)
    write(
      folder,
      'notes.json',
      '{"categories": [{"id": 0, "name": "bird"}, {"id": 1, "name": "cat"}], "info": {}}',
    )
  },
  'Pascal VOC of labelImg': async folder => {
    await writeImages(folder, (_, file) => file)
    for (const example of everything) write(folder, `${example.name}.xml`, voc(example))
  },
}
