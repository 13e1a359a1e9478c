import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recognisedData } from '../choose.ts'
import { openFolder } from '../folder.ts'

let outer = ''
let directory = ''
beforeEach(async () => {
  outer = await mkdtemp(join(tmpdir(), 'moiety-parquet-'))
  directory = join(outer, 'data')
  await mkdir(directory)
})
afterEach(() => rm(outer, { recursive: true }))

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), content)
}

const png = (red: number) =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer()

const features = {
  img: { _type: 'Image' },
  label: { _type: 'ClassLabel', names: ['cat', 'dog'] },
}

type Options = Partial<Omit<Parameters<typeof parquetWriteBuffer>[0], 'columnData'>>

/** Images as `datasets` writes them: `{ bytes, path }` and a label, in groups of three rows. */
async function shard(
  reds: readonly number[],
  labels: readonly (number | string)[],
  options: Options & { readonly info?: object | undefined; readonly more?: Record<string, bigint[]> } = {},
): Promise<Uint8Array> {
  const images = await Promise.all(
    reds.map(async red => ({ bytes: new Uint8Array(await png(red)), path: `${red}.png` })),
  )
  const { info = features, more = {}, ...rest } = options
  const isText = typeof labels[0] === 'string'
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'img', data: images },
        { name: 'label', data: isText ? [...labels] : labels.map(BigInt) },
        ...Object.entries(more).map(([name, data]) => ({ name, data })),
      ],
      schema: [
        { name: 'root', num_children: 2 + Object.keys(more).length },
        { name: 'img', num_children: 2, repetition_type: 'OPTIONAL' },
        { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
        isText
          ? { name: 'label', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }
          : { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' },
        ...Object.keys(more).map(name => ({ name, type: 'INT64', repetition_type: 'OPTIONAL' }) as const),
      ],
      rowGroupSize: 3,
      kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features: info } }) }],
      ...rest,
    } as Parameters<typeof parquetWriteBuffer>[0]),
  )
}

async function content(at = directory, memory?: number) {
  const data = await openFolder({ directory: at, size: 8, ...(memory === undefined ? {} : { memory }) })
  const sides: Record<string, string[]> = {}
  for (const name of ['train', 'val', 'test'] as const) {
    const split = data[name]
    if (split === undefined) continue
    const pixels = await split.load(Array.from({ length: split.length }, (_, i) => i))
    sides[name] = Array.from(split.labels, (label, i) => `${pixels[i * 192]} ${data.classes[label]}`)
  }
  return { data, sides }
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)
const parity = (numbers: readonly number[]) => numbers.map(number => number % 2)
const expected = (some: readonly number[]) => some.map(red => `${red} ${red % 2 === 0 ? 'cat' : 'dog'}`)

describe('images in Parquet files', () => {
  it('are read with the names of their classes, over files and row groups, also when memory is short', async () => {
    await write('data/train-00000-of-00002.parquet', await shard(numbers(7), parity(numbers(7))))
    await write('data/train-00001-of-00002.parquet', await shard(numbers(5, 10), parity(numbers(5, 10))))
    await write('data/validation-00000-of-00001.parquet', await shard([20, 21], [0, 1]))
    await write('data/test-00000-of-00001-0123456789abcdef.parquet', await shard([31], [1]))
    await write('README.md', '---\nlicense: mit\n---\n')
    expect(await recognisedData(directory)).toEqual({ name: 'folder', directory })
    const { data, sides } = await content()
    expect(sides).toEqual({
      train: expected([...numbers(7), ...numbers(5, 10)]),
      val: expected([20, 21]),
      test: expected([31]),
    })
    expect(data.notices?.[0]).toBe('images are from 4 Parquet files (img, label)')
    const again = await content(directory, 0)
    expect(again.sides).toEqual(sides)
    expect(again.data.content).toBe(data.content)
    // Another image of the same size in one file.
    await write('data/test-00000-of-00001-0123456789abcdef.parquet', await shard([33], [1]))
    expect((await content()).data.content).not.toBe(data.content)
  })

  it('have numbers as classes without names, and a fifth for testing without splits', async () => {
    await write(
      '0000.parquet',
      await shard(
        numbers(20),
        parity(numbers(20)).map(one => 9 + one),
        { info: {} },
      ),
    )
    const { data } = await content()
    expect(data.classes).toEqual(['9', '10'])
    expect([data.train.length, data.test.length]).toEqual([16, 4])
    expect(data.notices).toEqual(['images are from 1 Parquet file (img, label); classes have no names in it'])
  })

  it('are those of one file that is given, whatever its name', async () => {
    await write('test-0.parquet', await shard(numbers(10), parity(numbers(10))))
    await write('train-0.parquet', await shard(numbers(10), parity(numbers(10))))
    const file = join(directory, 'test-0.parquet')
    expect(await recognisedData(file)).toEqual({ name: 'folder', directory: file })
    const { data } = await content(file)
    expect(data.title).toBe('images of the file test-0.parquet: 2 classes, 8 training and 2 test images')
  })

  it('have the classes of the dataset card', async () => {
    const info = `dataset_info:\n  features:\n  - name: img\n    dtype: image\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': cat\n          '1': dog\n`
    await write('README.md', `---\n${info}---\n# Animals\n`)
    await write('plain/train/0000.parquet', await shard([0, 1], [0, 1], { info: {} }))
    await write('plain/test/0000.parquet', await shard([4, 5], [0, 1], { info: {} }))
    expect((await content()).sides).toEqual({ train: expected([0, 1]), test: expected([4, 5]) })
  })

  it('have text as labels, superclasses, and rows without a label', async () => {
    const info = {
      fine_label: { _type: 'ClassLabel', names: ['ant', 'bee', 'cod'] },
      coarse_label: { _type: 'ClassLabel', names: ['insect', 'fish'] },
    }
    const bytes = await shard([1, 2, 3, 4], [0, 0, 0, 0], {
      info,
      more: { fine_label: [0n, 1n, 2n, -1n], coarse_label: [0n, 0n, 1n, -1n] },
    })
    await write('train.parquet', bytes)
    await write('test.parquet', bytes)
    const { data, sides } = await content()
    expect(sides.train).toEqual(['1 ant', '2 bee', '3 cod'])
    expect([data.superclasses, data.superclassOf]).toEqual([
      ['insect', 'fish'],
      [0, 0, 1],
    ])
    expect(data.notices).toContain('2 rows without a label are left out')
    for (const name of ['train', 'test'])
      await write(`${name}.parquet`, await shard([1, 2], ['b', 'a'], { info: {} }))
    expect((await content()).sides.train).toEqual(['1 b', '2 a'])
  })

  it.each(['UNCOMPRESSED', 'SNAPPY'] as const)('are read from %s', async codec => {
    await write('train.parquet', await shard([2, 3], [0, 1], { codec }))
    await write('test.parquet', await shard([4, 5], [0, 1], { codec }))
    expect((await content()).sides).toEqual({ train: expected([2, 3]), test: expected([4, 5]) })
  })

  it('of two data sets are refused; those of one are given by its folder', async () => {
    for (const set of ['small', 'large'])
      for (const split of ['train', 'test'])
        await write(`${set}/${split}-00000-of-00001.parquet`, await shard([0, 1], [0, 1]))
    await expect(openFolder({ directory })).rejects.toThrow(
      'expected the files of one data set, found those of 2: large, small',
    )
    expect((await content(join(directory, 'small'))).data.train.length).toBe(2)
  })

  it('behind links that lead out are read with data.followLinks only, as in the cache of Hugging Face', async () => {
    await writeFile(join(outer, 'blob'), await shard(numbers(10), parity(numbers(10))))
    await symlink(join(outer, 'blob'), join(directory, 'train.parquet'))
    await expect(openFolder({ directory })).rejects.toThrow('found one that leads out of it')
    expect((await openFolder({ directory, followLinks: true })).train.length).toBe(8)
  })
})

describe('hostile Parquet files are refused', () => {
  const refusal = async (bytes: Uint8Array) => {
    for (const split of ['train', 'test']) await write(`${split}.parquet`, bytes)
    return await openFolder({ directory, size: 8 })
      .then(data => data.train.load([0]))
      .then(
        () => 'nothing',
        (error: { kind: string; message: string; where: string }) =>
          `${error.kind} ${error.where}: ${error.message}`,
      )
  }

  it('that declare pages of far more bytes than they have', async () => {
    const zeros = [{ bytes: new Uint8Array(70 << 20), path: '' }]
    const bytes = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'image', data: zeros.map(({ bytes }) => bytes), type: 'BYTE_ARRAY' },
          { name: 'label', data: [0n], type: 'INT64' },
        ],
        codec: 'GZIP',
        compressors: { GZIP: input => (input.length > 1e6 ? new Uint8Array(100) : gzipSync(input)) },
      }),
    )
    expect(bytes.length).toBeLessThan(2000)
    expect(await refusal(bytes)).toMatch(/data .*row group 0: found a page of .* that unpacks to 7\d/)
  })

  it('that are cut, or are something else', async () => {
    const whole = await shard([0, 1, 2, 3], [0, 1, 0, 1])
    expect(await refusal(whole.subarray(0, whole.length - 9))).toContain(
      'expected a Parquet file, which ends with "PAR1"',
    )
    expect(await refusal(new Uint8Array(3))).toContain('expected a Parquet file')
    const bytes = Uint8Array.from(whole)
    bytes.set([0xff, 0xff, 0xff, 0x7f], whole.length - 8)
    expect(await refusal(bytes)).toContain('expected a footer of at most')
    bytes.set([0x10, 0, 0, 0], whole.length - 8)
    expect(await refusal(bytes)).toMatch(/^data .*train\.parquet: expected/)
  })

  it('with any byte changed: an error that names the file, or the same images', async () => {
    const whole = await shard([0, 1, 2, 3], [0, 1, 0, 1])
    let refused = 0
    for (let at = 4; at < whole.length; at += 17) {
      const bytes = Uint8Array.from(whole)
      bytes[at]! ^= 0xff
      const outcome = await refusal(bytes)
      if (outcome !== 'nothing') {
        expect(outcome).toMatch(/^data /)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(10)
  })

  it('whose images are paths out of the folder', async () => {
    await writeFile(join(outer, 'secret.png'), await png(9))
    const bytes = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'image_path', data: ['../secret.png', '../secret.png'], type: 'STRING' },
          { name: 'label', data: [0n, 1n], type: 'INT64' },
        ],
      }),
    )
    expect(await refusal(bytes)).toContain('expected a relative path inside')
  })

  it('with labels that no class has, and several labels', async () => {
    expect(await refusal(await shard([0, 1], [0, 2]))).toMatch(
      /train\.parquet, row 1: expected a label of the 2 classes.*got 2/,
    )
  })
})
