import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { layouts } from './box-layouts.ts'
import { moiety, newFolder, tinyConfig, writeRecipe } from './tiny.ts'
import { tinyDetector } from './tiny-detection.ts'

/** What a user gets from a folder with boxes in a format other than COCO's own, with nothing set but the recipe of a detector. */
const folder = newFolder()

async function recipe(name: string, config: object): Promise<string> {
  const place = join(folder, name)
  mkdirSync(place)
  return writeRecipe(place, config)
}

/** Text that was broken into lines, in one. */
const flat = (text: string): string => text.replaceAll(/\s+/g, ' ')

let detector = ''
let classifier = ''
beforeAll(async () => {
  const { data: _, ...config } = tinyDetector('', null)
  detector = await recipe('detector', { ...config, data: { name: 'scenes', size: 128 } })
  classifier = await recipe('classifier', tinyConfig(folder))
})

describe.each(['YOLO of Roboflow', 'Pascal VOC'] as const)('a folder in the layout %s', layout => {
  it('is trained on, evaluated, explained and predicted with', async () => {
    const data = join(folder, layout)
    await layouts[layout]!.write(data)
    const run = join(folder, `run of ${layout}`)
    const trained = await moiety('train', detector, '--data', data, '--out', run)
    expect(trained.code, trained.stderr).toBe(0)
    expect(flat(trained.stderr)).toContain(
      `(${layout.startsWith('YOLO') ? 'YOLO' : 'Pascal VOC'}): 2 classes, 4 training, 2 validation and 1 test images`,
    )
    expect(flat(trained.stderr)).toContain('7 objects of a format without areas, width × height')
    const evaluated = await moiety('eval', run, '--split', 'test')
    expect(evaluated.code, evaluated.stderr).toBe(0)
    expect(evaluated.stdout).toMatch(/APs +\S+ +small, area up to 32² \*/)
    expect(evaluated.stdout).toMatch(/AP by size +1 objects of a format without areas: width × height/)
    for (const line of evaluated.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    const json = await moiety('eval', run, '--json', '--data', data)
    expect(JSON.parse(json.stdout)).toMatchObject({
      details: {
        counts: { objects: 2 },
        changes: [{ measure: 'AP by size', text: expect.stringContaining('2 objects') }],
      },
    })
    const explained = await moiety('explain', run)
    expect(explained.code, explained.stderr).toBe(0)
    expect(flat(explained.stdout)).toContain('Changes AP by size: 2 objects of a format without areas')
    const images = await moiety(
      'predict',
      run,
      join(data, layout.startsWith('YOLO') ? 'test/images/f.jpg' : 'VOCdevkit/VOC2012/JPEGImages/f.jpg'),
      '--out',
      join(folder, `page of ${layout}`),
    )
    expect(images.code, images.stderr).toBe(0)
  })
})

it('with boxes and the recipe of a classifier names the recipes of detectors', async () => {
  const data = join(folder, 'boxes')
  await layouts['YOLO by split']!.write(data)
  const { code, stderr } = await moiety('train', classifier, '--data', data, '--out', join(folder, 'none'))
  expect(code).toBe(2)
  expect(flat(stderr)).toContain(
    'boxes has boxes and no single class an image, but the model is a classifier',
  )
  expect(flat(stderr)).toContain('moiety train scenes --data DIR')
  expect(existsSync(join(folder, 'none'))).toBe(false)
})

it('without annotations and the recipe of a detector names the formats', async () => {
  const data = join(folder, 'unannotated')
  await layouts['YOLO by split']!.write(data)
  for (const split of ['train', 'val', 'test']) rmSync(join(data, split, 'labels'), { recursive: true })
  const { code, stderr } = await moiety('train', detector, '--data', data)
  expect(code).toBe(2)
  expect(flat(stderr)).toContain('no annotations in a layout of COCO, YOLO or Pascal VOC')
})

it('annotation files are named by the configuration, and mistakes refused by data.strict', async () => {
  const data = join(folder, 'named')
  await layouts['COCO 2017']!.write(data)
  const set = (...pairs: string[]) => pairs.flatMap(pair => ['--set', pair])
  const run = join(folder, 'run of named')
  const places = set(
    'data.annotations.train=annotations/instances_val2017.json',
    'data.annotations.val=annotations/instances_test2017.json',
    'data.images.train=val2017',
    'data.images.val=test2017',
  )
  const { code, stderr } = await moiety('train', detector, '--data', data, ...places, '--out', run)
  expect(code, stderr).toBe(0)
  expect(flat(stderr)).toContain('2 training and 1 validation images')
  const labels = join(folder, 'labels')
  await layouts['YOLO without data.yaml']!.write(labels)
  rmSync(join(labels, 'classes.txt'))
  const strict = await moiety(
    'train',
    detector,
    '--data',
    labels,
    ...set('data.strict=true'),
    '--out',
    join(folder, 'strict'),
  )
  expect(strict.code).toBe(3)
  expect(flat(strict.stderr)).toContain('got 2 classes without a name: class 0, class 1')
})
