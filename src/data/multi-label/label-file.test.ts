import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLabelFile } from './label-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-labels-'))

function read(name: string, text: string | Uint8Array) {
  writeFileSync(join(folder, name), text)
  return readLabelFile(join(folder, name))
}

const short = (file: Awaited<ReturnType<typeof readLabelFile>>) => ({
  classes: file.classes,
  images: file.images.map(({ path, labels, split }) => [path, labels, split]),
})

describe('a labels file', () => {
  const expected = {
    classes: ['bird', 'cat', 'dog'],
    images: [
      ['a.png', [1, 2], 'train'],
      ['b, c.png', [0], 'val'],
      ['d.png', [], 'test'],
    ],
  }

  it('is CSV with a list of labels, with a byte order mark, CRLF and quotes', async () => {
    const text =
      '\ufeffpath,labels,split\r\na.png,dog; cat,train\r\n"b, c.png",bird,validation\r\nd.png,,Test\r\n'
    expect(short(await read('labels.csv', text))).toEqual(expected)
    expect(short(await read('labels.csv', text.replace(';', '|')))).toEqual(expected)
  })

  it('is CSV with a column for each class, in the order of the columns', async () => {
    const text = 'split,path,dog,cat,bird\ntrain,a.png,1,1,0\nval,"b, c.png",0,0,1\ntest,d.png,0,0,0\n'
    expect(short(await read('labels.csv', text))).toEqual({
      classes: ['dog', 'cat', 'bird'],
      images: [
        ['a.png', [0, 1], 'train'],
        ['b, c.png', [2], 'val'],
        ['d.png', [], 'test'],
      ],
    })
  })

  it('is JSON, or JSON lines', async () => {
    const records = [
      { path: 'a.png', labels: ['dog', 'cat'], split: 'train' },
      { labels: ['bird'], split: 'dev', path: 'b, c.png' },
      { path: 'd.png', split: 'test', labels: [] },
    ]
    expect(short(await read('labels.json', `\ufeff${JSON.stringify(records, null, 2)}`))).toEqual(expected)
    const lines = records.map(record => JSON.stringify(record)).join('\r\n')
    expect(short(await read('labels.jsonl', `\ufeff${lines}\r\n\r\n`))).toEqual(expected)
  })

  it.each([
    ['labels.csv', 'file,labels\na,b\n', 'a header with the column path, found "file,labels"', 'line 1'],
    ['labels.csv', 'a.png,cat\n', 'a header with the column path', 'line 1'],
    ['labels.csv', 'path,split\na,train\n', 'the column labels, or a named column', 'line 1'],
    [
      'labels.csv',
      'path,labels,label\na,b,c\n',
      'no columns but path, labels and split, found "label"',
      'line 1',
    ],
    ['labels.csv', 'path,cat,cat\na,0,1\n', 'found the column "cat" twice', 'line 1'],
    [
      'labels.csv',
      'path,cat,dog\na,0,1\nb,0,2\n',
      'expected 0 or 1 in the column "dog", found "2"',
      'line 3',
    ],
    ['labels.csv', 'path,cat,dog\na,0,\n', 'expected 0 or 1 in the column "dog", found ""', 'line 2'],
    ['labels.csv', 'path,labels\na,b\nc\n', 'expected 2 fields', 'line 3'],
    ['labels.csv', 'path,labels\na,b\n,c\n', 'expected the path of an image', 'line 3'],
    ['labels.csv', 'path,labels\na,b;;c\n', 'an empty one', 'line 2'],
    ['labels.csv', 'path,labels\na,b;c;b\n', 'the label "b" is given twice', 'line 2'],
    ['labels.csv', 'path,labels\na,b\n./a,c\n', 'listed twice, before in', 'line 3'],
    [
      'labels.csv',
      'path,labels,split\na,b,train\nc,b,holdout\n',
      'the name of a split, found "holdout"',
      'line 3',
    ],
    ['labels.csv', 'path,labels\n', 'expected images with their labels, found none', 'labels.csv'],
    [
      'labels.json',
      '[{"path": "a",\n "labels": []},\n{"path": "a", "labels": []}]',
      'listed twice',
      'line 3',
    ],
    [
      'labels.json',
      '[{"path": "a", "label": []}]',
      'no keys but path, labels and split, found "label"',
      'char',
    ],
    ['labels.json', '[{"path": "a"}]', 'found no labels', 'character'],
    ['labels.json', '[{"path": "a", "labels": [1]}]', 'a label as a string', 'character'],
    ['labels.json', '{"a": ["b"]}', 'the list of images as an array', 'character'],
    ['labels.jsonl', '{"path": "a", "labels": []}\n{"path": "b"}\n', 'found no labels', 'line 2'],
    ['labels.jsonl', '{"path": "a", "labels": []} x\n', 'the end was expected', 'line 1'],
    [
      'labels.jsonl',
      '{"path": "a", "labels": [], "split": "train"}\n{"path": "b", "labels": []}\n',
      'a split for every image or for none',
      'line 2',
    ],
    ['labels.txt', 'a', 'ends in .csv, .json or .jsonl', 'labels.txt'],
  ])('%s with %j is refused', async (name, text, message, where) => {
    await expect(read(name, text)).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringContaining(message),
      where: expect.stringContaining(where),
      help: expect.any(String),
    })
  })

  it('that is missing, or no UTF-8, is refused', async () => {
    await expect(readLabelFile(join(folder, 'none.csv'))).rejects.toThrow('can be read')
    await expect(read('labels.csv', Uint8Array.of(0xff, 0xfe, 0x41))).rejects.toThrow(
      'expected text in UTF-8',
    )
  })
})
