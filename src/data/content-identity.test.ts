import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { contentIdentity } from './content-identity.ts'
import type { ImageFile } from './image-files.ts'
import { statesOf } from './pixels/image-states.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-content-'))
afterAll(() => rmSync(folder, { recursive: true }))
const files = Array.from({ length: 100 }, (_, i) => ({ path: join(folder, `${i}.png`) }))
beforeEach(() => {
  for (const [i, { path }] of files.entries()) writeFileSync(path, `image ${String(i).padStart(4, '0')}`)
})

async function identityOf(images: readonly ImageFile[], most?: number): Promise<string> {
  return await contentIdentity(images, await statesOf(images, undefined), undefined, most)
}

function swap(a: string, b: string): void {
  const aside = join(folder, 'aside')
  renameSync(a, aside)
  renameSync(b, a)
  renameSync(aside, b)
}

describe('the identity of the content of files', () => {
  it('is the same for the same content, whatever the files are called', async () => {
    const before = await identityOf(files)
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    const renamed = files.map(({ path }) => ({ path: `${path}.jpg` }))
    for (const { path } of files) renameSync(path, `${path}.jpg`)
    expect(await identityOf(renamed)).toBe(before)
  })

  it('changes with any file that is replaced by one of the same size, and when any two are swapped', async () => {
    const before = await identityOf(files)
    for (const at of [0, 37, 99]) {
      writeFileSync(files[at]!.path, 'other 0000')
      expect(await identityOf(files)).not.toBe(before)
      writeFileSync(files[at]!.path, `image ${String(at).padStart(4, '0')}`)
    }
    swap(files[41]!.path, files[42]!.path)
    expect(await identityOf(files)).not.toBe(before)
  })

  it('of a data set larger than what is read, changes with the size of any file', async () => {
    const before = await identityOf(files, 50)
    writeFileSync(files[41]!.path, 'image 00041')
    expect(await identityOf(files, 50)).not.toBe(before)
  })

  it('passes over files that cannot be read: they are reported when they are decoded', async () => {
    const missing = [...files, { path: join(folder, 'missing') }]
    expect(await identityOf(missing)).toBe(await identityOf(missing))
  })
})
