import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, it } from 'vitest'
import type { TrainEvent } from '../../run/events.ts'
import type { Task } from '../../tasks/task.ts'
import { readAttributeTable } from './attribute-table.ts'
import { givenAttributes } from './given-attributes.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-attributes-'))
const names = ['val/cat/1.png', 'val/cat/2.png', 'val/dog/1.png']

async function given(name: string, content: string | Uint8Array, images: readonly string[] = names) {
  const file = join(folder, name)
  writeFileSync(file, content)
  const events: TrainEvent[] = []
  const split = { length: 3 }
  const task = {
    data: { train: split, val: split, test: split },
    imageNames: () => images,
  } as unknown as Task
  const attributes = await givenAttributes(
    { file, table: await readAttributeTable(file) },
    { task, split: 'val' },
    event => events.push(event),
  )
  const warnings = events.flatMap(event => (event.kind === 'warning' ? [event.message] : []))
  return {
    attributes: attributes.map(({ name: own, groups, of }) => ({ name: own, groups, of: [...of] })),
    warnings,
  }
}

const weather = { name: 'weather', groups: ['rain', 'sun'], of: [1, -1, 0] }
const heat = { name: 'heat', groups: ['1.5', '20'], of: [0, 1, 0] }

describe('attributes in a file', () => {
  it('are joined by path, whatever rows there are of other images', async () => {
    const csv =
      'path,weather,heat\ntrain/cat/1.png,fog,3\nval/dog/1.png,rain,1.5\nval/cat/1.png,sun,1.5\n./val/cat/2.png,NA,20\n'
    expect(await given('a.csv', csv)).toEqual({ attributes: [weather, heat], warnings: [] })
    expect(await given('b.csv', csv.replaceAll(',', ';').replaceAll('./', '')), 'of a spreadsheet').toEqual({
      attributes: [weather, heat],
      warnings: [],
    })
  })

  it('are joined by path where all paths begin elsewhere, or below the folder of the split', async () => {
    const rows = (prefix: string) =>
      ['cat/1.png,sun', 'cat/2.png,', 'dog/1.png,rain'].map(row => `${prefix}${row}\n`).join('')
    for (const prefix of ['/home/them/val/', 'val/', ''])
      expect((await given('c.csv', `file,weather\n${rows(prefix)}`)).attributes, prefix).toEqual([weather])
    const windows = rows('C:/them/val/').replaceAll('/', '\\')
    expect((await given('c.csv', `file,weather\n${windows}`)).attributes).toEqual([weather])
  })

  it('are joined by number, of the rows of the split', async () => {
    const lines = [
      { image: 2, split: 'val', weather: 'rain', heat: 1.5, boxes: [1] },
      { image: 0, split: 'val', weather: 'sun', heat: 1.5 },
      { image: 1, split: 'validation', weather: null, heat: 20 },
      { image: 1, split: 'train', weather: 'fog', heat: 2 },
    ]
    const text = lines.map(line => JSON.stringify(line)).join('\n')
    expect((await given('d.jsonl', text)).attributes).toEqual([weather, heat])
  })

  it('are read from Parquet, and missing rows are reported', async () => {
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: 'index', data: [0n, 2n], type: 'INT64' },
        { name: 'weather', data: ['sun', 'rain'], type: 'STRING' },
        { name: 'colour', data: [0.5, 1.5], type: 'DOUBLE' },
      ],
    })
    const { attributes, warnings } = await given('e.parquet', new Uint8Array(buffer))
    expect(attributes).toEqual([weather, { name: 'colour (given)', groups: ['0.5', '1.5'], of: [0, -1, 1] }])
    expect(warnings).toEqual([expect.stringContaining('no row for 1 of the 3 images of the split val')])
  })

  it('are left out where a column names each image or has no value', async () => {
    const { attributes, warnings } = await given('f.csv', 'image,weather,none\n0,sun,\n1,,\n2,rain,nan\n')
    expect(attributes).toEqual([weather])
    expect(warnings).toEqual([expect.stringContaining('the column "none"')])
  })

  it.each([
    ['g.xlsx', 'x', 'expected a file that ends in .csv, .tsv, .jsonl or .parquet'],
    [
      'h.csv',
      'weather,heat\nsun,1\n',
      'expected a column path or image, found the columns "weather", "heat"',
    ],
    [
      'i.csv',
      'path,weather\nelse/1.png,sun\n',
      'as "val/cat/1.png", found none in 1 rows, which begin with "else/1.png"',
    ],
    [
      'j.csv',
      'image,weather\n3,sun\n',
      'expected image from 0 to 2, the numbers of the images of the split val, found 3',
    ],
    ['k.csv', 'image,weather\n1,sun\n1,rain\n', 'expected one row for each image, found another of "1"'],
    ['l.csv', 'image,split,weather\n1,train,sun\n', 'expected rows of the split val, found 1 of others'],
    ['m.csv', 'image\n1\n', 'expected columns of attributes in addition to image, found none'],
    ['n.csv', 'image,weather\n1,\n', 'expected a column of attributes with values, found none among weather'],
    ['o.csv', 'val/cat/1.png,sun\n', 'expected the names of the columns'],
    ['p.csv', 'image,a,a\n1,2,3\n', 'found "a" twice'],
    ['q.csv', 'image,a\n', 'expected a row for each image, found none'],
    ['r.csv', 'path,a\n,1\n', 'expected the path of an image in path, found none'],
    ['s.jsonl', '{"image": 1', 's.jsonl, line 1'],
    ['t.parquet', 'PAR', 'expected a Parquet file'],
  ])('%s is refused', async (name, content, message) => {
    const error = await given(name, content).catch((cause: unknown) => cause)
    const { message: said, where, help } = error as { message: string; where: string; help: string }
    expect(`${said} ${where}`).toContain(message)
    expect(help).toBeTruthy()
  })

  it('says that images of the data have no files', async () => {
    const file = join(folder, 'u.csv')
    writeFileSync(file, 'path,weather\na.png,sun\n')
    const task = { data: { val: { length: 3 } } } as unknown as Task
    await expect(
      givenAttributes(
        { file, table: await readAttributeTable(file) },
        { task, split: 'val' },
        () => undefined,
      ),
    ).rejects.toThrow('images of this data have no files of their own')
  })
})
