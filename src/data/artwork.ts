import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { isThere, reasonOf, rethrowExhausted } from '../files/disk.ts'
import { readRegularFile, readRegularText, sizeLimits } from '../files/regular-file.ts'
import { type Glyph, glyphSize } from './drawing.ts'

/** Unicode's subgroups by its groups. */
export type Subgroups = readonly (readonly [group: string, subgroups: readonly string[]])[]

/**
 * The classes of the sample: Unicode's subgroups, by Unicode's group. Chosen for having at least eleven families
 * of glyphs that look related; left out are subgroups whose glyphs differ only in colour (hearts, squares), since
 * then a test glyph would be a training glyph in another colour.
 */
export const sampleClasses: Subgroups = [
  ['Smileys & Emotion', ['face-smiling', 'face-neutral-skeptical', 'face-concerned']],
  ['People & Body', ['person-role', 'person-sport']],
  [
    'Animals & Nature',
    ['animal-bird', 'animal-bug', 'animal-mammal', 'animal-marine', 'plant-flower', 'plant-other'],
  ],
  ['Food & Drink', ['drink', 'food-fruit', 'food-prepared', 'food-vegetable']],
  ['Travel & Places', ['place-building', 'sky & weather', 'time', 'transport-ground']],
  ['Objects', ['clothing', 'musical-instrument', 'tool']],
  ['Symbols', ['alphanum', 'arrow', 'zodiac']],
]

/** A vendor of artwork, its npm package, and the path of a glyph in it. */
export const vendors = [
  { vendor: 'Noto', package: 'emoji-datasource-google', file: (code: string) => `img/google/64/${code}.png` },
  {
    vendor: 'Twemoji',
    package: 'emoji-datasource-twitter',
    file: (code: string) => `img/twitter/64/${code}.png`,
  },
  { vendor: 'Fluent', package: '@lobehub/fluent-emoji-3d', file: (code: string) => `assets/${code}.webp` },
] as const

/** Finds the folder of an installed package. */
export type FindPackage = (name: string) => string | undefined

/** As Node resolves packages from here. */
export const findInstalled: FindPackage = name => {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

export interface Artwork {
  /** `name@version` of each package. */
  readonly versions: readonly string[]
  /** The folder of each package, in the order of {@link vendors}. */
  readonly folders: readonly string[]
  /** For each subgroup, its families: glyphs that must be on the same side of the split. */
  readonly families: readonly (readonly Family[])[]
}

/** Code points (as file names have them) of one thing in all skin tones, genders and colours. */
export type Family = readonly string[]

const entries = z.array(
  z.object({
    name: z.string(),
    unified: z.string(),
    category: z.string(),
    subcategory: z.string(),
    skin_variations: z.record(z.string(), z.object({ unified: z.string() })).optional(),
  }),
)

/**
 * Finds the glyphs that all three vendors have, by subgroup and family.
 *
 * @param subgroups - default: the classes of the sample
 * @param dataset - the dataset's name, for the message
 * @throws MoietyError of kind `data` where a package is not installed
 */
export async function findArtwork(
  findPackage: FindPackage = findInstalled,
  subgroups: Subgroups = sampleClasses,
  dataset = 'sample',
): Promise<Artwork> {
  const folders = vendors.map(vendor => findPackage(vendor.package))
  const absent = vendors.filter((_, i) => folders[i] === undefined).map(vendor => vendor.package)
  if (absent.length > 0) {
    fail({
      kind: 'data',
      message: `expected the artwork that drawings are made from, but ${absent.join(', ')} ${absent.length > 1 ? 'are' : 'is'} not installed`,
      where: `data.name: ${dataset}`,
      help: `npm install --save-dev ${absent.join(' ')}; or --data DIR for images of your own`,
    })
  }
  const found = folders.filter(folder => folder !== undefined)
  const versions = await Promise.all(found.map(readVersion))
  const emoji = entries.parse(await readJson(join(found[0]!, 'emoji.json')))
  // A family that two subgroups share stays in the first: a face breathing out is a variant of one in another.
  const owners = new Map<string, string>()
  const inClass = (group: string, subgroup: string): readonly Family[] => {
    const families = new Map<string, string[]>()
    for (const entry of emoji) {
      if (entry.category !== group || entry.subcategory !== subgroup) continue
      const codes = [entry, ...Object.values(entry.skin_variations ?? {})].map(each =>
        each.unified.toLowerCase(),
      )
      const complete = codes.filter(code => vendors.every((v, i) => isThere(join(found[i]!, v.file(code)))))
      const key = familyOf(entry.name, entry.unified)
      if ((owners.get(key) ?? subgroup) !== subgroup) continue
      owners.set(key, subgroup)
      if (complete.length > 0) families.set(key, [...(families.get(key) ?? []), ...complete])
    }
    return [...families.values()]
  }
  const families = subgroups.flatMap(([group, names]) => names.map(name => inClass(group, name)))
  return { versions, folders: found, families }
}

async function readVersion(folder: string): Promise<string> {
  const { name, version } = z
    .object({ name: z.string(), version: z.string() })
    .parse(await readJson(join(folder, 'package.json')))
  return `${name}@${version}`
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readRegularText(path, sizeLimits.artwork))
  } catch (cause) {
    return damaged(path, 'JSON', cause)
  }
}

function damaged(path: string, what: string, cause: unknown): never {
  rethrowExhausted(cause, 'read', path)
  return fail({
    kind: 'data',
    message: `expected ${what}, got: ${reasonOf(cause)}`,
    where: path,
    help: 'the package is damaged; install it again',
    cause,
  })
}

const colours = /\b(red|orange|yellow|green|blue|light blue|purple|brown|black|white|grey|pink) /gi
const person = new Set(['1f468', '1f469', '1f9d1'])

/** Genders that have their own code point: princess and prince, pregnant woman and man. */
const genders: ReadonlyMap<string, string> = new Map([
  ['1f478', '1f934'],
  ['1fac5', '1f934'],
  ['1fac3', '1f930'],
  ['1fac4', '1f930'],
])

/**
 * The subject of a glyph, apart from skin tone, gender and colour. Glyphs of one thing are sequences: an optional
 * man, woman or person with a joiner (U+200D), then the thing, then its modifiers; or they differ only by a
 * colour in the name (red apple, green apple).
 */
export function familyOf(name: string, unified: string): string {
  const plain = name.replace(colours, '')
  if (plain !== name && !unified.includes('-200D-')) return plain.toLowerCase()
  const points = unified
    .toLowerCase()
    .split('-')
    .filter(point => !/^1f3f[b-f]$/.test(point))
  if (person.has(points[0]!) && points[1] === '200d') return `person with ${points[2]}`
  return genders.get(points[0]!) ?? points[0]!
}

/** The families of one class that are drawn for training and for testing. */
export interface Sides {
  readonly train: readonly Family[]
  readonly test: readonly Family[]
}

/** Reserves about a quarter of a class's families for testing, at least two; which ones, by `seed`. */
export function splitFamilies(families: readonly Family[], seed: number, label: number): Sides {
  const order = draws(seed, 'sample split', 0, label).permutation(families.length)
  const held = Math.max(2, Math.round(families.length / 4))
  const pick = (places: Uint32Array): readonly Family[] => Array.from(places, place => families[place]!)
  return { train: pick(order.subarray(held)), test: pick(order.subarray(0, held)) }
}

/** Decodes one glyph of one vendor, by its index in {@link vendors}. */
export async function readGlyph(artwork: Artwork, vendor: number, code: string): Promise<Glyph> {
  const path = join(artwork.folders[vendor]!, vendors[vendor]!.file(code))
  const bytes = await readRegularFile(path, sizeLimits.artwork).catch((cause: unknown) =>
    damaged(path, 'an image', cause),
  )
  const rgba = await sharp(bytes)
    .toColourspace('srgb')
    .ensureAlpha()
    .resize(glyphSize, glyphSize, { fit: 'contain', background: '#0000' })
    .raw()
    .toBuffer()
    .catch((cause: unknown) => damaged(path, 'a PNG or WebP image', cause))
  const glyph = new Float32Array(rgba.length)
  for (let pixel = 0; pixel < rgba.length; pixel += 4) {
    const alpha = rgba[pixel + 3]! / 255
    for (let channel = 0; channel < 3; channel++)
      glyph[pixel + channel] = (alpha * rgba[pixel + channel]!) / 255
    glyph[pixel + 3] = alpha
  }
  return glyph
}
