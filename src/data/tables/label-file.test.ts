import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs'
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
    ['labels.csv', 'size,labels\na,b\n', 'a header with the column path, found "size,labels"', 'line 1'],
    ['labels.csv', 'a.png\nb.png\n', 'the path of an image and its label', 'line 1'],
    ['labels.csv', 'path,label\na,b\nc,\n', 'expected a label, found none', 'line 3'],
    ['labels.csv', 'path,label,xmin\na,b,1\n', 'found columns of boxes', 'line 1'],
    ['labels.csv', `path,label\n"${'a'.repeat(1_100_000)}\n`, 'fields of at most 1048576', 'line 2'],
    ['labels.csv', `path,label\n${'a'.repeat(1_100_000)}\n`, 'fields of at most 1048576', 'line 2'],
    ['labels.csv', 'path,split\na,train\n', 'the column labels, or a named column', 'line 1'],
    [
      'labels.csv',
      'path,labels,label\na,b,c\n',
      'one column of labels, found "labels" and "label"',
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
    ['labels.json', '[{"path": "a", "label": "b", "path": "c"}]', 'the key "path" twice', 'character'],
    ['labels.jsonl', `{"path": "a", "label": ${'['.repeat(200)}`, 'nested too deeply', 'line 1'],
    ['labels.json', '[{"path": "a"}]', 'found no labels', 'character'],
    ['labels.json', '[{"path": "a", "labels": [{}]}]', 'a label as a string', 'character'],
    ['labels.json', '{"a": ["b"]}', 'the list of images as an array', 'character'],
    ['labels.jsonl', '{"path": "a", "labels": []}\n{"path": "b"}\n', 'found no labels', 'line 2'],
    ['labels.jsonl', '{"path": "a", "labels": []} x\n', 'the end was expected', 'line 1'],
    [
      'labels.jsonl',
      '{"path": "a", "labels": [], "split": "train"}\n{"path": "b", "labels": []}\n',
      'a split for every image or for none',
      'line 2',
    ],
    ['labels.xml', 'a', 'ends in .csv, .tsv, .txt, .json or .jsonl', 'labels.xml'],
  ])('%s with %j is refused', async (name, text, message, where) => {
    await expect(read(name, text)).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringContaining(message),
      where: expect.stringContaining(where),
      help: expect.any(String),
    })
  })

  it.each([
    ['labels.csv', 'path,label,split\na.png,dog,train\nb.png,cat,test\n'],
    ['labels.csv', 'File_Name;Class;Set\r\n"a.png";dog;Training\r\nb.png;cat;eval\r\n'],
    ['labels.tsv', '\ufeffsubset\timage\tcategory\ntrn\ta.png\tdog\ntst\tb.png\tcat\n'],
    ['labels.csv', 'a.png,dog,train\nb.png,cat,test\n'],
    ['labels.csv', 'dog;train;a.png\ncat;test;b.png\n'],
    ['labels.csv', ',photo file,species,split\n0,a.png,dog,train\n1,b.png,cat,test\n'],
    ['labels.csv', 'image,cat,dog,split\na.png,0.0,1.0,train\nb.png,1.0,0.0,test\n'],
    [
      'metadata.jsonl',
      '{"file_name": "a.png", "label": "dog", "split": "train", "width": 3.5e2}\n' +
        '{"width": null, "file_name": "b.png", "label": "cat", "split": "test"}\n',
    ],
    [
      'labels.json',
      '[{"image": "a.png", "category": "dog", "fold": "train"}, ' +
        '{"image": "b.png", "category": ["cat"], "fold": "test"}]',
    ],
  ])('%s has one label an image: %j', async (name, text) => {
    const file = await read(name, text)
    expect(short(file)).toEqual({
      classes: ['cat', 'dog'],
      images: [
        ['a.png', [1], 'train'],
        ['b.png', [0], 'test'],
      ],
    })
    expect(file.isSeveral).toBe(false)
  })

  it('orders labels that are numbers by their size', async () => {
    const { classes, images } = await read('labels.csv', 'path,label\na,10\nb,9\nc,10\n')
    expect([classes, images.map(({ labels }) => labels[0])]).toEqual([
      ['9', '10'],
      [1, 0, 1],
    ])
  })

  it('is of several labels where an image has none or two, and of one where a class is named with a semicolon', async () => {
    const of = async (text: string) => {
      const { classes, isSeveral } = await read('labels.csv', text)
      return [classes, isSeveral]
    }
    expect(await of('path,labels\na,x\nb,y\n')).toEqual([['x', 'y'], false])
    expect(await of('path,labels\na,x\nb,\n')).toEqual([['x'], true])
    expect(await of('path,label\na,x\nb,y\nc,x;y\n')).toEqual([['x', 'y'], true])
    expect(await of('path,label\na,x; y\nb,z\n')).toEqual([['x; y', 'z'], false])
    expect(await of('path,x,y\na,0,1\nb,1,0\n')).toEqual([['x', 'y'], false])
    expect(await of('path,x,y\na,0,1\nb,1,1\n')).toEqual([['x', 'y'], true])
  })

  it('says what was read and what was not', async () => {
    const { read: what, leftOut } = await read('labels.csv', 'id,file,label,note\n1,a,b,c\n')
    expect([what, leftOut]).toEqual(['labels.csv (file, label)', ['id', 'note']])
    expect((await read('labels.csv', ',path,label\n1,a,c\n')).leftOut).toEqual([''])
  })

  it('is refused by its size before it is read', async () => {
    const file = join(folder, 'huge.csv')
    writeFileSync(file, 'path,label\n')
    truncateSync(file, 1e9)
    await expect(readLabelFile(file)).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringContaining('expected at most'),
      where: file,
    })
  })

  it('that is missing, or no UTF-8, is refused', async () => {
    await expect(readLabelFile(join(folder, 'none.csv'))).rejects.toThrow('can be read')
    await expect(read('labels.csv', Uint8Array.of(0xff, 0xfe, 0x41))).rejects.toThrow(
      'expected text in UTF-8',
    )
  })
})
