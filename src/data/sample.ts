import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { draws } from '../base/random.ts'
import {
  type Artwork,
  type Family,
  findArtwork,
  readGlyph,
  type Sides,
  sampleClasses,
  splitFamilies,
} from './artwork.ts'
import { type FindPackage, vendors } from './artwork-package.ts'
import { cacheDirectory, cacheKey, readCache, writeCache } from './cache.ts'
import { channelStatistics } from './channel-statistics.ts'
import { type Dataset, type OnProgress, type Split, splitInMemory } from './dataset.ts'
import { drawImage, drawingVersion, drawnSize, type Glyph } from './drawing.ts'

/** Options of the sample of drawings. */
export interface SampleOptions {
  /** Seed of the test glyphs and of the drawing. Default: 0. */
  readonly seed?: number | undefined
  /** Cache folder of the drawn sample; see {@link cacheDirectory}. */
  readonly cacheDirectory?: string | undefined
  /** Images of each class. Default: 320 and 80, which makes 8,000 and 2,000. */
  readonly perClass?: { readonly train: number; readonly test: number }
  /** Finds the packages with the artwork. Default: Node's resolution. */
  readonly findPackage?: FindPackage | undefined
}

const pixelBytes = 3 * drawnSize * drawnSize
const groups = sampleClasses.map(([group]) => group)
const classes = sampleClasses.flatMap(([, subgroups]) => subgroups)
const superclassOf = sampleClasses.flatMap(([, subgroups], group) => subgroups.map(() => group))

/**
 * The embedded sample: 32×32 drawings of emoji, the class being Unicode's subgroup and the superclass its group.
 * All classes have equally many images, and no glyph of a test image, in any skin tone, gender, colour or
 * vendor's version, is in a training image. It is for trials, not a benchmark.
 *
 * The first call draws it (seconds); later ones read the cache.
 *
 * @throws MoietyError of kind `data` where the artwork's packages are not installed
 */
export async function openSample(options: SampleOptions, progress?: OnProgress): Promise<Dataset> {
  const { seed = 0, perClass = { train: 320, test: 80 } } = options
  const counts = { train: classes.length * perClass.train, test: classes.length * perClass.test }
  const artwork = await findArtwork(options.findPackage)
  const sides = artwork.families.map((families, label) => splitFamilies(families, seed, label))
  const total = (counts.train + counts.test) * pixelBytes
  const key = cacheKey([drawingVersion, artwork.source.sources, sides, seed, perClass.train, perClass.test])
  const file = join(options.cacheDirectory ?? cacheDirectory(), `sample-of-drawings-${key}.bin`)
  const kept = await readCache(file, total)
  const pixels = kept ?? (await drawAll(artwork, sides, seed, counts, progress))
  if (!kept) writeCache(file, pixels, progress)

  const trainPixels = pixels.subarray(0, counts.train * pixelBytes)
  const { mean, std } = channelStatistics(trainPixels, drawnSize * drawnSize)
  return {
    name: 'sample',
    title: 'a sample of drawings',
    size: drawnSize,
    classes,
    superclasses: groups,
    superclassOf,
    mean,
    std,
    train: splitOf(trainPixels),
    test: splitOf(pixels.subarray(counts.train * pixelBytes)),
    skipped: [],
  }
}

/** Classes alternate, so that subsets are balanced too. */
function splitOf(bytes: Uint8Array): Split {
  const labels = Int32Array.from({ length: bytes.length / pixelBytes }, (_, i) => i % classes.length)
  const coarse = labels.map(label => superclassOf[label]!)
  return splitInMemory({ bytes, stride: pixelBytes, header: 0, size: drawnSize, labels, coarse })
}

interface Counts {
  readonly train: number
  readonly test: number
}

async function drawAll(
  artwork: Artwork,
  sides: readonly Sides[],
  seed: number,
  counts: Counts,
  progress?: OnProgress,
): Promise<Uint8Array> {
  const total = counts.train + counts.test
  const pixels = new Uint8Array(total * pixelBytes)
  const glyphs = new Map<string, Glyph>()
  for (let image = 0; image < total; image++) {
    const testing = image >= counts.train
    const index = testing ? image - counts.train : image
    const side = sides[index % classes.length]!
    const source = draws(seed, 'sample draw', testing ? 1 : 0, index)
    const turn = Math.floor(index / classes.length)
    const { code, vendor } = choose(testing ? side.test : side.train, turn, source.below)
    const key = `${vendor} ${code}`
    const glyph = glyphs.get(key) ?? (await readGlyph(artwork, vendor, code))
    glyphs.set(key, glyph)
    drawImage(glyph, source, pixels.subarray(image * pixelBytes, (image + 1) * pixelBytes))
    if (image % 100 === 99 || image === total - 1) {
      progress?.({ done: image + 1, total, what: 'drawing the sample' })
      await setImmediate()
    }
  }
  return pixels
}

/** Families alternate; the glyph of the family and its vendor are random. */
function choose(
  families: readonly Family[],
  turn: number,
  below: (count: number) => number,
): { readonly code: string; readonly vendor: number } {
  const family = families[turn % families.length]!
  return { code: family[below(family.length)]!, vendor: below(vendors.length) }
}
