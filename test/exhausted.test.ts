import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type * as promises from 'node:fs/promises'
import { join } from 'node:path'
import * as tar from 'tar'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { MoietyError } from '../src/base/errors.ts'
import { ImageFinder } from '../src/data/detection/image-finder.ts'
import { findImages } from '../src/data/folder-tree.ts'
import { unpackTarGz } from '../src/data/unpack.ts'
import { systemError } from './fake-disks.ts'
import { newFolder } from './tiny.ts'

/** A system that has run out of something, in places that read by Node's own functions: the data is not to blame. */
const refused = vi.hoisted(() => ({ code: '' }))
vi.mock('node:fs/promises', async original => {
  const real = await original<typeof promises>()
  return { ...real, readdir: async () => Promise.reject(systemError(refused.code)) }
})
vi.mock('tar', async original => {
  const real = await original<typeof tar>()
  return { ...real, extract: async () => Promise.reject(systemError(refused.code)) }
})

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function failure(work: Promise<unknown>): Promise<[kind: string, message: string]> {
  const error: unknown = await work.catch((cause: unknown) => cause)
  if (!(error instanceof MoietyError)) throw new Error(`not refused, but ${String(error)}`)
  return [error.kind, error.message]
}

describe.each(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EIO'])('%s', code => {
  it('is not blamed on a folder of images', async () => {
    refused.code = code
    expect(await failure(findImages(folder))).toEqual(['disk', expect.stringContaining(`(${code})`)])
    mkdirSync(join(folder, 'images'), { recursive: true })
    const finder = new ImageFinder(folder)
    expect(await failure(finder.absence(join(folder, 'images', '1.png')))).toEqual([
      'disk',
      expect.stringContaining(`(${code})`),
    ])
  })

  it('is not blamed on an archive that is being unpacked', async () => {
    refused.code = code
    const archive = join(folder, 'archive.tar.gz')
    writeFileSync(join(folder, 'a.txt'), 'a')
    tar.create({ gzip: true, sync: true, file: archive, cwd: folder }, ['a.txt'])
    const md5 = createHash('md5').update(readFileSync(archive)).digest('hex')
    mkdirSync(join(folder, 'into'), { recursive: true })
    expect(await failure(unpackTarGz(archive, join(folder, 'into'), { most: 100_000, md5 }))).toEqual([
      'disk',
      expect.stringContaining(`(${code})`),
    ])
  })
})

it('a folder that may not be read is the fault of the data', async () => {
  refused.code = 'EACCES'
  expect(await failure(findImages(folder))).toEqual(['data', 'cannot be opened: permission denied (EACCES)'])
})
