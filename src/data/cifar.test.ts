import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { findCifar } from './cifar.ts'
import { openDataset } from './open-dataset.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moiety-cifar-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** A record: label bytes, then a red, a green and a blue plane, each of one value. */
function record(labels: readonly number[], red: number, green: number, blue: number): Uint8Array {
  const planes = [red, green, blue].flatMap(value => new Array<number>(1024).fill(value))
  return Uint8Array.from([...labels, ...planes])
}

async function write(name: string, ...records: Uint8Array[]): Promise<void> {
  await writeFile(join(directory, name), Buffer.concat(records))
}

async function writeCifar100(): Promise<void> {
  await write('train.bin', record([3, 42], 1, 2, 3), record([19, 99], 4, 5, 6), record([3, 42], 7, 8, 9))
  await write('test.bin', record([0, 0], 10, 11, 12))
  await writeFile(join(directory, 'fine_label_names.txt'), lines('fine', 100))
  await writeFile(join(directory, 'coarse_label_names.txt'), lines('coarse', 20))
}

const lines = (word: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `${word}${i}\n`).join('')

const opened = (name: 'cifar10' | 'cifar100' = 'cifar100') => openDataset({ name, directory })

/** The error text, after the exit code. */
async function failure(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof MoietyError)) throw error ?? new Error('nothing failed')
  return `${error.exitCode} ${error.describe()}`
}

describe('openDataset cifar100', () => {
  it('reads fine and coarse labels, names and pixels', async () => {
    await writeCifar100()
    const { train, test, classes, superclasses, superclassOf, title } = await opened()
    expect(train.labels).toEqual(Int32Array.of(42, 99, 42))
    expect(train.coarse).toEqual(Int32Array.of(3, 19, 3))
    expect([test.length, test.labels[0], test.coarse?.[0]]).toEqual([1, 0, 0])
    expect([classes[42], superclasses?.[19]]).toEqual(['fine42', 'coarse19'])
    expect([superclassOf?.[42], superclassOf?.[99], superclassOf?.[0], superclassOf?.[1]]).toEqual([
      3, 19, 0, -1,
    ])
    expect(title).toBe('a part of CIFAR-100: 3 training and 1 test images')
    const pixels = await train.load([1])
    expect([pixels[0], pixels[1023], pixels[1024], pixels[3071]]).toEqual([4, 4, 5, 6])
  })

  it("normalises with the paper's constants", async () => {
    await writeCifar100()
    const { mean, std } = await opened()
    expect([mean, std]).toEqual([
      [0.5071, 0.4865, 0.4409],
      [0.2009, 0.1984, 0.2023],
    ])
  })

  it("finds the files in the archive's folder too", async () => {
    const outer = directory
    directory = join(outer, 'cifar-100-binary')
    await mkdir(directory)
    await writeCifar100()
    directory = outer
    expect(await findCifar(directory)).toBe('cifar100')
    expect((await opened()).train.length).toBe(3)
  })

  it('names the record that is truncated', async () => {
    await writeCifar100()
    await write('train.bin', record([3, 42], 1, 2, 3), record([3, 42], 1, 2, 3).subarray(0, 3000))
    const said = await failure(opened())
    expect(said).toMatch(
      /^3 error: expected a whole number of records of 3074 bytes, got 6074 bytes: record 1 has only 3000/,
    )
    expect(said).toContain('train.bin, record 1 (counted from 0), byte 3074')
  })

  it('names file, record and byte of a label out of range', async () => {
    await writeCifar100()
    await write('test.bin', record([0, 5], 1, 2, 3), record([19, 100], 1, 2, 3))
    const fine = await failure(opened())
    expect(fine).toMatch(/^3 error: expected a label of 0 … 99, got 100\n/)
    expect(fine).toContain('test.bin, record 1 (counted from 0), byte 3075')
    await write('test.bin', record([20, 5], 1, 2, 3))
    const coarse = await failure(opened())
    expect(coarse).toContain('expected a label of 0 … 19, got 20')
    expect(coarse).toContain('test.bin, record 0 (counted from 0), byte 0')
  })

  it('refuses an empty file and one with more records than were published', async () => {
    await writeCifar100()
    await write('test.bin')
    expect(await failure(opened())).toContain('expected 1 … 10000 records of 3074 bytes, got 0')
    await writeFile(join(directory, 'test.bin'), new Uint8Array(3074 * 10_001))
    expect(await failure(opened())).toContain('expected 1 … 10000 records of 3074 bytes, got 10001')
  })

  it('refuses a list of names that is too short, and works without one', async () => {
    await writeCifar100()
    await writeFile(join(directory, 'fine_label_names.txt'), 'apple\nbear\n')
    expect(await failure(opened())).toMatch(/expected 100 names, one a line, got 2\n.*fine_label_names/)
    await rm(join(directory, 'fine_label_names.txt'))
    expect((await opened()).classes[7]).toBe('class 7')
  })

  it('reports what is missing, and how to get it', async () => {
    const said = await failure(opened())
    expect(said).toContain('3 error: expected CIFAR-100 in its binary version (train.bin, test.bin)')
    expect(said).toContain(`moiety data get cifar100 --to ${directory}`)
    expect(await failure(openDataset({ name: 'cifar100' }))).toMatch(
      /^2 error: expected the folder of cifar100/,
    )
  })
})

describe('openDataset cifar10', () => {
  it('reads the training batches one after another, with one label byte a record', async () => {
    await write('data_batch_1.bin', record([3], 1, 2, 3))
    await write('data_batch_2.bin', record([9], 4, 5, 6), record([0], 7, 8, 9))
    await write('test_batch.bin', record([1], 10, 11, 12))
    await writeFile(join(directory, 'batches.meta.txt'), `${lines('class', 10)}\n`)
    const { train, test, classes, superclasses } = await opened('cifar10')
    expect(train.labels).toEqual(Int32Array.of(3, 9, 0))
    expect([test.length, classes[9], superclasses, train.coarse]).toEqual([1, 'class9', undefined, undefined])
    expect((await train.load([2]))[1024]).toBe(8)
    expect(await findCifar(directory)).toBe('cifar10')
  })

  it('counts the record within its own file when a later batch is wrong', async () => {
    await write('data_batch_1.bin', record([3], 1, 2, 3))
    await write('data_batch_2.bin', record([9], 4, 5, 6), record([10], 7, 8, 9))
    await write('test_batch.bin', record([1], 10, 11, 12))
    expect(await failure(opened('cifar10'))).toContain(
      'data_batch_2.bin, record 1 (counted from 0), byte 3073',
    )
  })
})

describe('a limit', () => {
  it('keeps images spread over the classes, and states it in the title', async () => {
    await writeCifar100()
    const { train, title } = await openDataset({ name: 'cifar100', directory, limit: { train: 2 } })
    expect(train.labels).toEqual(Int32Array.of(42, 99))
    expect(title).toContain('of which 2 training and 1 test images are used')
  })

  it('is refused unless it is a positive integer', async () => {
    const said = await failure(openDataset({ name: 'cifar100', directory, limit: { test: 0 } }))
    expect(said).toMatch(
      /^2 error: expected a positive integer as the number of images, got 0\n {2}at data\.limit\.test/,
    )
  })
})
