import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { recognisedData } from './choose.ts'
import { needDirectory } from './missing-directory.ts'

it('recognises a data set by its name, and by what its folder holds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-choose-'))
  const write = (path: string, text: string): string => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
    return join(folder, path)
  }
  expect(await recognisedData('sample')).toEqual({ name: 'sample', directory: null })
  write('classes/cat/1.jpg', '')
  write('coco/annotations/instances_train2017.json', '{}')
  const labels = write('labels/labels.csv', 'path,labels\n1.jpg,a;b\n')
  const single = write('single/labels.csv', 'path,label\n1.jpg,a\n')
  for (const [directory, name] of [
    [join(folder, 'classes'), 'folder'],
    [join(folder, 'coco'), 'coco'],
    [join(folder, 'labels'), 'multi-label'],
    [labels, 'multi-label'],
    [join(folder, 'single'), 'folder'],
    [single, 'folder'],
  ])
    expect(await recognisedData(directory!)).toEqual({ name, directory })
  // A table beside folders of classes is no labels file unless it begins as one.
  write('classes/labels.csv', 'id,name\n')
  expect(await recognisedData(join(folder, 'classes'))).toMatchObject({ name: 'folder' })
  expect(await recognisedData(join(folder, 'classes', 'cat', '1.jpg'))).toBeUndefined()
  expect(await recognisedData(join(folder, 'none'))).toBeUndefined()
})

it.each([
  ['folder', 'the images', 'one folder a class'],
  ['multi-label', 'the labels', 'docs/guide/multi-label.md'],
  ['coco', 'annotations and images', 'docs/guide/detection-data.md'],
  ['cifar10', 'cifar10', 'moiety data get cifar10'],
] as const)('says what the folder of %s holds where none is named', (name, held, help) => {
  expect(needDirectory({ name, directory: 'x' })).toBe('x')
  expect(() => needDirectory({ name, directory: null })).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: `expected the folder of ${held}, got none`,
      help: expect.stringContaining(help),
    }),
  )
})
