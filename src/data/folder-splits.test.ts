import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { Split } from './dataset.ts'
import { openFolder } from './folder.ts'
import { openDataset } from './open-dataset.ts'
import { composedSplits, roleOf } from './split-names.ts'

let directory = ''
let pixel = Buffer.alloc(0)
beforeAll(async () => {
  pixel = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#123' } })
    .png()
    .toBuffer()
})
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moiety-splits-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function file(path: string, content: string | Uint8Array = pixel): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), content)
}

/** `images({ 'train/cat': 3 })` writes three images into that folder. */
async function images(counts: Readonly<Record<string, number>>): Promise<void> {
  for (const [folder, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) await file(`${folder}/${i}.png`)
}

async function refusal(): Promise<string> {
  const error = await openFolder({ directory, size: 8 }).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof MoietyError)) throw error ?? new Error('nothing failed')
  return `${error.exitCode} ${error.describe()}`
}

const labels = (split: Split | undefined): number[] | undefined => split && [...split.labels]

describe('the name of a split', () => {
  it.each([
    ...[
      'train',
      'Train',
      'TRAINING',
      'trn',
      'train_set',
      'trainset',
      'train-images',
      'train2017',
      '01_train',
    ].map(name => [name, 'train'] as const),
    ...['val', 'Valid', 'VALIDATION', 'dev', 'validation_set', 'valdata', 'val 2017'].map(
      name => [name, 'val'] as const,
    ),
    ...['test', 'Testing', 'TST', 'test_set', 'eval', 'evaluation', 'images.test'].map(
      name => [name, 'test'] as const,
    ),
    ...['cat', 'trains', 'train_station', 'testtube', 'images', 'data', '2017', 'développé', 'détest'].map(
      name => [name, undefined] as const,
    ),
  ])('%s is %s', (name, role) => {
    expect(roleOf(name)).toBe(role)
  })

  it('may be composed only where two splits share the rest', () => {
    expect(composedSplits(['seg_train', 'seg_test', 'seg_pred'])).toEqual(['seg_train', 'seg_test'])
    expect(composedSplits(['train_station', 'bus_station', 'test_tube'])).toEqual([])
  })
})

describe('a folder with splits', () => {
  it.each([
    ['train', 'val', 'test'],
    ['Train', 'Valid', 'Test'],
    ['training', 'validation', 'testing'],
    ['TRN', 'DEV', 'TST'],
    ['training_set', 'validation_set', 'test_set'],
  ])('recognises %s, %s and %s', async (train, val, test) => {
    await images({ [`${train}/cat`]: 3, [`${train}/dog`]: 2, [`${val}/cat`]: 1, [`${val}/dog`]: 2 })
    await images({ [`${test}/cat`]: 2, [`${test}/dog`]: 1 })
    const dataset = await openFolder({ directory, size: 8 })
    expect([dataset.classes, dataset.superclasses]).toEqual([['cat', 'dog'], undefined])
    expect(labels(dataset.train)).toEqual([0, 0, 0, 1, 1])
    expect(labels(dataset.val)).toEqual([0, 1, 1])
    expect(labels(dataset.test)).toEqual([0, 0, 1])
    expect(dataset.title).toContain(': 2 classes, 5 training, 3 validation and 3 test images')
    expect(dataset.notices).toEqual([])
  })

  it('may have only val or only test beside train, or train alone', async () => {
    await images({ 'Train/a': 5, 'Train/b': 5, 'Test/a': 1, 'Test/b': 1 })
    const both = await openFolder({ directory, size: 8 })
    expect([labels(both.val), labels(both.test)]).toEqual([undefined, [0, 1]])
    await rename(join(directory, 'Test'), join(directory, 'valid'))
    const validated = await openFolder({ directory, size: 8 })
    expect([labels(validated.val), labels(validated.test)]).toEqual([[0, 1], []])
    expect(validated.title).toContain('2 classes, 10 training and 2 validation images')
    await rm(join(directory, 'valid'), { recursive: true })
    const alone = await openFolder({ directory, size: 8 })
    expect([alone.train.length, labels(alone.val), labels(alone.test)]).toEqual([8, undefined, [0, 1]])
    expect([alone.classes, alone.superclasses]).toEqual([['a', 'b'], undefined])
  })

  it('may have superclasses in each split', async () => {
    await images({ 'train/pets/cat': 2, 'train/farm/cow': 2, 'val/farm/cow': 1, 'test/pets/cat': 1 })
    const { classes, superclasses, val, test } = await openFolder({ directory, size: 8 })
    expect([classes, superclasses]).toEqual([
      ['cow', 'cat'],
      ['farm', 'pets'],
    ])
    expect([labels(val), labels(test), [...test.coarse!]]).toEqual([[0], [1], [1]])
  })

  it('lists junk once, with counts, and classes without images in a split', async () => {
    await images({ 'train/cat': 2, 'train/dog': 2, 'test/cat': 1, '__MACOSX/train/cat': 1 })
    await mkdir(join(directory, 'test', 'dog'))
    for (const place of ['.DS_Store', 'train/.DS_Store', 'test/cat/.DS_Store', 'train/cat/._0.png'])
      await file(place, 'x')
    for (const place of ['train/cat/Thumbs.db', 'train/dog/desktop.ini', 'README.dataset.txt', 'classes.csv'])
      await file(place, 'x')
    await file('train/dog/readme.txt', 'x')
    const { classes, train, notices } = await openFolder({ directory, size: 8 })
    expect([classes, train.length]).toEqual([['cat', 'dog'], 4])
    expect(notices).toEqual([
      'ignored, because they are not part of the data: .DS_Store (3 times), ._*, README.dataset.txt, Thumbs.db, __MACOSX, classes.csv, desktop.ini, readme.txt',
      'classes without an image in the test split, which are not measured there: dog (1 of 2)',
    ])
  })

  it('does not mistake images with a name like junk for it, nor other files next to images', async () => {
    await images({ 'train/a': 1, 'train/b': 1, 'test/a': 1 })
    await file('train/a/readme_1.png')
    expect((await openFolder({ directory, size: 8 })).train.length).toBe(3)
    await file('train/a/labels.txt', 'x')
    expect(await refusal()).toContain('not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image')
  })

  it('reports a split without images', async () => {
    await images({ 'train/a': 3, 'train/b': 3, 'val/a': 1, 'val/b': 1 })
    for (const name of ['a', 'b']) await mkdir(join(directory, 'test', name), { recursive: true })
    expect((await openFolder({ directory, size: 8 })).notices).toEqual([
      'the test split has no images and cannot be used for testing',
    ])
    await rm(join(directory, 'val'), { recursive: true })
    for (const name of ['a', 'b']) await mkdir(join(directory, 'val', name), { recursive: true })
    expect(await refusal()).toContain('expected val images to test on, found none that can be used')
  })

  it('applies a limit to all splits', async () => {
    await images({ 'train/a': 4, 'train/b': 4, 'val/a': 3, 'val/b': 3, 'test/a': 3, 'test/b': 3 })
    const limit = { train: 4, test: 2 }
    const dataset = await openDataset({ name: 'folder', directory, size: 8, limit })
    expect([dataset.train.length, dataset.val?.length, dataset.test.length]).toEqual([4, 2, 2])
    expect(dataset.title).toContain(
      ': 2 classes, 8 training, 6 validation and 6 test images, of which 4 training, 2 validation and 2 test images are used',
    )
    const whole = await openDataset({ name: 'folder', directory, size: 8, limit: { train: 8, test: 6 } })
    expect(whole.title).not.toContain('are used')
  })
})

describe('a folder that looks like splits', () => {
  it.each<[string, Readonly<Record<string, number>>, RegExp]>([
    [
      'a split beside a class',
      { 'train/a': 2, 'test/a': 2, cat: 2 },
      /found train\/, test\/, named like a split, next to cat\//,
    ],
    [
      'a class that is called like a split',
      { train: 2, car: 2 },
      /found train\/, named like a split, next to car\//,
    ],
    ['one split twice', { 'train/a': 2, 'val/a': 2, 'valid/a': 2 }, /found two for val: val and valid/],
    [
      'one split in two cases',
      { 'train/a': 2, 'Train/a': 2, 'test/a': 1 },
      /found two for train: Train and train/,
    ],
    ['no train', { 'val/a': 2, 'test/a': 2 }, /found val\/, test\/ and no train\//],
    ['splits within classes', { 'cat/train': 2, 'cat/test': 2, 'dog/train': 2 }, /Swap them: t.*\/cat\//],
    [
      'one split within classes',
      { 'cat/train': 2, 'dog/train': 2 },
      /found splits within a class: cat\/train\//,
    ],
    [
      'splits one level down',
      { 'archive/train/a': 2, 'archive/test/a': 2 },
      /Did you mean the folder archive/,
    ],
    [
      'splits of images and labels',
      { 'images/train': 2, 'labels/train': 2, 'images/val': 2 },
      /within a class/,
    ],
    [
      'composed names',
      { 'seg_train/a': 2, 'seg_test/a': 2 },
      /seg_test\/ and seg_train\/, which look like splits/,
    ],
  ])('is refused, with the layouts that are supported: %s', async (_, tree, message) => {
    await images(tree)
    const said = await refusal()
    expect(said).toMatch(/^3 error: expected folders of classes or of splits, /)
    expect(said).toMatch(message)
    expect(said).toContain('DIR/train/class/image')
    expect(said).toContain('val (valid, validation, dev)')
  })

  it('is refused where an image lies beside splits, or in a split without a class', async () => {
    await images({ 'train/a': 2, 'test/a': 2 })
    await file('stray.png')
    expect(await refusal()).toMatch(/^3 error: expected folders of splits only, found the file stray\.png/)
    await rm(join(directory, 'stray.png'))
    await file('test/1.png')
    expect(await refusal()).toMatch(/found the file 1\.png\n {2}at .*test\n/)
  })

  it('is refused where one folder is two splits by a link', async () => {
    await images({ 'train/a': 2, 'test/a': 2 })
    await symlink('test', join(directory, 'val'))
    expect(await refusal()).toContain('found one folder as both test and val')
  })

  it('is refused where a test class has no training images, and its name in training is reported', async () => {
    await images({ 'train/Cat': 2, 'train/dog': 2, 'test/cat': 2, 'test/dog': 1 })
    const said = await refusal()
    expect(said).toMatch(
      /expected test images of classes that have training images, found the class cat, which has none/,
    )
    expect(said).toContain('in training its name is Cat')
  })

  it('has no splits where a superclass has a class that is called like a split', async () => {
    await images({ 'vehicles/train': 5, 'vehicles/car': 5, 'pets/cat': 5 })
    expect((await openFolder({ directory, size: 8 })).classes).toEqual(['cat', 'car', 'train'])
  })

  it('has no splits where a class below train is called like a split', async () => {
    await images({ 'train/train': 2, 'train/car': 2, 'test/train': 1, 'test/car': 1 })
    expect((await openFolder({ directory, size: 8 })).classes).toEqual(['car', 'train'])
  })
})

describe('superclasses that have the same classes', () => {
  it.each([
    ['tr', 'va', 'te'],
    ['Trainingsdaten', 'Testdaten'],
    ['trainX', 'testX', 'holdout'],
  ])('are refused where they are called like splits: %s, %s', async (...names) => {
    for (const name of names) await images({ [`${name}/cat`]: 3, [`${name}/dog`]: 3 })
    expect(await refusal()).toMatch(/3 error: .*which have the same classes and look like splits/)
  })

  it('are read as such otherwise, and reported: folds may be splits, fresh and rotten fruit are not', async () => {
    await images({ 'fresh/apple': 5, 'fresh/pear': 5, 'rotten/apple': 5, 'rotten/pear': 5 })
    const { classes, notices } = await openFolder({ directory, size: 8 })
    expect(classes).toEqual(['fresh/apple', 'fresh/pear', 'rotten/apple', 'rotten/pear'])
    expect(notices).toEqual([
      'fresh/, rotten/ have the same classes, and are read as superclasses: 4 classes in all. If they are splits, name them train/, val/ and test/',
    ])
    await images({ 'rotten/plum': 5, 'tr/apple': 5 })
    expect((await openFolder({ directory, size: 8 })).notices).toEqual([])
  })

  it('are taken as they are within a split', async () => {
    await images({ 'train/tr/a': 2, 'train/te/a': 2, 'test/te/a': 1 })
    expect((await openFolder({ directory, size: 8 })).notices?.join()).not.toContain('splits')
  })
})
