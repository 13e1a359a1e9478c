import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../files/disk.ts'
import { readRegularFile, readRegularText, sizeLimits } from '../files/regular-file.ts'
import { glyphSize } from './drawing.ts'

/** The package with the glyphs that drawings are made from; written by `scripts/artwork.js` from the vendors' packages. */
export const artworkPackage = '@moiety/artwork'

/** The vendors of the artwork. */
export const vendors = ['noto', 'twemoji', 'fluent'] as const

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

/**
 * `artwork.json`. The file of a vendor has one WebP image, without loss, for each sheet: its glyphs one below the other, 64 × 64 pixels
 * each. Glyphs are named by their code points.
 */
const artworkSchema = z.object({
  /** `name@version` of the package of each vendor. */
  sources: z.array(z.string()).length(vendors.length),
  emoji: z.array(
    z.object({
      name: z.string(),
      category: z.string(),
      subcategory: z.string(),
      unified: z.string(),
      /** Of the emoji and its skin tones, those that all vendors have. */
      codes: z.array(z.string()),
    }),
  ),
  sheets: z.array(
    z.object({
      codes: z.array(z.string()),
      /** Where the sheet begins and ends in the file of each vendor. */
      bytes: z.array(z.tuple([z.number(), z.number()])).length(vendors.length),
    }),
  ),
})

/** An emoji as Unicode describes it. */
export type Emoji = z.infer<typeof artworkSchema>['emoji'][number]

const glyphBytes = 4 * glyphSize * glyphSize

/** The installed artwork. A file is read, and a sheet decoded, when the first of its glyphs is asked for. */
export class ArtworkPackage {
  readonly sources: readonly string[]
  readonly emoji: readonly Emoji[]
  readonly #folder: string
  readonly #places: ReadonlyMap<string, { readonly sheet: number; readonly index: number }>
  readonly #sheets: z.infer<typeof artworkSchema>['sheets']
  readonly #files = new Map<number, Promise<Uint8Array>>()
  readonly #decoded = new Map<string, Promise<Uint8Array>>()

  private constructor(folder: string, { sources, emoji, sheets }: z.infer<typeof artworkSchema>) {
    this.#folder = folder
    this.sources = sources
    this.emoji = emoji
    this.#sheets = sheets
    this.#places = new Map(
      sheets.flatMap(({ codes }, sheet) => codes.map((code, index) => [code, { sheet, index }] as const)),
    )
  }

  /** @throws MoietyError `data` where the package is damaged */
  static async open(folder: string): Promise<ArtworkPackage> {
    const path = join(folder, 'artwork.json')
    try {
      const text = await readRegularText(path, sizeLimits.artwork)
      return new ArtworkPackage(folder, artworkSchema.parse(JSON.parse(text)))
    } catch (cause) {
      return damaged(path, 'JSON', cause)
    }
  }

  /**
   * Red, green, blue and alpha of 64 × 64 pixels.
   *
   * @param vendor - index in {@link vendors}
   * @throws MoietyError `data` where the package is damaged
   */
  async pixels(vendor: number, code: string): Promise<Uint8Array> {
    const { sheet, index } = this.#places.get(code)!
    const key = `${vendor} ${sheet}`
    const decoded = this.#decoded.get(key) ?? this.#decode(vendor, sheet)
    this.#decoded.set(key, decoded)
    return (await decoded).subarray(index * glyphBytes, (index + 1) * glyphBytes)
  }

  async #decode(vendor: number, sheet: number): Promise<Uint8Array> {
    const { codes, bytes } = this.#sheets[sheet]!
    const path = join(this.#folder, `${vendors[vendor]}.bin`)
    try {
      const file = this.#files.get(vendor) ?? readRegularFile(path, sizeLimits.artwork)
      this.#files.set(vendor, file)
      const { data, info } = await sharp((await file).subarray(...bytes[vendor]!))
        .ensureAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true })
      if (info.width === glyphSize && info.height === codes.length * glyphSize) return data
      throw new Error(`${info.width} × ${info.height} pixels`)
    } catch (cause) {
      const wanted = `an image of ${codes.length} glyphs of ${glyphSize} × ${glyphSize} pixels as sheet ${sheet}`
      return damaged(path, wanted, cause)
    }
  }
}

function damaged(path: string, what: string, cause: unknown): never {
  rethrowExhausted(cause, 'read', path)
  return fail({
    kind: 'data',
    message: `expected ${what}, got: ${reasonOf(cause)}`,
    where: path,
    help: `the package ${artworkPackage} is damaged; install it again`,
    cause,
  })
}
