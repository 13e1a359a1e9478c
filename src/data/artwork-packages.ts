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

const manifest = z.object({ name: z.string(), version: z.string() })

/** The artwork in the vendors' own packages, which a checkout has; the names of those that are not installed. */
export async function openArtworkPackages(findPackage: FindPackage): Promise<ArtworkSource | string[]> {
  const folders = vendors.flatMap(vendor => findPackage(vendor.package) ?? [])
  if (folders.length < vendors.length)
    return vendors.map(vendor => vendor.package).filter(name => findPackage(name) === undefined)
  const fileOf = (vendor: number, code: string): string => join(folders[vendor]!, vendors[vendor]!.file(code))
  const versions = folders.map(async folder => {
    const { name, version } = await readArtworkJson(join(folder, 'package.json'), manifest)
    return `${name}@${version}`
  })
  return {
    versions: await Promise.all(versions),
    emoji: await readArtworkJson(join(folders[0]!, 'emoji.json'), emojiSchema),
    has: (vendor, code) => isThere(fileOf(vendor, code)),
    pixels: (vendor, code) => decode(fileOf(vendor, code)),
  }
}

async function decode(path: string): Promise<Uint8Array> {
  const bytes = await readRegularFile(path, sizeLimits.artwork).catch((cause: unknown) =>
    damagedArtwork(path, 'an image', cause),
  )
  return sharp(bytes)
    .toColourspace('srgb')
    .ensureAlpha()
    .resize(glyphSize, glyphSize, { fit: 'contain', background: '#0000' })
    .raw()
    .toBuffer()
    .catch((cause: unknown) => damagedArtwork(path, 'a PNG or WebP image', cause))
}
