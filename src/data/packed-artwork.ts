import { join } from 'node:path'
import sharp from 'sharp'
import { z } from 'zod'
import { isThere } from '../files/disk.ts'
import { readRegularFile, sizeLimits } from '../files/regular-file.ts'
import {
  type ArtworkSource,
  damagedArtwork,
  emojiSchema,
  type FindPackage,
  readArtworkJson,
  vendors,
} from './artwork-source.ts'
import { glyphSize } from './drawing.ts'

/** The package with the glyphs that drawings are made from, in sheets; written by `scripts/pack-artwork.js`. */
export const packedArtwork = '@moiety/artwork'

/**
 * `artwork.json`. Sheet i of a vendor is the file `VENDOR-i.webp`, without loss: its glyphs one below the other, 64 × 64
 * pixels each, in the order of `sheets[i]`.
 */
export const packedSchema = z.object({
  versions: z.array(z.string()).length(vendors.length),
  emoji: emojiSchema,
  /** Code points. */
  sheets: z.array(z.array(z.string())),
})

const glyphBytes = 4 * glyphSize * glyphSize

/** The file of a sheet. */
export function sheetFile(vendor: number, sheet: number): string {
  return `${vendors[vendor]!.vendor.toLowerCase()}-${sheet}.webp`
}

/** Opens the package, or returns undefined where it is not installed. A sheet is decoded when the first of its glyphs is read. */
export async function openPackedArtwork(findPackage: FindPackage): Promise<ArtworkSource | undefined> {
  const folder = findPackage(packedArtwork)
  // In a checkout it has no more than a manifest.
  if (folder === undefined || !isThere(join(folder, 'artwork.json'))) return undefined
  const { versions, emoji, sheets } = await readArtworkJson(join(folder, 'artwork.json'), packedSchema)
  const places = new Map(
    sheets.flatMap((codes, sheet) => codes.map((code, index) => [code, { sheet, index }] as const)),
  )
  const decoded = new Map<string, Promise<Uint8Array>>()
  return {
    versions,
    emoji,
    has: (_, code) => places.has(code),
    pixels: async (vendor, code) => {
      const { sheet, index } = places.get(code)!
      const path = join(folder, sheetFile(vendor, sheet))
      const pixels = decoded.get(path) ?? decode(path, sheets[sheet]!.length)
      decoded.set(path, pixels)
      return (await pixels).subarray(index * glyphBytes, (index + 1) * glyphBytes)
    },
  }
}

async function decode(path: string, glyphs: number): Promise<Uint8Array> {
  try {
    const { data, info } = await sharp(await readRegularFile(path, sizeLimits.artwork))
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    if (info.width === glyphSize && info.height === glyphs * glyphSize) return data
    throw new Error(`${info.width} × ${info.height} pixels`)
  } catch (cause) {
    return damagedArtwork(path, `a WebP image of ${glyphs} glyphs`, cause)
  }
}
