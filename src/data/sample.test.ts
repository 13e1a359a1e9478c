import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { familyOf, findArtwork, splitFamilies } from './artwork.ts'
import { cacheDirectory } from './cache.ts'
import type { Progress } from './dataset.ts'
import { limitedTo } from './open-dataset.ts'
import { openSample } from './sample.ts'

let cache = ''
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'moiety-sample-'))
})
afterEach(() => rm(cache, { recursive: true }))

const perClass = { train: 2, test: 1 }

async function opened(seed = 0): Promise<{ pixels: Uint8Array; drawn: boolean }> {
  const seen: Progress[] = []
  const { train } = await openSample({ seed, cacheDirectory: cache, perClass }, p => seen.push(p))
  const pixels = await train.load(Array.from({ length: train.length }, (_, i) => i))
  return { pixels, drawn: seen.some(({ what }) => what === 'drawing the sample') }
}

describe('openSample', () => {
  it('has 25 classes in 7 groups, all equally many images, and the title “a sample of drawings”', async () => {
    const sample = await openSample({ cacheDirectory: cache, perClass })
    expect([sample.classes.length, sample.superclasses?.length, sample.size]).toEqual([25, 7, 32])
    expect(sample.title).toBe('a sample of drawings')
    for (const [split, each] of [
      [sample.train, 2],
      [sample.test, 1],
    ] as const) {
      const counts = sample.classes.map((_, label) => split.labels.filter(other => other === label).length)
      expect(new Set(counts)).toEqual(new Set([each]))
      expect(split.coarse).toEqual(split.labels.map(label => sample.superclassOf![label]!))
    }
    const marine = sample.classes.indexOf('animal-marine')
    expect(sample.superclasses?.[sample.superclassOf![marine]!]).toBe('Animals & Nature')
  })

  it('normalises with the mean and deviation of its own training images', async () => {
    const { train, mean, std } = await openSample({ cacheDirectory: cache, perClass })
    const pixels = await train.load(Array.from({ length: train.length }, (_, i) => i))
    const green = [...pixels].filter((_, i) => Math.floor(i / 1024) % 3 === 1).map(value => value / 255)
    const average = green.reduce((sum, value) => sum + value, 0) / green.length
    const variance = green.reduce((sum, value) => sum + (value - average) ** 2, 0) / green.length
    expect(mean[1]).toBeCloseTo(average, 9)
    expect(std[1]).toBeCloseTo(Math.sqrt(variance), 9)
  })

  it('is drawn once, then read, and the same either way', async () => {
    const first = await opened()
    const second = await opened()
    expect([first.drawn, second.drawn]).toEqual([true, false])
    expect(second.pixels).toEqual(first.pixels)
  })

  it('differs for another seed, cached separately', async () => {
    const first = await opened(0)
    const second = await opened(1)
    expect(second.pixels).not.toEqual(first.pixels)
    expect((await readdir(cache)).length).toBe(2)
  })

  it('is drawn and cached again if the cache is damaged or truncated', async () => {
    const first = await opened()
    const [name] = await readdir(cache)
    const kept = await readFile(join(cache, name!))
    const flipped = Uint8Array.from(kept, (byte, i) => (i === 5000 ? byte ^ 1 : byte))
    for (const damaged of [flipped, kept.subarray(0, 9000), new Uint8Array()]) {
      await writeFile(join(cache, name!), damaged)
      expect(await opened()).toEqual({ pixels: first.pixels, drawn: true })
      expect(await readFile(join(cache, name!))).toEqual(kept)
    }
  })

  it('is used uncached if the cache fails, which is reported', async () => {
    await writeFile(join(cache, 'file'), '')
    const seen: Progress[] = []
    const place = join(cache, 'file', 'in')
    const { train } = await openSample({ cacheDirectory: place, perClass }, p => seen.push(p))
    expect(train.length).toBe(50)
    expect(seen.at(-1)?.what).toMatch(/^the drawings could not be cached: /)
  })

  it('reports which package to install if the artwork is missing', async () => {
    const error = await openSample({ cacheDirectory: cache, findPackage: () => undefined }).catch(
      (e: unknown) => e,
    )
    if (!(error instanceof MoietyError)) throw error
    expect(error.exitCode).toBe(3)
    expect(error.describe()).toContain('@moiety/artwork is not installed')
    expect(error.describe()).toContain('npm install @moiety/artwork')
  })

  it('stays a sample of drawings under a limit, spread over the classes', async () => {
    const all = await openSample({ cacheDirectory: cache, perClass: { train: 3, test: 2 } })
    const { title, train, test } = limitedTo({ train: 50, test: 25 }, all)
    expect([title, train.length, test.length]).toEqual([
      'a sample of drawings, of which 50 training and 25 test images are used',
      50,
      25,
    ])
    expect(new Set(test.labels).size).toBe(25)
  })
})

describe('the split of the glyphs', () => {
  /** What is shown, without skin tone, gender, joiner or variation selector; a person in a role by the role. */
  function shown(code: string): string {
    const points = code.split('-').filter(point => !/^(1f3f[b-f]|200d|fe0f|2640|2642)$/.test(point))
    const isPerson = /^(1f468|1f469|1f9d1)$/.test(points[0]!)
    return isPerson ? `person ${points[1]}` : points[0]!
  }

  it('has no glyph on both sides, in any skin tone, gender or colour, in any class', async () => {
    const { families } = await findArtwork()
    for (const seed of [0, 1, 2]) {
      const sides = families.map((each, label) => splitFamilies(each, seed, label))
      const train = new Set(sides.flatMap(side => side.train.flat()).map(shown))
      const test = new Set(sides.flatMap(side => side.test.flat()).map(shown))
      expect([...test].filter(code => train.has(code))).toEqual([])
      expect(Math.min(...sides.map(side => side.test.length))).toBeGreaterThanOrEqual(2)
      expect(Math.min(...sides.map(side => side.train.length))).toBeGreaterThanOrEqual(8)
    }
  })

  it.skipIf(process.platform === 'win32')('refuses a package whose files are no files', async () => {
    spawnSync('mkfifo', [join(cache, 'artwork.json')])
    await expect(findArtwork(() => cache)).rejects.toThrow('found a named pipe')
  })

  it.each([
    ['skin tones and genders of a firefighter', '1F468-1F3FB-200D-1F692', '1F469-200D-1F692', ''],
    ['a prince and a princess', '1F934', '1F478-1F3FD', ''],
    ['a cat and a black cat', '1F408', '1F408-200D-2B1B', 'BLACK CAT'],
  ])('assigns %s to one family', (_, one, other, name) => {
    expect(familyOf(name, other)).toBe(familyOf('', one))
  })

  it('assigns things that differ only by the colour in their name to one family', () => {
    expect(familyOf('GREEN APPLE', '1F34F')).toBe(familyOf('RED APPLE', '1F34E'))
    expect(familyOf('LIGHT BLUE HEART', '1FA75')).toBe(familyOf('ORANGE HEART', '1F9E1'))
  })

  it('assigns different things to different families', () => {
    const codes = ['1F408', '1F415', '1F468-200D-1F692', '1F468-200D-1F680', '1F468', '1F550', '1F551']
    expect(new Set(codes.map(code => familyOf('', code))).size).toBe(codes.length)
  })
})

describe('cacheDirectory', () => {
  const configured = process.env.MOIETY_CACHE
  afterEach(() => {
    if (configured === undefined) delete process.env.MOIETY_CACHE
    else process.env.MOIETY_CACHE = configured
  })

  it('is MOIETY_CACHE, or else next to the nearest package.json', async () => {
    process.env.MOIETY_CACHE = join(cache, 'configured')
    expect(cacheDirectory()).toBe(join(cache, 'configured'))
    delete process.env.MOIETY_CACHE
    await writeFile(join(cache, 'package.json'), '{}')
    expect(cacheDirectory(join(cache, 'src', 'deep'))).toBe(join(cache, '.cache', 'moiety'))
  })
})
