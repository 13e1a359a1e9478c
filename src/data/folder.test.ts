import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { Progress } from './dataset.ts'
import { openFolder } from './folder.ts'
import { openDataset } from './open-dataset.ts'

let outer = ''
let directory = ''
beforeEach(async () => {
  outer = await mkdtemp(join(tmpdir(), 'moiety-folder-'))
  directory = join(outer, 'images')
  await mkdir(directory)
})
afterEach(() => rm(outer, { recursive: true }))

/** Writes a plain image whose red value is `red`. */
async function image(path: string, red = 0): Promise<void> {
  const place = join(directory, path)
  await mkdir(dirname(place), { recursive: true })
  await sharp({ create: { width: 9, height: 8, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toFile(place)
}

async function images(folder: string, count: number, red = 0): Promise<void> {
  for (let i = 0; i < count; i++) await image(`${folder}/${i}.png`, red + i)
}

async function failure(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof MoietyError)) throw error ?? new Error('nothing failed')
  return `${error.exitCode} ${error.describe()}`
}

describe('openFolder', () => {
  it('takes one folder a class, in the order of their names, and a fifth of each for testing', async () => {
    await images('dog', 10, 100)
    await images('cat', 5)
    const { classes, superclasses, train, test, size, title } = await openFolder({ directory })
    expect([classes, superclasses, size]).toEqual([['cat', 'dog'], undefined, 32])
    expect(train.labels).toEqual(Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1))
    expect(test.labels).toEqual(Int32Array.of(0, 1, 1))
    expect(title).toBe('images of the folder images: 2 classes, 12 training and 3 test images')
  })

  it('is identified by the content of its files, independent of its path and the image size', async () => {
    for (const name of ['a', 'b']) await images(name, 5)
    const { content } = await openFolder({ directory })
    expect(content).toMatch(/^[0-9a-f]{64}$/)
    await rename(directory, join(outer, 'moved'))
    directory = join(outer, 'moved')
    expect((await openFolder({ directory, size: 16 })).content).toBe(content)
    expect((await openFolder({ directory, limit: { train: 4 } })).content).not.toBe(content)
    // As many images of as many classes, in files of the same names and sizes.
    for (const name of ['a', 'b']) await images(name, 5, 100)
    expect((await openFolder({ directory })).content).not.toBe(content)
  })

  it('has every image on exactly one side, chosen by the seed', async () => {
    await images('a', 20)
    await images('b', 20, 100)
    const sides = async (seed: number): Promise<{ train: string; test: string }> => {
      const { train, test } = await openFolder({ directory, seed, size: 8 })
      const reds = async (split: typeof train): Promise<number[]> => {
        const pixels = await split.load(Array.from({ length: split.length }, (_, i) => i))
        return Array.from({ length: split.length }, (_, i) => pixels[i * 192]!)
      }
      const [inTrain, inTest] = [await reds(train), await reds(test)]
      expect([...inTrain, ...inTest].sort((x, y) => x - y)).toEqual([
        ...Array.from({ length: 20 }, (_, i) => i),
        ...Array.from({ length: 20 }, (_, i) => 100 + i),
      ])
      return { train: inTrain.join(), test: inTest.join() }
    }
    const once = await sides(1)
    expect(await sides(1)).toEqual(once)
    expect(await sides(2)).not.toEqual(once)
  })

  it('takes superclass/class, and names a class with its superclass where two have the same name', async () => {
    for (const place of ['big/bear', 'big/cat', 'small/cat', 'small/mouse']) await images(place, 2)
    const { classes, superclasses, superclassOf, train } = await openFolder({ directory })
    expect(classes).toEqual(['bear', 'big/cat', 'small/cat', 'mouse'])
    expect([superclasses, superclassOf]).toEqual([
      ['big', 'small'],
      [0, 0, 1, 1],
    ])
    expect(train.coarse).toEqual(Int32Array.of(0, 0, 1, 1))
  })

  it('stops at an unreadable image, naming file and reason', async () => {
    await images('a', 5)
    await writeFile(join(directory, 'a', 'notes.png'), 'no image')
    const said = await failure(openDataset({ name: 'folder', directory }))
    expect(said).toMatch(
      /^3 error: expected an image that can be read, got: not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image\n/,
    )
    expect(said).toContain(join('a', 'notes.png'))
    expect(said).toContain('data.unreadable=skip')
  })

  it('skips unreadable images under skip, and reports them', async () => {
    await images('a', 5, 10)
    await writeFile(join(directory, 'a', '2.png'), 'no image')
    await writeFile(join(directory, 'a', 'notes.txt'), 'no image')
    const { train, test, skipped } = await openDataset({
      name: 'folder',
      directory,
      unreadable: 'skip',
      size: 8,
    })
    expect(skipped.map(({ path }) => path)).toEqual([
      join(directory, 'a', '2.png'),
      join(directory, 'a', 'notes.txt'),
    ])
    expect(skipped[0]?.reason).toBe('not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image')
    expect(train.length + test.length).toBe(4)
    const pixels = await train.load(Array.from({ length: train.length }, (_, i) => i))
    for (let i = 0; i < train.length; i++) expect([10, 11, 13, 14]).toContain(pixels[i * 192])
  })

  it('refuses to lose a whole class to unreadable images', async () => {
    await images('a', 5)
    await mkdir(join(directory, 'b'))
    await writeFile(join(directory, 'b', '1.png'), 'no image')
    const said = await failure(openFolder({ directory, unreadable: 'skip' }))
    expect(said).toMatch(/^3 error: expected training images of every class, the class b has none/)
  })

  it('returns the same pixels when decoding on demand as from memory', async () => {
    await images('a', 6, 10)
    await writeFile(join(directory, 'a', '1.png'), 'no image')
    const held = await openFolder({ directory, unreadable: 'skip', size: 8 })
    const lazy = await openFolder({ directory, unreadable: 'skip', size: 8, memory: 0 })
    expect(lazy.skipped).toEqual(held.skipped)
    const order = [2, 0, 1, 2]
    expect(await lazy.train.load(order)).toEqual(await held.train.load(order))
  })

  it('stops at an unreadable image that it decodes on demand', async () => {
    await images('a', 6)
    const lazy = await openFolder({ directory, memory: 0 })
    await rm(join(directory, 'a'), { recursive: true })
    expect(await failure(lazy.train.load([0]))).toMatch(/^3 error: .*ENOENT/)
  })

  it('looks at no more files than a limit requires, spread over the classes', async () => {
    await images('a', 10)
    await images('b', 10)
    const seen: Progress[] = []
    const limit = { train: 4, test: 2 }
    const { train, test } = await openDataset({ name: 'folder', directory, limit }, p => seen.push(p))
    expect([train.labels, test.labels]).toEqual([Int32Array.of(0, 0, 1, 1), Int32Array.of(0, 1)])
    expect(seen.at(-1)).toEqual({ done: 6, total: 6, what: 'reading headers of images' })
  })
})

describe('the shape of a folder', () => {
  it('must have one folder a class', async () => {
    expect(await failure(openFolder({ directory }))).toMatch(/^3 error: .*found an empty one/)
    await images('a', 5)
    await image('stray.png')
    expect(await failure(openFolder({ directory }))).toContain('found the file stray.png')
    expect(await failure(openFolder({ directory: join(outer, 'none') }))).toMatch(
      /^3 error: expected a folder of images/,
    )
  })

  it('must have one depth, of at most two', async () => {
    await images('big/bear', 2)
    await images('mouse', 2)
    expect(await failure(openFolder({ directory }))).toContain(
      'expected the same depth everywhere, found images in mouse/ and the folder bear/ in big/',
    )
    await rm(join(directory, 'mouse'), { recursive: true })
    await images('big/bear/brown', 2)
    expect(await failure(openFolder({ directory }))).toContain('found the folder brown there')
  })

  it('must have images in every class', async () => {
    await images('a', 2)
    await mkdir(join(directory, 'b'))
    expect(await failure(openFolder({ directory }))).toMatch(/found an empty folder\n {2}at .*b\n/)
  })

  it('must have enough images to test on', async () => {
    await images('a', 1)
    expect(await failure(openFolder({ directory }))).toContain('every class has one image only')
  })

  it('ignores names that begin with a dot', async () => {
    await images('a', 5)
    await mkdir(join(directory, '.git'))
    await writeFile(join(directory, 'a', '.DS_Store'), 'x')
    expect((await openFolder({ directory })).classes).toEqual(['a'])
  })

  it('may link within itself but not out of itself', async () => {
    await images('a', 5)
    await symlink(join('..', 'a', '0.png'), join(directory, 'a', 'again.png'))
    const { train, test } = await openFolder({ directory })
    expect(train.length + test.length).toBe(6)
    for (const target of [join('..', '..', 'secret.png'), join('..', '..', 'images-too'), 'nothing']) {
      await writeFile(join(outer, 'secret.png'), 'x')
      await mkdir(join(outer, 'images-too'), { recursive: true })
      await symlink(target, join(directory, 'a', 'out.png'))
      const said = await failure(openFolder({ directory, unreadable: 'skip' }))
      expect(said).toMatch(/^3 error: expected links that stay within .*\n.*out\.png/)
      await rm(join(directory, 'a', 'out.png'))
    }
  })
})
