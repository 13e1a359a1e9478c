import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recognisedData } from '../choose.ts'
import { openFolder } from '../folder.ts'
import { readLabelled } from './read-labelled.ts'

let outer = ''
let directory = ''
beforeEach(async () => {
  outer = await mkdtemp(join(tmpdir(), 'moiety-table-'))
  directory = join(outer, 'data')
  await mkdir(directory)
})
afterEach(() => rm(outer, { recursive: true }))

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), content)
}

/** A plain image whose red value is `red`. */
async function image(path: string, red: number): Promise<void> {
  const create = { width: 8, height: 8, channels: 3, background: { r: red, g: 0, b: 0 } } as const
  await write(path, await sharp({ create }).png().toBuffer())
}

/** The red value and the class of each image of each split. */
async function content(options: { unreadable?: 'stop' | 'skip'; followLinks?: boolean } = {}) {
  expect(await recognisedData(directory)).toEqual({ name: 'folder', directory })
  const data = await openFolder({ directory, size: 8, ...options })
  const sides: Record<string, string[]> = {}
  for (const name of ['train', 'val', 'test'] as const) {
    const split = data[name]
    if (split === undefined) continue
    const pixels = await split.load(Array.from({ length: split.length }, (_, i) => i))
    sides[name] = Array.from(split.labels, (label, i) => `${pixels[i * 192]} ${data.classes[label]}`)
  }
  return { data, sides }
}

const both = { train: ['10 cat', '20 dog'], test: ['30 dog'] }

async function threeImages(folder = ''): Promise<void> {
  for (const [name, red] of [
    ['a', 10],
    ['b', 20],
    ['c', 30],
  ] as const)
    await image(`${folder}${name}.png`, red)
}

it('reads labels.csv, whose content is that of the same images elsewhere', async () => {
  await threeImages('images/')
  await write(
    'labels.csv',
    'path,label,split\nimages/a.png,cat,train\nimages/b.png,dog,train\nimages/c.png,dog,test\n',
  )
  const { data, sides } = await content()
  expect(sides).toEqual(both)
  expect(data.title).toBe('images of the folder data: 2 classes, 2 training and 1 test images')
  expect(data.notices).toEqual([
    'labels are from labels.csv (path, label, split): every image has one; data.name=multi-label reads any number an image',
    'classes without an image in the test split, which are not measured there: cat (1 of 2)',
  ])
  await rm(directory, { recursive: true })
  for (const [path, red] of [
    ['train/cat/1.png', 10],
    ['train/dog/2.png', 20],
    ['test/dog/3.png', 30],
  ] as const)
    await image(path, red)
  expect((await openFolder({ directory })).content).toBe(data.content)
})

it.each([
  [
    'without endings, in a folder of images',
    'img/',
    { 'labels.csv': 'id,breed,split\na,cat,train\nb,dog,train\nc,dog,test\n' },
  ],
  [
    'one file for each split',
    'images/',
    { 'train.csv': 'image;label\na.png;cat\nb.png;dog\n', 'test.csv': 'image;label\nc.png;dog\n' },
  ],
  [
    'train_labels.tsv and val_labels.tsv',
    '',
    {
      'train_labels.tsv': 'image\tlabel\na.png\tcat\nb.png\tdog\n',
      'test_labels.tsv': 'image\tlabel\nc.png\tdog\n',
      'sample_submission.csv': 'image,label\nx.png,0\n',
    },
  ],
  [
    'backslashes',
    'images/',
    {
      'data.csv':
        'file,class,set\nimages\\a.png,cat,train\nimages\\b.png,dog,train\nimages\\c.png,dog,test\n',
    },
  ],
  [
    'metadata.jsonl',
    '',
    {
      'metadata.jsonl':
        '{"file_name":"a.png","label":"cat","split":"train"}\n{"file_name":"b.png","label":"dog","split":"train"}\n{"file_name":"c.png","label":"dog","split":"test"}',
    },
  ],
] as const)('reads labels %s', async (_, folder, files) => {
  await threeImages(folder)
  for (const [name, text] of Object.entries(files)) await write(name, text)
  expect((await content()).sides).toEqual(both)
})

it('reads metadata in the folder of each split, and names that two splits have', async () => {
  await image('train/a.png', 10)
  await image('train/b.png', 20)
  await image('test/a.png', 30)
  await write('train/metadata.csv', 'file_name,label\na.png,cat\nb.png,dog\n')
  await write('test/metadata.jsonl', '{"file_name": "a.png", "label": "dog"}')
  expect((await content()).sides).toEqual(both)
})

it('reads a labels file that is named, and divides images without splits', async () => {
  const lines = ['path,label']
  for (let i = 0; i < 10; i++) {
    await image(`${i}.png`, i)
    lines.push(`${i}.png,${i % 2}`)
  }
  await write('labels.csv', lines.join('\n'))
  const { title, train, test } = await openFolder({ directory: join(directory, 'labels.csv') })
  expect(title).toBe('images of the table labels.csv: 2 classes, 8 training and 2 test images')
  expect([[...train.labels].sort(), [...test.labels].sort()]).toEqual([
    [0, 0, 0, 0, 1, 1, 1, 1],
    [0, 1],
  ])
})

it('ignores tables without images and labels next to folders of classes', async () => {
  for (const name of ['cat/1.png', 'cat/2.png', 'dog/1.png', 'dog/2.png']) await image(name, 1)
  await write('classes.csv', 'id,name\n1,cat\n2,dog\n')
  await write('boxes.csv', 'filename,xmin,ymin,class\ncat/1.png,0,0,cat\n')
  expect((await content()).data.classes).toEqual(['cat', 'dog'])
})

it.each([
  ['../outside.png', 'expected a relative path inside'],
  ['/etc/passwd', 'expected a relative path inside'],
  ['C:\\x.png', 'expected a relative path inside'],
  ['link.png', 'a link that leads out of it'],
  ['pipe.png', 'it is no file'],
  ['none.png', 'ENOENT'],
  ['a.png\0', 'expected a relative path inside'],
])('refuses an image at %s, and says the line', async (path, message) => {
  await threeImages()
  await image('../outside.png', 40)
  await symlink(join(outer, 'outside.png'), join(directory, 'link.png'))
  execFileSync('mkfifo', [join(directory, 'pipe.png')])
  await write('labels.csv', `path,label\na.png,cat\nb.png,dog\n${path},dog\nc.png,cat\n`)
  await expect(openFolder({ directory })).rejects.toMatchObject({
    kind: 'data',
    message: expect.stringContaining(message),
    where: expect.stringMatching(/labels\.csv, line 4$/),
  })
  if (message === 'it is no file' || message === 'ENOENT')
    expect((await content({ unreadable: 'skip' })).data.skipped).toEqual([
      { path: join(directory, path), reason: expect.stringContaining(message) },
    ])
  if (path === 'link.png') {
    const { train, test } = await openFolder({ directory, followLinks: true })
    expect(train.length + test.length).toBe(4)
  }
})

it('refuses several labels an image where one is asked for, and says how they are read', async () => {
  await threeImages()
  await write('labels.csv', 'path,labels\na.png,cat\nb.png,cat;dog\n')
  expect(await recognisedData(directory)).toEqual({ name: 'multi-label', directory })
  await expect(openFolder({ directory })).rejects.toMatchObject({
    message: 'expected one label for every image, found 2',
    where: expect.stringMatching(/line 3$/),
    help: expect.stringContaining('data.name=multi-label'),
  })
})

it.each<[string, string, string | Uint8Array]>([
  [
    'UTF-16 of Excel and PowerShell',
    'labels.csv',
    Buffer.from('\ufeffpath,label\r\na.png,Käse\r\nb.png,dog\r\n', 'utf16le'),
  ],
  [
    'UTF-16 with the larger byte first',
    'labels.csv',
    Buffer.from('\ufeffpath,label\na.png,Käse\nb.png,dog\n', 'utf16le').swap16(),
  ],
  ['JSON of labels by image', 'labels.json', '{"a.png": "Käse", "b.png": ["dog"]}'],
  ['names without an ending, as of Kaggle', 'train.csv', 'id,label\na,Käse\nb,dog\n'],
  ['endings in other case than the files', 'labels.csv', 'path,label\na.PNG,Käse\nb.Png,dog\n'],
  [
    'empty rows and columns of spreadsheets',
    'labels.csv',
    'path,label,\na.png,Käse,\nb.png,dog,\n,,\n , ,\n',
  ],
  ['numbers of folds', 'labels.csv', 'path,label,fold\na.png,Käse,0\nb.png,dog,1\n'],
  [
    'names and labels with commas, quotes and spaces',
    'labels.csv',
    '"file name",label\r\n"a.png",Käse\r\n"b.png","dog, ""small"""\r\n',
  ],
])('reads %s', async (_, name, text) => {
  await image('images/a.png', 10)
  await image('images/b.png', 20)
  await write(name, text)
  const { classes, train } = await readLabelled(directory, { unreadable: 'stop', followLinks: false })
  expect(train.map(({ path, label }) => [basename(path), classes[label]])).toEqual([
    ['a.png', 'Käse'],
    ['b.png', name === 'labels.csv' && String(text).startsWith('"') ? 'dog, "small"' : 'dog'],
  ])
})

it('reads a list of images and labels between spaces where it is given', async () => {
  for (const i of [1, 2, 3, 4]) await image(`images/${i}.png`, i)
  await write('train.txt', 'images/1.png 0\nimages/2.png 0\nimages/3.png 1\nimages/4.png 1\n')
  const file = join(directory, 'train.txt')
  expect(await recognisedData(file)).toEqual({ name: 'folder', directory: file })
  const { classes, train, test } = await openFolder({ directory: file })
  expect([classes, train.length, test.length]).toEqual([['0', '1'], 2, 2])
})

describe('paths of another place', () => {
  const rows = (prefix: string) => `path,label\n${prefix}a.png,cat\n${prefix}b.png,dog\n`
  const said = 'are read without it'
  it.each(['/home/somebody/pictures/', 'C:\\Users\\somebody\\pictures\\', 'pictures/train/'])(
    'are read by their ends, which is said: %s',
    async prefix => {
      await image('images/a.png', 10)
      await image('images/b.png', 20)
      await write('labels.csv', rows(prefix))
      const read = await readLabelled(directory, { unreadable: 'stop', followLinks: false })
      expect(read.train.map(({ path }) => path)).toEqual(
        ['a.png', 'b.png'].map(name => join(directory, 'images', name)),
      )
      expect(read.notices.filter(text => text.includes(said))).toHaveLength(1)
      expect(read.notices.join()).not.toContain('somebody')
    },
  )

  it('are no other than relative ones where they are of the folder itself', async () => {
    await image('images/a.png', 10)
    await image('images/b.png', 20)
    await write('labels.csv', rows(`${directory}/images/`))
    const read = await readLabelled(directory, { unreadable: 'stop', followLinks: false })
    expect(read.train).toHaveLength(2)
    expect(read.notices.join()).not.toContain(said)
  })

  it('are refused where two become one file', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `${i}.png`)
    for (const name of names) await image(name, 10)
    const rows = [...names.map(name => `/x/one/${name}`), '0.png'].map((path, i) => `${path},${i % 2}`)
    await write('labels.csv', `path,label\n${rows.join('\n')}\n`)
    await expect(openFolder({ directory })).rejects.toThrow('an image of its own for each path')
  })
})

it.each([
  [
    'labels.csv',
    'size,class\n1,2\n',
    'images/ alone; labels are not in labels.csv: expected a header with the column path',
  ],
  ['labels.csv', Buffer.from('path,label\nimages/1.png,K\xe4se\n', 'latin1'), 'expected text in UTF-8'],
  ['train.txt', 'images/1.png 0\nimages/2.png 1\n', 'it is read where it is given: --data'],
  ['notes.md', '', 'expected a folder for each class, found images in images/ alone'],
])('refuses a folder of unlabelled images, and says what is wrong with %s', async (name, text, message) => {
  await image('images/1.png', 1)
  await image('images/2.png', 2)
  await write(name, text)
  await expect(openFolder({ directory })).rejects.toThrow(message)
})
