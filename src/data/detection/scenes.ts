import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fail } from '../../base/errors.ts'
import { type Draws, draws } from '../../base/random.ts'
import { type Artwork, type Family, readGlyph, type Sides, splitFamilies } from '../artwork.ts'
import { type FindPackage, vendors } from '../artwork-package.ts'
import { cacheDirectory, cacheKey, readCache, writeCache } from '../cache.ts'
import { channelStatistics } from '../channel-statistics.ts'
import type { Limit, OnProgress } from '../dataset.ts'
import { drawingVersion } from '../drawing.ts'
import { usedInWords } from '../split-names.ts'
import { canvasesOf } from './canvas.ts'
import { checkScene, type DetectionDataset, type DetectionSplit, type Scene } from './detection-dataset.ts'
import { type Pyramid, pyramidOf } from './glyph-patch.ts'
import { findSceneArtwork, sceneClasses, sceneSuperclasses } from './scene-classes.ts'
import { type Drawn, drawScene, objectCounts, sceneVersion, type Wanted } from './scene-drawing.ts'
import { DrawnScenes } from './scene-file.ts'

/** Options of drawn scenes. */
export interface ScenesOptions {
  /** Height and width of a scene, in pixels. Default: 128. */
  readonly size?: number | undefined
  /** At most this many scenes of each side, the first ones; others are not drawn. */
  readonly limit?: Limit | undefined
  /** Seed of the test glyphs and of the drawing. Default: 0. */
  readonly seed?: number | undefined
  /** Cache folder of the scenes; see {@link cacheDirectory}. */
  readonly cacheDirectory?: string | undefined
  /** Finds the packages with the artwork. Default: Node's resolution. */
  readonly findPackage?: FindPackage | undefined
}

/** How many scenes of each side there are without a limit. */
export const sceneCounts = { train: 4000, test: 400 } as const

/** COCO's limits of 32 and 96 pixels become 16 and 48, which makes four in ten objects small, and one in seven large. */
const sizeFactor = 0.5

/**
 * Drawn scenes: 1 to 8 emoji of 8 classes on a background, with exact boxes. No glyph of a test scene, in any skin
 * tone, gender, colour or vendor's version, is in a training scene. They are for trials, not a
 * benchmark. Scene i is the same whatever the limit.
 *
 * The first call draws them (a part of a minute); later ones read the cache.
 *
 * @throws MoietyError of kind `data` where the artwork's packages are not installed, of kind `usage` for a size that
 *   scenes are not drawn at
 */
export async function openScenes(options: ScenesOptions, progress?: OnProgress): Promise<DetectionDataset> {
  const { size = 128, seed = 0, limit } = options
  checkSize(size)
  const { artwork, families } = await findSceneArtwork(options.findPackage)
  const sides = families.map((own, label) => splitFamilies(own, seed, label))
  const folder = options.cacheDirectory ?? cacheDirectory()
  const fileOf = (count: number, side: keyof typeof sceneCounts): string => {
    const key = cacheKey([
      sceneVersion,
      drawingVersion,
      artwork.source.sources,
      sides,
      seed,
      size,
      count,
      side,
    ])
    return join(folder, `scenes-${side}-${key}.bin`)
  }
  const open = async (side: keyof typeof sceneCounts): Promise<DrawnScenes> => {
    const all = sceneCounts[side]
    const count = Math.min(limit?.[side] ?? all, all)
    for (const kept of new Set([all, count])) {
      const bytes = await readCache(fileOf(kept, side), DrawnScenes.bytesOf(kept, size))
      if (bytes) return new DrawnScenes(bytes, kept, size).first(count)
    }
    const scenes = new DrawnScenes(new Uint8Array(DrawnScenes.bytesOf(count, size)), count, size)
    await drawAll(scenes, side, { artwork, sides, seed }, progress)
    writeCache(fileOf(count, side), scenes.bytes, progress)
    return scenes
  }
  const train = await open('train')
  const test = await open('test')
  const splits = { train: splitOf(train, size), test: splitOf(test, size) }
  const all = { train: { length: sceneCounts.train }, test: { length: sceneCounts.test } }
  return {
    name: 'scenes',
    title: `scenes of drawings${usedInWords(all, splits)}`,
    classes: sceneClasses.map(({ name }) => name),
    categoryIds: sceneClasses.map((_, label) => label + 1),
    superclasses: sceneSuperclasses,
    superclassOf: sceneClasses.map(({ superclass }) => sceneSuperclasses.indexOf(superclass)),
    ...channelStatistics(train.pixels, size * size),
    canvases: canvasesOf({ longest: size, shortest: size }),
    sizeFactor,
    ...splits,
    skipped: [],
  }
}

function checkSize(size: number): void {
  if (Number.isInteger(size) && size >= 128 && size <= 160) return
  fail({
    kind: 'usage',
    message: `expected a size of scenes of 128 … 160 pixels, got ${size}`,
    where: 'data.size',
    help: '128 is the usual one',
  })
}

interface Source {
  readonly artwork: Artwork
  readonly sides: readonly Sides[]
  readonly seed: number
}

async function drawAll(
  scenes: DrawnScenes,
  side: keyof typeof sceneCounts,
  { artwork, sides, seed }: Source,
  progress?: OnProgress,
): Promise<void> {
  const glyphs = new Glyphs(artwork)
  const families = sides.map(each => each[side])
  for (let index = 0; index < scenes.count; index++) {
    scenes.setObjects(
      index,
      await drawOne(families, glyphs, draws(seed, `scene for ${side}`, 0, index), scenes, index),
    )
    if (index % 20 === 19 || index === scenes.count - 1) {
      progress?.({ done: index + 1, total: scenes.count, what: `drawing ${side} scenes` })
      await setImmediate()
    }
  }
}

/** Draws a scene; repeats with the next random numbers if no object could be placed, which is rare. */
async function drawOne(
  families: readonly (readonly Family[])[],
  glyphs: Glyphs,
  source: Draws,
  scenes: DrawnScenes,
  index: number,
): Promise<readonly Drawn[]> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const wanted = await chooseGlyphs(families, glyphs, source)
    const drawn = drawScene(scenes.size, wanted, source, scenes.pixelsOf(index))
    if (drawn.length > 0) return drawn
  }
  return fail({
    kind: 'data',
    message: 'expected glyphs that can be seen, found none',
    where: 'data.name: scenes',
    help: 'the packages with the artwork are damaged; install them again',
  })
}

/** The number of objects, the class, and the family of the class are uniformly distributed. */
function chooseGlyphs(
  families: readonly (readonly Family[])[],
  glyphs: Glyphs,
  source: Draws,
): Promise<readonly Wanted[]> {
  const [fewest, most] = objectCounts
  const count = fewest + source.below(most - fewest + 1)
  const chosen = Array.from({ length: count }, () => {
    const label = source.below(families.length)
    const family = families[label]![source.below(families[label]!.length)]!
    return { label, code: family[source.below(family.length)]!, vendor: source.below(vendors.length) }
  })
  return Promise.all(
    chosen.map(async ({ label, code, vendor }) => ({ label, glyph: await glyphs.read(vendor, code) })),
  )
}

/** Cache of the thousand glyphs decoded last: 90 MB. */
class Glyphs {
  readonly #artwork: Artwork
  readonly #kept = new Map<string, Pyramid>()

  constructor(artwork: Artwork) {
    this.#artwork = artwork
  }

  async read(vendor: number, code: string): Promise<Pyramid> {
    const key = `${vendor} ${code}`
    const pyramid = this.#kept.get(key) ?? pyramidOf(await readGlyph(this.#artwork, vendor, code))
    if (!this.#kept.has(key) && this.#kept.size >= 1000) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(key, pyramid)
    return pyramid
  }
}

/** A split whose pixels are in memory; their size is that of the canvas or, in its corner, less. */
function splitOf(drawn: DrawnScenes, size: number): DetectionSplit {
  let id = 0
  const scenes = Array.from({ length: drawn.count }, (_, index): Scene => {
    const objects = drawn.objectsOf(index).map(object => ({ id: ++id, ...object, crowd: false }))
    return { id: index + 1, name: `scene ${index + 1}`, width: size, height: size, objects }
  })
  return {
    length: drawn.count,
    scenes,
    load: async indices =>
      Array.from(indices, index => {
        checkScene(index, drawn.count)
        return { pixels: drawn.pixelsOf(index).slice(), width: size, height: size }
      }),
  }
}
