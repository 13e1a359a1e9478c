import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../files/disk.ts'
import { readRegularText, sizeLimits } from '../files/regular-file.ts'

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

/** An emoji as the vendors' packages describe it. */
export const emojiSchema = z.array(
  z.object({
    name: z.string(),
    unified: z.string(),
    category: z.string(),
    subcategory: z.string(),
    skin_variations: z.record(z.string(), z.object({ unified: z.string() })).optional(),
  }),
)
export type Emoji = z.infer<typeof emojiSchema>[number]

/** The code points of an emoji, as file names have them, and of its skin tones. */
export function codesOf(emoji: Emoji): readonly string[] {
  return [emoji, ...Object.values(emoji.skin_variations ?? {})].map(each => each.unified.toLowerCase())
}

/** Glyphs and what Unicode says about them. */
export interface ArtworkSource {
  /** `name@version` of the package of each vendor, in the order of {@link vendors}. */
  readonly versions: readonly string[]
  readonly emoji: readonly Emoji[]
  /** @param vendor - index in {@link vendors} */
  has(vendor: number, code: string): boolean
  /** Red, green, blue and alpha of 64 × 64 pixels. Colours of pixels with an alpha of 0 are undefined. */
  pixels(vendor: number, code: string): Promise<Uint8Array>
}

/** Reads and checks a JSON file of a package with artwork. @throws MoietyError `data` where it is damaged */
export async function readArtworkJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  try {
    return schema.parse(JSON.parse(await readRegularText(path, sizeLimits.artwork)))
  } catch (cause) {
    return damagedArtwork(path, 'JSON', cause)
  }
}

export function damagedArtwork(path: string, what: string, cause: unknown): never {
  rethrowExhausted(cause, 'read', path)
  return fail({
    kind: 'data',
    message: `expected ${what}, got: ${reasonOf(cause)}`,
    where: path,
    help: 'the package is damaged; install it again',
    cause,
  })
}
