import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../files/disk.ts'
import { openRegularFile, readRegularText, sizeLimits } from '../files/regular-file.ts'
import { type CifarPickles, readCifarNames, readCifarPickles } from './cifar-pickles.ts'
import { type Dataset, type PerChannel, type Split, splitInMemory } from './dataset.ts'

/**
 * The official binary layout of CIFAR (Krizhevsky, "Learning multiple layers of features from tiny images",
 * 2009; cs.toronto.edu/~kriz/cifar.html): records without any header, each one label byte (CIFAR-10) or a coarse
 * and a fine one (CIFAR-100), then 1024 bytes of red, 1024 of green and 1024 of blue, 32×32 row by row.
 */
interface Layout {
  readonly name: 'cifar10' | 'cifar100'
  readonly title: string
  /** The folder inside the authors' archive. */
  readonly folder: string
  readonly train: readonly string[]
  readonly test: readonly string[]
  /** The same of the Python version. */
  readonly python: CifarPickles
  /** Records in one full file, by its name. */
  readonly full: (file: string) => number
  readonly names: string
  readonly coarseNames: string | undefined
  readonly classes: number
  readonly superclasses: number
  /** Label bytes in front of the pixels; the class is the last of them. */
  readonly header: number
  readonly mean: PerChannel
  readonly std: PerChannel
}

export const layouts: Readonly<Record<'cifar10' | 'cifar100', Layout>> = {
  cifar10: {
    name: 'cifar10',
    title: 'CIFAR-10',
    folder: 'cifar-10-batches-bin',
    train: [1, 2, 3, 4, 5].map(part => `data_batch_${part}.bin`),
    test: ['test_batch.bin'],
    full: () => 10_000,
    python: {
      folder: 'cifar-10-batches-py',
      train: [1, 2, 3, 4, 5].map(part => `data_batch_${part}`),
      test: ['test_batch'],
      labels: ['labels'],
      limits: [10],
      meta: 'batches.meta',
      names: 'label_names',
      coarseNames: undefined,
    },
    names: 'batches.meta.txt',
    coarseNames: undefined,
    classes: 10,
    superclasses: 0,
    header: 1,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.247, 0.2435, 0.2616],
  },
  cifar100: {
    name: 'cifar100',
    title: 'CIFAR-100',
    folder: 'cifar-100-binary',
    train: ['train.bin'],
    test: ['test.bin'],
    full: file => (file === 'train.bin' ? 50_000 : 10_000),
    python: {
      folder: 'cifar-100-python',
      train: ['train'],
      test: ['test'],
      labels: ['coarse_labels', 'fine_labels'],
      limits: [20, 100],
      meta: 'meta',
      names: 'fine_label_names',
      coarseNames: 'coarse_label_names',
    },
    names: 'fine_label_names.txt',
    coarseNames: 'coarse_label_names.txt',
    classes: 100,
    superclasses: 20,
    header: 2,
    mean: [0.5071, 0.4865, 0.4409],
    // The paper's (METHOD.md §4.1): per-image deviations averaged. Over all pixels it would be .2673 .2564 .2762.
    std: [0.2009, 0.1984, 0.2023],
  },
}

const size = 32
const pixelBytes = 3 * size * size

/**
 * The CIFAR dataset in a folder, directly or one folder deeper as in the authors' archive, if any. One of its files is
 * enough: {@link openCifar} then names the missing one.
 */
export async function findCifar(directory: string): Promise<'cifar10' | 'cifar100' | undefined> {
  for (const layout of Object.values(layouts)) {
    if ((await locate(directory, layout, 'some')) !== undefined) return layout.name
    if ((await locatePython(directory, layout)) !== undefined) return layout.name
  }
  return undefined
}

/**
 * Reads CIFAR-10 or CIFAR-100 into memory: at most 1 × the size of the published files (180 MB).
 * A file may be a part of the published one, as long as it is a whole number of records; `title` then says so.
 *
 * @param directory - holds the files, or the archive's folder (`cifar-100-binary`, `cifar-10-batches-bin`)
 * @throws MoietyError of kind `data` for a missing file, a truncated record, a label out of range
 */
export async function openCifar(name: 'cifar10' | 'cifar100', directory: string): Promise<Dataset> {
  const layout = layouts[name]
  const content = createHash('sha256')
  const { classes, superclasses, train, test } = await readVersion(layout, directory, content)
  return {
    name,
    title: describe(layout, train.length, test.length),
    size,
    classes,
    superclasses,
    superclassOf: superclasses && superclassOfEach(layout.classes, [train, test]),
    mean: layout.mean,
    std: layout.std,
    train,
    test,
    content: content.digest('hex'),
    skipped: [],
  }
}

/** The binary version, or the Python version where there is only that. */
async function readVersion(layout: Layout, directory: string, content: Hash) {
  const binary = await locate(directory, layout)
  const pickled = binary === undefined ? await locatePython(directory, layout) : undefined
  if (pickled !== undefined) {
    const { python } = layout
    const names = await readCifarNames(pickled, python, [layout.classes, layout.superclasses])
    const read = async (files: readonly string[]): Promise<Split> => {
      const most = files.map(file => layout.full(`${file}.bin`))
      const records = await readCifarPickles(pickled, python, files, most)
      content.update(records.bytes)
      const of = (byte: number) =>
        Int32Array.from({ length: records.count }, (_, at) => records.bytes[at * records.stride + byte]!)
      const coarse = layout.superclasses > 0 ? of(0) : undefined
      return splitInMemory({ ...records, header: layout.header, size, labels: of(layout.header - 1), coarse })
    }
    return { ...names, train: await read(python.train), test: await read(python.test) }
  }
  const place = binary ?? (await missing(layout, directory))
  return {
    classes: await readNames(join(place, layout.names), layout.classes),
    superclasses:
      layout.coarseNames === undefined
        ? undefined
        : await readNames(join(place, layout.coarseNames), layout.superclasses),
    train: await readSplit(place, layout, layout.train, content),
    test: await readSplit(place, layout, layout.test, content),
  }
}

/** Where the files of the Python version lie: files, because folders of splits have the names of CIFAR-100's. */
async function locatePython(directory: string, { python }: Layout): Promise<string | undefined> {
  const isFile = async (path: string): Promise<boolean> =>
    (await stat(path).catch(() => undefined))?.isDirectory() === false
  for (const place of [directory, join(directory, python.folder)]) {
    const found = await Promise.all(
      [python.train[0]!, python.test[0]!].map(file => isFile(join(place, file))),
    )
    if (found.every(Boolean)) return place
  }
  return undefined
}

function describe(layout: Layout, train: number, test: number): string {
  const fullTrain = layout.train.reduce((sum, file) => sum + layout.full(file), 0)
  const fullTest = layout.test.reduce((sum, file) => sum + layout.full(file), 0)
  const part = train < fullTrain || test < fullTest ? 'a part of ' : ''
  return `${part}${layout.title}: ${train} training and ${test} test images`
}

async function locate(
  directory: string,
  layout: Layout,
  files: 'some' | 'every' = 'every',
): Promise<string | undefined> {
  for (const place of [directory, join(directory, layout.folder)]) {
    const found = await Promise.all(
      [layout.train[0]!, layout.test[0]!].map(file => exists(join(place, file))),
    )
    if (found[files](Boolean)) return place
  }
  return undefined
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
}

async function missing(layout: Layout, directory: string): Promise<never> {
  const files = [layout.train[0]!, layout.test[0]!]
  const place = await locate(directory, layout, 'some')
  const there = await Promise.all(files.map(file => exists(join(place ?? directory, file))))
  const lacking = files.filter((_, i) => !there[i])
  return fail({
    kind: 'data',
    message: `expected ${layout.title} in its binary version (${files.join(', ')}), found ${place === undefined ? 'no such files' : `no ${lacking.join(', ')}`}`,
    where: place ?? directory,
    help: `moiety data get ${layout.name} --to ${directory}`,
  })
}

/** Reads the files of one split one after another into one buffer, checking sizes first and then every label, and adds them to `content`. */
async function readSplit(
  place: string,
  layout: Layout,
  files: readonly string[],
  content: Hash,
): Promise<Split> {
  const stride = layout.header + pixelBytes
  const parts: { path: string; records: number }[] = []
  for (const file of files) {
    const path = join(place, file)
    if (await exists(path)) parts.push({ path, records: await countRecords(path, stride, layout.full(file)) })
  }
  const total = parts.reduce((sum, part) => sum + part.records, 0)
  const bytes = new Uint8Array(total * stride)
  const labels = new Int32Array(total)
  const coarse = layout.superclasses > 0 ? new Int32Array(total) : undefined
  let first = 0
  for (const { path, records } of parts) {
    await readExactly(path, bytes.subarray(first * stride, (first + records) * stride))
    for (let record = 0; record < records; record++) {
      const start = (first + record) * stride
      const label = (offset: number, limit: number): number =>
        checkedLabel(bytes[start + offset]!, limit, { path, record, byte: record * stride + offset })
      if (coarse) coarse[first + record] = label(0, layout.superclasses)
      labels[first + record] = label(layout.header - 1, layout.classes)
    }
    first += records
  }
  content.update(bytes)
  return splitInMemory({ bytes, stride, header: layout.header, size, labels, coarse })
}

async function countRecords(path: string, stride: number, most: number): Promise<number> {
  const file = await openRegularFile(path).catch((cause: unknown) => unreadable(path, cause))
  try {
    const { size: length } = await file.stat()
    const records = Math.floor(length / stride)
    if (length % stride !== 0) {
      fail({
        kind: 'data',
        message: `expected a whole number of records of ${stride} bytes, got ${length} bytes: record ${records} has only ${length % stride}`,
        where: `${path}, record ${records} (counted from 0), byte ${records * stride}`,
        help: 'the file is truncated or is not in the binary version; copy or download it again',
      })
    }
    if (records === 0 || records > most) {
      fail({
        kind: 'data',
        message: `expected 1 … ${most} records of ${stride} bytes, got ${records}`,
        where: path,
        help: 'the file is empty or is not the published one; copy or download it again',
      })
    }
    return records
  } finally {
    await file.close()
  }
}

async function readExactly(path: string, into: Uint8Array): Promise<void> {
  const file = await openRegularFile(path).catch((cause: unknown) => unreadable(path, cause))
  try {
    let done = 0
    while (done < into.length) {
      const { bytesRead } = await file.read(into, done, into.length - done, done)
      if (bytesRead === 0) {
        fail({
          kind: 'data',
          message: `expected ${into.length} bytes, the file ended while it was being read`,
          where: `${path}, byte ${done}`,
          help: 'something else is writing this file; try again when it is complete',
        })
      }
      done += bytesRead
    }
  } finally {
    await file.close()
  }
}

function unreadable(path: string, cause: unknown): never {
  rethrowExhausted(cause, 'read', path)
  return fail({
    kind: 'data',
    message: `expected a readable file, got ${reasonOf(cause)}`,
    where: path,
    help: 'check that the file exists and is readable',
    cause,
  })
}

interface LabelPlace {
  readonly path: string
  readonly record: number
  readonly byte: number
}

function checkedLabel(label: number, limit: number, { path, record, byte }: LabelPlace): number {
  if (label < limit) return label
  return fail({
    kind: 'data',
    message: `expected a label of 0 … ${limit - 1}, got ${label}`,
    where: `${path}, record ${record} (counted from 0), byte ${byte}`,
    help: 'the file is damaged or belongs to another dataset; copy or download it again',
  })
}

/** One name per line. Without the file, classes are numbered. */
async function readNames(path: string, count: number): Promise<readonly string[]> {
  if (!(await exists(path))) return Array.from({ length: count }, (_, label) => `class ${label}`)
  const text = await readRegularText(path, sizeLimits.names).catch((cause: unknown) =>
    unreadable(path, cause),
  )
  const names = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  if (names.length !== count) {
    fail({
      kind: 'data',
      message: `expected ${count} names, one a line, got ${names.length}`,
      where: path,
      help: 'copy the file from the archive again, or delete it to use numbers as names',
    })
  }
  return names
}

/** The coarse label that most records of a class carry (in the published files: all of them); −1 for none. */
function superclassOfEach(classes: number, splits: readonly Split[]): readonly number[] {
  const votes = Array.from({ length: classes }, () => new Map<number, number>())
  for (const { labels, coarse } of splits) {
    for (const [index, label] of labels.entries()) {
      const superclass = coarse![index]!
      votes[label]!.set(superclass, (votes[label]!.get(superclass) ?? 0) + 1)
    }
  }
  return votes.map(count => [...count].sort((a, b) => b[1] - a[1])[0]?.[0] ?? -1)
}
