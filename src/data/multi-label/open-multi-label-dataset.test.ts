import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { shapeNames, writeTinyMultiLabel } from '../../../test/tiny-multi-label.ts'
import { holdsLabels } from '../tables/find-label-files.ts'
import { splitByLabels, spreadOverLabels } from './label-splits.ts'
import { openMultiLabel } from './open-multi-label-dataset.ts'

const newFolder = () => mkdtempSync(join(tmpdir(), 'moiety-multi-label-'))
const folder = newFolder()

beforeAll(async () => {
  await writeTinyMultiLabel(folder, { train: 20, val: 6, test: 4 })
})

describe('openMultiLabel', () => {
  it('has the images of each split with their labels', async () => {
    const data = await openMultiLabel({ directory: folder })
    expect(data.classes).toEqual(shapeNames.toSorted())
    expect([data.train.length, data.val?.length, data.test.length]).toEqual([20, 6, 4])
    expect(data.title).toContain('4 classes, 20 training, 6 validation and 4 test images')
    const [, first, second] = readFileSync(join(folder, 'labels.csv'), 'utf8').split('\n')
    for (const [row, line] of [first!, second!].entries()) {
      const labels = line.split(',')[1]!.split(';')
      const own = data.train.targets.subarray(4 * row, 4 * row + 4)
      expect([...own]).toEqual(data.classes.map(name => Number(labels.includes(name))))
    }
    const both = await data.train.load([0, 3])
    expect(both).toHaveLength(2 * 3 * 32 * 32)
    expect(await data.train.load([3])).toEqual(both.subarray(3 * 32 * 32))
    await expect(data.val!.load([6])).rejects.toThrow(RangeError)
  })

  it('decodes images when asked for where memory is short, to the same pixels', async () => {
    const [kept, decoded] = await Promise.all([
      openMultiLabel({ directory: folder }),
      openMultiLabel({ directory: join(folder, 'labels.csv'), memory: 0 }),
    ])
    expect(await decoded.test.load([1, 2])).toEqual(await kept.test.load([1, 2]))
    expect(decoded.content).toBe(kept.content)
  })

  it('keeps so many of each split as a limit says', async () => {
    const data = await openMultiLabel({ directory: folder, limit: { train: 8, test: 3 } })
    expect([data.train.length, data.val?.length, data.test.length]).toEqual([8, 3, 3])
    expect(data.title).toContain('of which 8 training, 3 validation and 3 test images are used')
    for (const label of [0, 1, 2, 3])
      expect(data.train.targets.some((target, at) => target === 1 && at % 4 === label)).toBe(true)
  })

  it('takes a fifth for testing where there are no splits', async () => {
    const lines = readFileSync(join(folder, 'labels.csv'), 'utf8').trim().split('\n')
    const file = join(folder, 'all.csv')
    writeFileSync(file, lines.map(line => line.split(',').slice(0, 2).join(',')).join('\n'))
    const data = await openMultiLabel({ directory: file })
    expect(data.val).toBeUndefined()
    expect(data.train.length + data.test.length).toBe(30)
    expect(Math.abs(data.test.length - 6)).toBeLessThanOrEqual(2)
    expect((await openMultiLabel({ directory: file, seed: 1 })).content).not.toBe(data.content)
  })

  it('names the line of an image that is missing, no image, or outside; skips those that cannot be read', async () => {
    const own = await writeTinyMultiLabel(newFolder(), { train: 3, val: 1 })
    const file = join(own, 'labels.csv')
    appendFileSync(file, 'images/none.png,disc,train\n')
    await expect(openMultiLabel({ directory: own })).rejects.toMatchObject({
      message: expect.stringMatching(/none\.png, which cannot be opened: .*ENOENT/),
      where: `${file}, line 6`,
    })
    writeFileSync(join(own, 'images', 'none.png'), 'text')
    await expect(openMultiLabel({ directory: own })).rejects.toThrow('an image that can be read')
    rmSync(join(own, 'images', 'train-0.png'))
    const data = await openMultiLabel({ directory: own, unreadable: 'skip' })
    expect(data.train.length).toBe(2)
    expect(data.skipped.map(({ path }) => path.slice(-11))).toEqual(
      ['s/none.png', 'train-0.png'].map(p => expect.stringContaining(p)),
    )
    symlinkSync(join(folder, 'images', 'train-0.png'), join(own, 'images', 'train-0.png'))
    await expect(openMultiLabel({ directory: own })).rejects.toThrow('a link that leads out of it')
    appendFileSync(file, '../outside.png,disc,train\n')
    await expect(openMultiLabel({ directory: own, unreadable: 'skip' })).rejects.toMatchObject({
      where: `${file}, line 7`,
    })
  })

  it('reports classes that a split does not show', async () => {
    const own = await writeTinyMultiLabel(newFolder(), { train: 3, val: 1 })
    const file = join(own, 'labels.csv')
    writeFileSync(file, 'path,split,a,b\nimages/train-0.png,train,1,0\nimages/val-0.png,val,1,1\n')
    const { notices } = await openMultiLabel({ directory: own })
    expect(notices).toEqual([
      'labels are from labels.csv (path, 2 columns of classes, split); any number an image',
      'classes that no image of the train split shows, which are not learned: b (1 of 2)',
    ])
  })

  it('refuses a folder without labels, or with two labels files', async () => {
    const own = newFolder()
    await expect(openMultiLabel({ directory: own })).rejects.toThrow('found none of them')
    await expect(openMultiLabel({ directory: join(own, 'x') })).rejects.toThrow('found nothing')
    writeFileSync(join(own, 'labels.csv'), 'path,labels\n')
    writeFileSync(join(own, 'labels.json'), '[{"path": "a", "labels": []}]')
    await expect(openMultiLabel({ directory: own })).rejects.toThrow('expected one labels file')
  })
})

describe('holdsLabels', () => {
  it('recognises labels files by how they begin', () => {
    const own = newFolder()
    const file = join(own, 'labels.csv')
    expect(holdsLabels(folder)).toBe(true)
    expect(holdsLabels(own)).toBe(false)
    // Of a folder of classes, beside which another table lies.
    writeFileSync(file, 'id,label\n1,cat\n')
    expect(holdsLabels(own)).toBe(false)
    writeFileSync(file, '\ufeff"path",cat\r\n')
    expect(holdsLabels(own)).toBe(true)
    writeFileSync(file, '')
    writeFileSync(join(own, 'labels.json'), '{"0": "cat"}')
    expect(holdsLabels(own)).toBe(false)
    writeFileSync(join(own, 'labels.json'), ' [{"path": "a", "labels": []}]')
    expect(holdsLabels(own)).toBe(true)
  })
})

describe('the choice of images', () => {
  const images = Array.from({ length: 200 }, (_, i) => ({
    labels: [...(i % 2 === 0 ? [0] : []), ...(i % 3 === 0 ? [1] : []), ...(i % 20 === 0 ? [2] : [])],
  }))
  const count = (some: readonly { readonly labels: readonly number[] }[], label: number) =>
    some.filter(({ labels }) => (label === 3 ? labels.length === 0 : labels.includes(label))).length

  it('divides each class and the images without a label, one fifth for testing', () => {
    const { train, test } = splitByLabels(images, 3, 0)
    expect(train.length + test.length).toBe(200)
    for (const label of [0, 1, 2, 3]) expect(count(test, label) / count(images, label)).toBeCloseTo(0.2, 1)
    expect(splitByLabels(images, 3, 0).test).toEqual(test)
    expect(splitByLabels([{ labels: [0] }, { labels: [0] }], 1, 0).test).toEqual([])
  })

  it('takes turns over the classes, and keeps of a larger limit what a smaller one keeps', () => {
    const few = spreadOverLabels(images, 3, 8)
    expect(few).toHaveLength(8)
    for (const label of [0, 1, 2, 3]) expect(count(few, label)).toBeGreaterThanOrEqual(2)
    const more = spreadOverLabels(images, 3, 50)
    expect(few.every(image => more.includes(image))).toBe(true)
    expect(spreadOverLabels(images, 3, 200)).toBe(images)
    expect(spreadOverLabels(images, 3, 199)).toHaveLength(199)
  })
})
