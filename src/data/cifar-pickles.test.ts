import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { recognisedData } from './choose.ts'
import { openCifar } from './cifar.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moiety-cifar-py-'))
})
afterEach(() => rm(directory, { recursive: true }))

// Operations of pickles, as pickletools has them: what NumPy and the authors' files consist of.
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const text = (value: string): Buffer => Buffer.concat([latin1('X'), u32(value.length), latin1(value)])
const int = (value: number): Buffer => Buffer.concat([latin1('J'), u32(value)])
const bytesOf = (value: Uint8Array): Buffer => Buffer.concat([latin1('B'), u32(value.length), value])
const list = (items: readonly Buffer[]): Buffer => Buffer.concat([latin1(']('), ...items, latin1('e')])
const dict = (entries: Readonly<Record<string, Buffer>>): Buffer =>
  Buffer.concat([
    latin1('}('),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
    latin1('u'),
  ])
const whole = (value: Buffer): Buffer => Buffer.concat([latin1('\x80\x03'), value, latin1('.')])

/** `numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b'b')`, then its state. */
function array(
  data: Uint8Array,
  shape: readonly number[],
  dtype = 'u1',
  module = 'numpy.core.multiarray',
): Buffer {
  return Buffer.concat([
    latin1(`c${module}\n_reconstruct\ncnumpy\nndarray\n`),
    ...[int(0), latin1('\x85'), bytesOf(latin1('b')), latin1('\x87R(')],
    ...[int(1), ...shape.map(int), latin1(shape.length === 2 ? '\x86' : '\x85')],
    ...[latin1('cnumpy\ndtype\n'), text(dtype), latin1('\x89\x88\x87R('), int(3), text('|')],
    ...[latin1('NNN'), int(-1 >>> 0), int(-1 >>> 0), int(0), latin1('tb')],
    ...[latin1('\x89'), bytesOf(data), latin1('tb')],
  ])
}

/** Pixels that are different in each image. */
const pixels = (count: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: count * 3072 }, (_, i) => (i * 31 + Math.floor(i / 3072) * 7 + seed) % 256)

it('is CIFAR-100 of the binary version, with its content, from files that name either of the modules of NumPy', async () => {
  const binary = join(directory, 'binary')
  const python = join(directory, 'cifar-100-python')
  await mkdir(binary)
  await mkdir(python)
  for (const [name, count, module] of [
    ['train', 6, 'numpy.core.multiarray'],
    ['test', 2, 'numpy._core.multiarray'],
  ] as const) {
    const data = pixels(count, count)
    const fine = Array.from({ length: count }, (_, i) => 17 * i)
    const coarse = fine.map(label => label % 20)
    await writeFile(
      join(python, name),
      whole(
        dict({
          filenames: list([text('a.png')]),
          data: array(data, [count, 3072], 'u1', module),
          fine_labels: list(fine.map(int)),
          coarse_labels: list(coarse.map(int)),
        }),
      ),
    )
    const records = fine.map((label, i) =>
      Buffer.concat([Buffer.from([coarse[i]!, label]), data.subarray(i * 3072, (i + 1) * 3072)]),
    )
    await writeFile(join(binary, `${name}.bin`), Buffer.concat(records))
  }
  const names = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i}`)
  await writeFile(
    join(python, 'meta'),
    whole(
      dict({
        fine_label_names: list(names('fine', 100).map(text)),
        coarse_label_names: list(names('coarse', 20).map(text)),
      }),
    ),
  )
  await writeFile(join(binary, 'fine_label_names.txt'), names('fine', 100).join('\n'))
  await writeFile(join(binary, 'coarse_label_names.txt'), names('coarse', 20).join('\n'))
  for (const place of [directory, python])
    expect(await recognisedData(place)).toEqual({ name: 'cifar100', directory: place })
  const [own, other] = [await openCifar('cifar100', directory), await openCifar('cifar100', binary)]
  for (const split of ['train', 'test'] as const) {
    const all = Array.from({ length: own[split].length }, (_, i) => i)
    expect(await own[split].load(all)).toEqual(await other[split].load(all))
    expect([own[split].labels, own[split].coarse]).toEqual([other[split].labels, other[split].coarse])
  }
  expect({ ...own, train: null, test: null }).toEqual({ ...other, train: null, test: null })
})

async function batches(parts: Readonly<Record<string, Buffer>>): Promise<void> {
  const good = { data: array(pixels(2, 0), [2, 3072]), labels: list([int(3), int(9)]) }
  await writeFile(join(directory, 'test_batch'), whole(dict(good)))
  await writeFile(join(directory, 'data_batch_1'), whole(dict({ ...good, ...parts })))
}

it('is CIFAR-10 from some of its batches, without names', async () => {
  await batches({})
  expect(await recognisedData(directory)).toEqual({ name: 'cifar10', directory })
  const { classes, train, test, title } = await openCifar('cifar10', directory)
  expect([classes[3], [...train.labels], test.length]).toEqual(['class 3', [3, 9], 2])
  expect(title).toBe('a part of CIFAR-10: 2 training and 2 test images')
})

it.each([
  [
    'a function of the system',
    { data: Buffer.concat([latin1('cos\nsystem\n'), text('touch x'), latin1('\x85R')]) },
    'it names os.system',
  ],
  [
    'builtins',
    { data: Buffer.concat([latin1('cbuiltins\neval\n'), text('1'), latin1('\x85R')]) },
    'it names builtins.eval',
  ],
  ['an operation that is not read', { data: latin1('\x82\x01') }, 'the pickle operation 0x82'],
  ['numbers of another type', { data: array(pixels(2, 0), [2, 3072], 'f8') }, 'an array of f8'],
  ['objects in the array', { data: array(pixels(2, 0), [2, 3072], 'O8') }, 'an array of O8'],
  ['another shape', { data: array(pixels(2, 0), [1, 6144]) }, 'found shape 1 × 6144'],
  ['fewer bytes than the shape', { data: array(pixels(1, 0), [2, 3072]) }, 'and 3072 bytes'],
  ['more images than there are', { data: array(pixels(2, 0), [90_000, 3072]) }, 'found shape 90000 × 3072'],
  ['too few labels', { labels: list([int(1)]) }, 'expected 2 labels in "labels", found 1'],
  ['a label of no class', { labels: list([int(1), int(10)]) }, 'expected a label of 0 … 9, got 10'],
  ['text as a label', { labels: list([int(1), text('cat')]) }, 'got cat'],
] as const)('refuses %s', async (_, parts, message) => {
  await batches(parts)
  await expect(openCifar('cifar10', directory)).rejects.toMatchObject({
    kind: 'data',
    message: expect.stringContaining(message),
    where: expect.stringContaining('data_batch_1'),
    help: expect.stringContaining('Python version of CIFAR'),
  })
})

it('is no folder with the splits train and test', async () => {
  for (const split of ['train', 'test']) await mkdir(join(directory, split))
  expect(await recognisedData(directory)).toEqual({ name: 'folder', directory })
})
