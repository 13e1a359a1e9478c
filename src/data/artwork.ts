import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { ArtworkPackage, artworkPackage, type FindPackage, findInstalled } from './artwork-package.ts'
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

export interface Artwork {
  readonly source: ArtworkPackage
  /** For each subgroup, its families: glyphs that must be on the same side of the split. */
  readonly families: readonly (readonly Family[])[]
}

/** Code points (as file names have them) of one thing in all skin tones, genders and colours. */
export type Family = readonly string[]

/**
 * Finds the glyphs, which all three vendors have, by subgroup and family.
 *
 * @param subgroups - default: the classes of the sample
 * @param dataset - the dataset's name, for the message
 * @throws MoietyError of kind `data` where the package with the artwork is not installed
 */
export async function findArtwork(
  findPackage: FindPackage = findInstalled,
  subgroups: Subgroups = sampleClasses,
  dataset = 'sample',
): Promise<Artwork> {
  const folder = findPackage(artworkPackage)
  if (folder === undefined) {
    return fail({
      kind: 'data',
      message: `expected the artwork that drawings are made from, but ${artworkPackage} is not installed`,
      where: `data.name: ${dataset}`,
      help: `npm install ${artworkPackage} (npm leaves it out with --omit=optional); or --data DIR for images of your own`,
    })
  }
  const source = await ArtworkPackage.open(folder)
  // A family that two subgroups share stays in the first: a face breathing out is a variant of one in another.
  const owners = new Map<string, string>()
  const inClass = (group: string, subgroup: string): readonly Family[] => {
    const families = new Map<string, string[]>()
    for (const { name, category, subcategory, unified, codes } of source.emoji) {
      if (category !== group || subcategory !== subgroup) continue
      const key = familyOf(name, unified)
      if ((owners.get(key) ?? subgroup) !== subgroup) continue
      owners.set(key, subgroup)
      if (codes.length > 0) families.set(key, [...(families.get(key) ?? []), ...codes])
    }
    return [...families.values()]
  }
  const families = subgroups.flatMap(([group, names]) => names.map(name => inClass(group, name)))
  return { source, families }
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

/** One glyph of one vendor, by its index in `vendors`. */
export async function readGlyph({ source }: Artwork, vendor: number, code: string): Promise<Glyph> {
  const rgba = await source.pixels(vendor, code)
  const glyph = new Float32Array(4 * glyphSize * glyphSize)
  for (let pixel = 0; pixel < glyph.length; pixel += 4) {
    const alpha = rgba[pixel + 3]! / 255
    for (let channel = 0; channel < 3; channel++)
      glyph[pixel + channel] = (alpha * rgba[pixel + channel]!) / 255
    glyph[pixel + 3] = alpha
  }
  return glyph
}
