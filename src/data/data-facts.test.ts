import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFacts } from './data-facts.ts'

const root = mkdtempSync(join(tmpdir(), 'moiety-facts-'))
afterAll(() => rmSync(root, { recursive: true }))

async function write(path: string, width: number, height: number): Promise<void> {
  mkdirSync(join(path, '..'), { recursive: true })
  await sharp({ create: { width, height, channels: 3, background: 'teal' } })
    .jpeg()
    .toFile(path)
}

describe('facts of a data set', () => {
  const folder = join(root, 'folder')
  beforeAll(async () => {
    for (let i = 0; i < 10; i++) {
      await write(join(folder, 'cat', `${i}.jpg`), 200 + i, 100)
      await write(join(folder, 'dog', `${i}.jpg`), 300, 400)
    }
  })

  it('counts the images of a folder that are to train on, and takes medians of their sides', async () => {
    const facts = await dataFacts({ name: 'folder', directory: folder })
    expect(facts).toEqual({ kind: 'classes', classes: 2, images: 16, shorter: 300, longer: 400 })
    const limited = await dataFacts({ name: 'folder', directory: folder, limit: { train: 5 } })
    expect(limited?.images).toBe(5)
  })

  it('reads headers only: an image that is damaged behind its header counts, one without a header does not', async () => {
    const damaged = join(root, 'damaged')
    await write(join(damaged, 'cat', '1.jpg'), 640, 480)
    await write(join(damaged, 'dog', '1.jpg'), 64, 48)
    const whole = readFileSync(join(damaged, 'cat', '1.jpg'))
    writeFileSync(join(damaged, 'cat', '1.jpg'), whole.subarray(0, 700))
    await expect(sharp(whole.subarray(0, 700)).raw().toBuffer()).rejects.toThrow()
    writeFileSync(join(damaged, 'dog', '1.jpg'), 'no image')
    const facts = await dataFacts({ name: 'folder', directory: damaged })
    expect(facts).toMatchObject({ shorter: 480, longer: 640 })
  })

  it('has no sides where nothing could be looked at', async () => {
    const text = join(root, 'text')
    for (const name of ['a', 'b']) {
      mkdirSync(join(text, name), { recursive: true })
      writeFileSync(join(text, name, '1.jpg'), 'no image')
    }
    expect(await dataFacts({ name: 'folder', directory: text })).toMatchObject({ shorter: undefined })
  })

  it('knows images with several labels, and their split', async () => {
    const labels = join(root, 'labels')
    for (let i = 0; i < 4; i++) await write(join(labels, `${i}.jpg`), 120, 90)
    writeFileSync(
      join(labels, 'labels.csv'),
      'path,labels,split\n0.jpg,a;b,train\n1.jpg,a,train\n2.jpg,b,train\n3.jpg,a;b,test\n',
    )
    const facts = await dataFacts({ name: 'multi-label', directory: labels })
    expect(facts).toEqual({ kind: 'labels', classes: 2, images: 3, shorter: 90, longer: 120 })
  })

  it('takes sizes of images with boxes from the annotations', async () => {
    const boxes = join(root, 'boxes')
    mkdirSync(join(boxes, 'annotations'), { recursive: true })
    const coco = (images: number) => ({
      images: Array.from({ length: images }, (_, i) => ({
        id: i + 1,
        file_name: `${i}.jpg`,
        width: 640,
        height: 480,
      })),
      annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 1, 50, 50], area: 2500, iscrowd: 0 }],
      categories: [{ id: 1, name: 'thing' }],
    })
    writeFileSync(join(boxes, 'annotations', 'instances_train2017.json'), JSON.stringify(coco(7)))
    writeFileSync(join(boxes, 'annotations', 'instances_val2017.json'), JSON.stringify(coco(2)))
    const facts = await dataFacts({ name: 'coco', directory: boxes })
    expect(facts).toEqual({ kind: 'boxes', classes: 1, images: 7, shorter: 480, longer: 640 })
  })

  it('is silent on what is drawn', async () => {
    expect(await dataFacts({ name: 'sample', directory: null })).toBeUndefined()
    expect(await dataFacts({ name: 'cifar100', directory: root })).toMatchObject({
      classes: 100,
      shorter: 32,
    })
  })
})
