import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * What a cache of pixels has of one image: what it is the pixels of, and how to know that they are whole. 80 bytes, little endian:
 *
 *     0   1, or 0 where there is nothing      20  size and times of the image file, float64 [4]
 *     1   EXIF's orientation                  52  the first 16 bytes of the SHA-256 of the image file
 *     4   bytes of the pixels                 68  the first 8 bytes of the SHA-256 of the pixels
 *     8   width and height as stored          76  CRC-32 of all that is before
 *     16  width and height of the pixels, uint16 each
 */
export const entryBytes = 80

export interface PixelEntry {
  readonly orientation: number
  readonly stored: { readonly width: number; readonly height: number }
  readonly width: number
  readonly height: number
  /** State of the image file when it was decoded; zeros where it does not tell whether the file was changed since. */
  readonly stamp: Float64Array
  /** Of the image file. */
  readonly contentDigest: Uint8Array
  readonly length: number
  readonly pixelDigest: Uint8Array
}

/** The beginning of a SHA-256. */
function digestOf(bytes: Uint8Array, length: number): Uint8Array {
  return createHash('sha256').update(bytes).digest().subarray(0, length)
}

export const contentDigestOf = (file: Uint8Array): Uint8Array => digestOf(file, 16)
export const pixelDigestOf = (pixels: Uint8Array): Uint8Array => digestOf(pixels, 8)

export function writeEntry(entry: PixelEntry): Uint8Array {
  const bytes = new Uint8Array(entryBytes)
  const view = new DataView(bytes.buffer)
  bytes[0] = 1
  bytes[1] = entry.orientation
  view.setUint32(4, entry.length, true)
  view.setUint32(8, entry.stored.width, true)
  view.setUint32(12, entry.stored.height, true)
  view.setUint16(16, entry.width, true)
  view.setUint16(18, entry.height, true)
  for (const [i, value] of entry.stamp.entries()) view.setFloat64(20 + 8 * i, value, true)
  bytes.set(entry.contentDigest, 52)
  bytes.set(entry.pixelDigest, 68)
  view.setUint32(76, crc32(bytes.subarray(0, 76)), true)
  return bytes
}

/** @returns undefined for an entry that is empty or damaged */
export function readEntry(bytes: Uint8Array): PixelEntry | undefined {
  if (bytes[0] !== 1) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, entryBytes)
  if (view.getUint32(76, true) !== crc32(bytes.subarray(0, 76))) return undefined
  return {
    orientation: bytes[1]!,
    stored: { width: view.getUint32(8, true), height: view.getUint32(12, true) },
    width: view.getUint16(16, true),
    height: view.getUint16(18, true),
    stamp: Float64Array.from({ length: 4 }, (_, i) => view.getFloat64(20 + 8 * i, true)),
    contentDigest: bytes.subarray(52, 68),
    length: view.getUint32(4, true),
    pixelDigest: bytes.subarray(68, 76),
  }
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
