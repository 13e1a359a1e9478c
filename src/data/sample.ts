import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { MoietyError } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { makeFolders, writeCarefully } from '../files/careful.ts'
import { nodeDisk } from '../files/disk.ts'
import {
  type Artwork,
  type Family,
  type FindPackage,
  findArtwork,
  readGlyph,
  type Sides,
  sampleClasses,
  splitFamilies,
  vendors,
} from './artwork.ts'
import { type Dataset, type OnProgress, type PerChannel, type Split, splitInMemory } from './dataset.ts'
import { drawImage, drawingVersion, drawnSize, type Glyph } from './drawing.ts'

/** How the sample of drawings is drawn and kept. */
export interface SampleOptions {
  /** Decides which glyphs are for testing and how each image is drawn; 0 unless told. */
  readonly seed?: number | undefined
  /** The folder in which the drawn sample is kept; see {@link cacheDirectory}. */
  readonly cacheDirectory?: string | undefined
  /** Images of each class; 320 and 80 unless told, which makes 8,000 and 2,000. */
  readonly perClass?: { readonly train: number; readonly test: number }
  /** Finds the packages with the artwork; as Node resolves them, unless told. */
  readonly findPackage?: FindPackage | undefined
}

const pixelBytes = 3 * drawnSize * drawnSize
const groups = sampleClasses.map(([group]) => group)
const classes = sampleClasses.flatMap(([, subgroups]) => subgroups)
const superclassOf = sampleClasses.flatMap(([, subgroups], group) => subgroups.map(() => group))

/**
 * The embedded sample: 32×32 drawings of emoji, the class being Unicode's subgroup and the superclass its group.
 * All classes have equally many images, and no glyph of a test image, in any skin tone, gender, colour or
 * vendor's version, is in a training image. It is for trying things out: a sample of drawings, never a benchmark.
 *
 * The first call draws it (seconds); later ones read what the first kept, if that is undamaged.
 *
 * @throws MoietyError of kind `data` where the artwork's packages are not installed
 */
export async function openSample(options: SampleOptions, progress?: OnProgress): Promise<Dataset> {
  const { seed = 0, perClass = { train: 320, test: 80 } } = options
  const counts = { train: classes.length * perClass.train, test: classes.length * perClass.test }
  const artwork = await findArtwork(options.findPackage)
  const sides = artwork.families.map((families, label) => splitFamilies(families, seed, label))
  const total = (counts.train + counts.test) * pixelBytes
  const key = digestOf([drawingVersion, artwork.versions, sides, seed, perClass.train, perClass.test])
  const file = join(options.cacheDirectory ?? cacheDirectory(), `sample-of-drawings-${key}.bin`)
  const kept = await readKept(file, total)
  const pixels = kept ?? (await drawAll(artwork, sides, seed, counts, progress))
  if (!kept) keep(file, pixels, progress)

  const trainPixels = pixels.subarray(0, counts.train * pixelBytes)
  const { mean, std } = moments(trainPixels)
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

/** Where things that can be made again are kept: MOIETY_CACHE, or `.cache/moiety` beside the nearest package.json. */
export function cacheDirectory(from = process.cwd()): string {
  const told = process.env.MOIETY_CACHE
  if (told !== undefined && told !== '') return resolve(told)
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return join(folder, '.cache', 'moiety')
    if (dirname(folder) === folder) return join(resolve(from), '.cache', 'moiety')
  }
}

/** Classes take turns, so that any even part of the images is balanced too. */
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

/** Families take turns; which of the family's glyphs, and in whose drawing, is random. */
function choose(
  families: readonly Family[],
  turn: number,
  below: (count: number) => number,
): { readonly code: string; readonly vendor: number } {
  const family = families[turn % families.length]!
  return { code: family[below(family.length)]!, vendor: below(vendors.length) }
}

/** Of all that decides the pixels: the file's name, so that a change of any of it makes another file. */
function digestOf(facts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16)
}

const digestBytes = 32

/** The pixels in the file, after their SHA-256; undefined where the file is not there or not whole. */
async function readKept(file: string, total: number): Promise<Uint8Array | undefined> {
  const bytes = await readFile(file).catch(() => undefined)
  if (bytes?.length !== digestBytes + total) return undefined
  const pixels = bytes.subarray(digestBytes)
  const digest = createHash('sha256').update(pixels).digest()
  return digest.equals(bytes.subarray(0, digestBytes)) ? pixels : undefined
}

/** Keeps the pixels for the next time. Where that fails the drawings still serve this time, and it is said. */
function keep(file: string, pixels: Uint8Array, progress?: OnProgress): void {
  const bytes = new Uint8Array(digestBytes + pixels.length)
  bytes.set(createHash('sha256').update(pixels).digest())
  bytes.set(pixels, digestBytes)
  try {
    makeFolders(nodeDisk, dirname(file))
    writeCarefully(nodeDisk, file, bytes)
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    progress?.({ done: 1, total: 1, what: `the drawings could not be kept: ${error.message}` })
  }
}

/** Mean and standard deviation of pixel/255 over all images, by channel. */
function moments(pixels: Uint8Array): { readonly mean: PerChannel; readonly std: PerChannel } {
  const plane = drawnSize * drawnSize
  const sums = [0, 0, 0]
  const squares = [0, 0, 0]
  for (let start = 0, channel = 0; start < pixels.length; start += plane, channel = (channel + 1) % 3) {
    let sum = 0
    let square = 0
    for (let i = start; i < start + plane; i++) {
      const value = pixels[i]!
      sum += value
      square += value * value
    }
    sums[channel]! += sum
    squares[channel]! += square
  }
  const count = pixels.length / 3
  const mean = (channel: number): number => sums[channel]! / count / 255
  const std = (channel: number): number =>
    Math.sqrt(squares[channel]! / count / 255 ** 2 - mean(channel) ** 2)
  return { mean: [mean(0), mean(1), mean(2)], std: [std(0), std(1), std(2)] }
}
