import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFolder } from '../src/data/index.ts'

// These tests run what `npm test` has built before.
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const library = new URL('../dist/data/index.js', import.meta.url).href

const folder = mkdtempSync(join(tmpdir(), 'moiety-data-cache-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const photos = join(folder, 'photos')
const cache = join(folder, 'cache')
const size = 24
const perClass = 150

beforeAll(async () => {
  for (const name of ['cat', 'dog']) {
    mkdirSync(join(photos, name), { recursive: true })
    for (let at = 0; at < perClass; at++) {
      const pixels = Uint8Array.from({ length: 3 * 30 * 30 }, (_, i) => (i * (at + 1) * 7919) % 251)
      await sharp(pixels, { raw: { width: 30, height: 30, channels: 3 } })
        .jpeg()
        .toFile(join(photos, name, `${at}.jpg`))
    }
  }
})

/** Loads every image in a process of its own, which says when it has opened them. */
function loader(to: string) {
  const script = `
    const { openFolder } = await import(${JSON.stringify(library)})
    const { train, test } = await openFolder(${JSON.stringify({ directory: photos, size, cache: to })})
    console.log('opened')
    for (const split of [train, test])
      for (let at = 0; at < split.length; at += 10)
        await split.load(Array.from({ length: Math.min(10, split.length - at) }, (_, i) => at + i))
    console.log('loaded')`
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function pixelsWith(to: string): Promise<Uint8Array> {
  const { train, test } = await openFolder({ directory: photos, size, cache: to })
  const all = [train, test].map(split => split.load(Array.from({ length: split.length }, (_, i) => i)))
  return Buffer.concat(await Promise.all(all))
}

const moiety = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [program, ...args], { cwd: folder })).stdout

interface Listed {
  readonly bytes: number
  readonly deleted: boolean
  readonly files: readonly { readonly what: string }[]
}
const listed = async (...args: string[]): Promise<Listed> =>
  JSON.parse(await moiety('data', 'cache', '--json', ...args)) as Listed

describe('the cache of decoded images', () => {
  it('is right after a process that fills it was killed at any time', async () => {
    const plain = await pixelsWith('off')
    for (let round = 0; round < 6; round++) {
      const own = join(folder, `killed-${round}`)
      const child = loader(own)
      const ended = new Promise(resolve => child.once('exit', resolve))
      await new Promise(resolve => child.stdout.once('data', resolve))
      await new Promise(resolve => setTimeout(resolve, 25 * round))
      child.kill('SIGKILL')
      await ended
      expect(Buffer.compare(await pixelsWith(own), plain)).toBe(0)
      expect(readdirSync(own)).toEqual([expect.stringMatching(/^pixels-[0-9a-f]{16}\.cache$/)])
    }
  })

  it('is one for processes that fill it at once', async () => {
    const children = [loader(cache), loader(cache), loader(cache)]
    const codes = await Promise.all(
      children.map(child => new Promise(resolve => child.once('exit', resolve))),
    )
    expect(codes).toEqual([0, 0, 0])
    expect((await listed('--dir', cache)).files.map(({ what }) => what)).toEqual([
      `photos at ${size}×${size}: 300 of 300 images decoded`,
    ])
    const plain = await pixelsWith('off')
    expect(Buffer.compare(await pixelsWith(cache), plain)).toBe(0)
  })

  it('is filled by a training, and used by its evaluation, after which `moiety data cache` deletes it', async () => {
    const config = ['data.size=24', `data.cache=${cache}`, 'data.limit.train=32', 'data.limit.test=16']
    const small = ['model.width=4', 'training.epochs=1', 'training.batch=16', 'model.moe=[]']
    const set = [...config, ...small].flatMap(one => ['--set', one])
    await moiety('train', '--data', photos, '--out', 'run', ...set)
    const { files } = await listed('--dir', cache)
    expect(files.map(({ what }) => what)).toContain('photos at 24×24: 48 of 48 images decoded')
    const before = JSON.parse(await moiety('eval', 'run', '--json')) as object
    expect(JSON.parse(await moiety('eval', 'run', '--json'))).toEqual(before)
    expect(await moiety('data', 'cache', '--dir', cache)).toContain('moiety data cache --delete')
    expect((await listed('--dir', cache, '--older-than', '1')).files).toEqual([])
    writeFileSync(join(cache, 'notes.txt'), 'of the user')
    expect(await listed('--dir', cache, '--delete')).toMatchObject({
      deleted: true,
      files: files.map(({ what }) => ({ what })),
    })
    expect(readdirSync(cache)).toEqual(['notes.txt'])
    expect(await moiety('data', 'cache', '--dir', cache)).toBe(`nothing is cached in ${cache}\n`)
    expect(readFileSync(join(cache, 'notes.txt'), 'utf8')).toBe('of the user')
  })

  it('is refused under a name that is no folder', async () => {
    const failed = await moiety('train', '--data', photos, '--set', 'data.cache=of').catch(
      (error: { code: number; stderr: string }) => error,
    )
    expect(failed).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected auto or off, or text, came "of"'),
    })
  })
})
