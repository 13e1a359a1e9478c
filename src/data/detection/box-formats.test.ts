import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { globSync } from 'tinyglobby'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { examples, layouts, undivided, write as writeFile } from '../../../test/box-layouts.ts'
import { recognisedData } from '../choose.ts'
import { findBoxes } from './box-formats.ts'
import type { DetectionDataset, DetectionSplit } from './detection-dataset.ts'
import { openDetectionDataset } from './open-detection-dataset.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moiety-boxes-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const open = async (): Promise<DetectionDataset> =>
  await openDetectionDataset({ name: 'boxes', directory: folder, size: 64 })

/** Images by name with their objects: class, box and area. Values that were divided and multiplied are rounded to 1e-9. */
function content({ scenes }: DetectionSplit, classes: readonly string[]) {
  const rounded = (value: number): number => Math.round(value * 1e9) / 1e9
  return scenes.map(({ name, width, height, objects }) => ({
    name: name.slice(name.lastIndexOf('/') + 1),
    ...{ width, height },
    objects: objects.map(({ box, label, area, crowd }) => [
      ...[classes[label], ...box.map(rounded), rounded(area), crowd],
    ]),
  }))
}

const expected = (images: (typeof examples)['train']) =>
  images.map(({ name, width, height, objects }) => ({
    name: `${name}.jpg`,
    ...{ width, height },
    objects: objects.map(([category, ...box]) => [category, ...box, box[2] * box[3], false]),
  }))

describe('a folder with boxes', () => {
  it.each(Object.entries(layouts))('has the same objects in the layout %s', async (_, { format, write }) => {
    await write(folder)
    const { classes, train, val, test, layout, skipped, problems, title } = await open()
    expect([layout?.format, classes]).toEqual([format, ['bird', 'cat']])
    expect(content(train, classes)).toEqual(expected(examples.train))
    expect(content(val!, classes)).toEqual(expected(examples.val))
    expect(content(test, classes)).toEqual(expected(examples.test))
    expect(skipped.length).toBe(problems!.length)
    expect((await val!.load([0]))[0]!.width).toBe(64)
    expect(title).toContain({ coco: '(COCO)', yolo: '(YOLO)', voc: '(Pascal VOC)' }[format])
    expect(title).toContain('4 training, 2 validation and 1 test images')
  })

  it.each(Object.entries(undivided))('without splits is divided always alike: %s', async (_, write) => {
    await write(folder)
    const { classes, train, val, test, title } = await open()
    expect(title).toContain('no splits, so a fifth of the images is for testing (seed 0)')
    expect([train.length, val, test.length]).toEqual([5, undefined, 2])
    const sorted = [...content(train, classes), ...content(test, classes)].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )
    const all = Object.values(examples).flat()
    expect(sorted).toEqual(expected(all.toSorted((a, b) => (a.name < b.name ? -1 : 1))))
    const again = await open()
    expect(content(again.test, classes)).toEqual(content(test, classes))
  })
})

describe('a file with boxes, instead of its folder', () => {
  it.each([
    ['COCO 2017', 'annotations/instances_train2017.json', 'coco', examples.train],
    ['COCO of Roboflow', 'train/_annotations.coco.json', 'coco', examples.train],
    ['YOLO of Ultralytics', 'data.yaml', 'yolo', undefined],
  ] as const)(
    'of %s is recognised, with the images of it alone: %s',
    async (layout, name, format, images) => {
      await layouts[layout]!.write(folder)
      const file = join(folder, name)
      expect(await recognisedData(file)).toEqual({ name: 'boxes', directory: file })
      const dataset = await openDetectionDataset({ name: 'boxes', directory: file, size: 64 })
      const { classes, train, test, title } = dataset
      expect([dataset.layout?.format, classes]).toEqual([format, ['bird', 'cat']])
      expect(title).toContain(`images with boxes of the file ${basename(name)} (`)
      if (images === undefined) expect(content(train, classes)).toEqual(expected(examples.train))
      else {
        const all = [...content(train, classes), ...content(test, classes)]
        expect(all.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(expected(images))
      }
    },
  )

  it('of another format is refused with the folder to give', async () => {
    await layouts['Pascal VOC']!.write(folder)
    const [xml] = globSync('**/*.xml', { cwd: folder, absolute: true })
    expect(await recognisedData(xml!)).toBeUndefined()
    await expect(openDetectionDataset({ name: 'boxes', directory: xml!, size: 64 })).rejects.toMatchObject({
      ...{ kind: 'data', help: expect.stringContaining('give the folder of the data set') },
    })
  })
})

describe('a folder of classes', () => {
  it('is no folder with boxes, whatever texts and tables are in it', async () => {
    for (const name of ['train/cat/1.jpg', 'train/dog/2.jpg', 'val/cat/3.jpg'])
      writeFile(folder, name, 'an image')
    writeFile(
      folder,
      'metadata.json',
      '{"info": {}, "images": [{"path": "train/cat/1.jpg", "label": "cat"}]}',
    )
    writeFile(folder, 'results.json', '{"categories": ["cat", "dog"], "annotations": []}')
    writeFile(folder, 'train/cat/notes.txt', 'a cat')
    writeFile(folder, 'train/cat/1.xml', '<html/>')
    writeFile(folder, 'config.yaml', 'names: x\n')
    expect(await findBoxes(folder)).toBeUndefined()
  })
})
