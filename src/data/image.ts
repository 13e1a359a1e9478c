import type { Stats } from 'node:fs'
import sharp, { type Sharp } from 'sharp'
import { fail } from '../base/errors.ts'
import { codeOf, rethrowExhausted, systemFailure } from '../files/disk.ts'
import { openRegularFile } from '../files/regular-file.ts'
import { decodeBmp } from './bmp.ts'

/** Largest image that is decoded, in pixels: 50 megapixels, hence at most 200 MB while one is decoded. */
export const mostPixels = 50_000_000

/** Largest image file that is read, in bytes. */
export const mostBytes = 100_000_000

/** The formats that are read, in words. */
export const formats = 'JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP'

/** An image file in one of these formats: its path, or its content with a name for errors. */
export type ImageSource = string | ImageBytes

/** The content of an image file, from wherever it came. */
export interface ImageBytes {
  readonly bytes: Uint8Array | ArrayBuffer | Blob
  /** Stands in errors where the path of a file would, for example a URL. */
  readonly name: string
}

/** Why one image could not be read. Whoever opens a dataset turns it into an error or a report, by policy. */
export class UnreadableImage extends Error {
  /** The file, or the name that came with its bytes. */
  readonly path: string
  readonly reason: string

  constructor(path: string, reason: string, cause?: unknown) {
    super(`${path}: ${reason}`, { cause })
    this.name = 'UnreadableImage'
    this.path = path
    this.reason = reason
  }
}

/**
 * Decodes an image file to size×size pixels of sRGB: rotated by its EXIF orientation, converted from
 * CMYK or grey to RGB, transparency blended with white, scaled to cover the square, the rest cut off evenly.
 *
 * @returns uint8 [3, size, size], planar RGB
 * @throws UnreadableImage for a file that is missing, of another format, damaged, or larger than the limits; MoietyError of kind
 *   `usage` for a source that is neither a path nor bytes with a name
 */
export async function decodeImage(source: ImageSource, size: number): Promise<Uint8Array> {
  const image = await openImage(source)
  return planesOf(nameOf(source), image.autoOrient().resize(size, size, { fit: 'cover' }))
}

/** Width and height in pixels. */
export interface Extent {
  readonly width: number
  readonly height: number
}

/**
 * Size and orientation from the header of an image file.
 *
 * @returns the stored extent, whether EXIF rotates or mirrors it, and EXIF's orientation: 1, as stored, to 8
 * @throws UnreadableImage for a file that is missing, of another format, damaged at its beginning, or larger than the limits
 */
export async function storedExtent(
  source: ImageSource,
): Promise<Extent & { readonly turned: boolean; readonly orientation: number }> {
  const beginning = typeof source === 'string' ? await jpegBeginning(source) : undefined
  const name = nameOf(source)
  const short = beginning && (await headerOf(name, sharp(beginning)).catch(() => undefined))
  const { width, height, orientation = 1 } = short ?? (await headerOf(name, await openImage(source)))
  return { width, height, turned: orientation !== 1, orientation }
}

async function headerOf(name: string, image: Sharp) {
  return await image.metadata().catch((cause: unknown) => {
    throw new UnreadableImage(name, explain(cause), cause)
  })
}

/** So much of a JPEG has its size and, before it, its orientation. */
const mostHeader = 1 << 17

/** Of a JPEG that is longer than its header; other formats may say last how they are turned. */
async function jpegBeginning(path: string): Promise<Uint8Array | undefined> {
  const file = await openRegularFile(path).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    if (size <= mostHeader || size > mostBytes) return undefined
    const { bytesRead, buffer } = await file.read(new Uint8Array(mostHeader), 0, mostHeader, 0)
    return bytesRead === mostHeader && isJpeg(buffer) ? buffer : undefined
  } finally {
    await file.close()
  }
}

/**
 * Decodes an image file whose size is known, as {@link decodeImage} does, but to exactly the requested extent
 * and *not* rotated: EXIF is ignored, because boxes refer to stored pixels. Smaller images are
 * averages of the pixels they come from, larger ones interpolate (a triangle filter).
 *
 * @param stored - the expected stored extent
 * @param wanted - the resulting extent
 * @returns uint8 [3, wanted.height, wanted.width], planar RGB
 * @throws UnreadableImage for a file that is missing, of another format, damaged, larger than the limits, or of
 *   another size than it should be
 */
export async function decodeStored(path: string, stored: Extent, wanted: Extent): Promise<Uint8Array> {
  const image = await openImage(path)
  const found = await headerOf(path, image)
  if (found.width !== stored.width || found.height !== stored.height) {
    throw new UnreadableImage(
      path,
      `${found.width}×${found.height} pixels, not ${stored.width}×${stored.height}`,
    )
  }
  return planesOf(path, image.resize(wanted.width, wanted.height, { fit: 'fill', kernel: 'linear' }))
}

/** A decoded image, and what its file says. */
export interface StoredPixels extends Extent {
  /** uint8 [3, height, width], planar RGB. */
  readonly pixels: Uint8Array
  readonly stored: Extent & { readonly orientation: number }
}

/**
 * Decodes an image as {@link decodeStored} does, to an extent that depends on the stored one.
 *
 * @throws UnreadableImage as {@link decodeImage}
 */
export async function decodeUnturned(
  source: ImageBytes,
  wantedOf: (stored: Extent) => Extent,
): Promise<StoredPixels> {
  const image = await openImage(source)
  const found = await headerOf(source.name, image)
  const { width, height, orientation = 1 } = found
  const wanted = wantedOf({ width, height })
  const resized = image.resize(wanted.width, wanted.height, { fit: 'fill', kernel: 'linear' })
  return {
    pixels: await planesOf(source.name, resized),
    ...{ width: wanted.width, height: wanted.height },
    stored: { width, height, orientation },
  }
}

/** Whether a file begins as an image of a format that is read. */
export function beginsAsImage(beginning: Uint8Array): boolean {
  return isBmp(beginning) || isKnownFormat(beginning)
}

/**
 * Changes when images are decoded to other pixels: the versions of the decoders, and a number for the code here and in `bmp.ts`,
 * which whoever changes what they give must raise.
 */
export const decoding = { code: 1, decoders: sharp.versions } as const

/** What a file says about its image. */
export interface ImageFacts extends Extent {
  /** EXIF's, 1 to 8. */
  readonly orientation: number
  /** Channels as they are stored, as `RGB` or `grey, alpha, 16 bit`. */
  readonly channels: string
}

/**
 * Decodes an image, so that damage anywhere in it is found, and gives what its header says.
 *
 * @throws UnreadableImage as {@link decodeImage}
 */
export async function examineImage(source: ImageBytes): Promise<ImageFacts> {
  const image = await openImage(source)
  const found = await headerOf(source.name, image)
  // Of the whole file, but few pixels are produced.
  await planesOf(source.name, image.resize(32, 32, { fit: 'fill' }))
  const { width, height, orientation = 1, channels, space, depth, hasAlpha } = found
  const colours = channels - (hasAlpha ? 1 : 0)
  const kind = space === 'cmyk' ? 'CMYK' : colours === 1 ? 'grey' : 'RGB'
  const extras = [...(hasAlpha ? ['alpha'] : []), ...(depth === 'uchar' ? [] : ['16 bit'])]
  return { width, height, orientation, channels: [kind, ...extras].join(', ') }
}

/** A picture of an image, its longer side as given, as a JPEG; turned as EXIF says or not. @throws UnreadableImage */
export async function thumbnail(source: ImageBytes, side: number, isTurned: boolean): Promise<Uint8Array> {
  const image = await openImage(source)
  return await (isTurned ? image.autoOrient() : image)
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#fff' })
    .toColourspace('srgb')
    .jpeg({ quality: 80 })
    .toBuffer()
    .catch((cause: unknown) => {
      throw new UnreadableImage(source.name, explain(cause), cause)
    })
}

async function openImage(source: ImageSource): Promise<Sharp> {
  const bytes = typeof source === 'string' ? await readImageFile(source) : await bytesOf(source)
  if (isBmp(bytes)) return openBmp(nameOf(source), bytes)
  if (!isKnownFormat(bytes)) throw new UnreadableImage(nameOf(source), `not a ${formats} image`)
  // Of an animation or a TIFF of several pages, the first.
  return sharp(bytes, { limitInputPixels: mostPixels, failOn: 'error' })
}

function openBmp(name: string, bytes: Uint8Array): Sharp {
  try {
    const { width, height, pixels } = decodeBmp(bytes, mostPixels)
    return sharp(pixels, { raw: { width, height, channels: 3 } })
  } catch (cause) {
    if (cause instanceof Error) throw new UnreadableImage(name, cause.message, cause)
    throw cause
  }
}

function nameOf(source: ImageSource): string {
  return typeof source === 'string' ? source : source.name
}

/** Content that is in memory already; a Blob's may be elsewhere, so its size is looked at first. */
async function bytesOf({ bytes, name }: ImageBytes): Promise<Uint8Array> {
  if (bytes instanceof Blob) {
    refuseTooLarge(name, bytes.size)
    return new Uint8Array(await bytes.arrayBuffer())
  }
  if (!(bytes instanceof Uint8Array || bytes instanceof ArrayBuffer)) {
    fail({
      kind: 'usage',
      message: `expected the content of an image file as Uint8Array, ArrayBuffer or Blob, but got ${bytes === undefined ? 'nothing' : Object.prototype.toString.call(bytes).slice(8, -1)}`,
      where: name ?? 'decodeImage',
      help: 'give decodeImage a path, or { bytes, name }',
    })
  }
  refuseTooLarge(name, bytes.byteLength)
  return bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)
}

function refuseTooLarge(name: string, size: number): void {
  if (size > mostBytes) throw new UnreadableImage(name, `${size} bytes, more than ${mostBytes}`)
}

async function planesOf(path: string, image: Sharp): Promise<Uint8Array> {
  const pixels = await image
    .flatten({ background: '#fff' })
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new UnreadableImage(path, explain(cause), cause)
    })
  return toPlanes(pixels.data, pixels.info.channels)
}

/** The content of an image file. @throws UnreadableImage for one that is missing, no file, or larger than the limit */
export async function readImageFile(path: string): Promise<Uint8Array> {
  return (await readImageWithState(path)).bytes
}

/** The same, and the state that the file had before it was read. */
export async function readImageWithState(path: string): Promise<{ bytes: Uint8Array; state: Stats }> {
  try {
    const file = await openRegularFile(path)
    try {
      const state = await file.stat()
      refuseTooLarge(path, state.size)
      return { bytes: await file.readFile(), state }
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof UnreadableImage) throw cause
    // Not an error of the image, so it must not be skipped.
    rethrowExhausted(cause, 'read', path)
    throw new UnreadableImage(path, explain(cause), cause)
  }
}

/**
 * By the first bytes, never by the name. Checked before the decoder sees the file, because the decoder would
 * also take formats that can refer to other files (SVG).
 */
function isKnownFormat(bytes: Uint8Array): boolean {
  if (isJpeg(bytes)) return true
  const ascii = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to))
  const png = ascii(0, 8) === '\x89PNG\r\n\x1a\n'
  const webp = ascii(0, 4) === 'RIFF' && ascii(8, 12) === 'WEBP'
  const avif = ascii(4, 8) === 'ftyp' && /^(avif|avis|mif1)$/.test(ascii(8, 12))
  const gif = /^GIF8[79]a$/.test(ascii(0, 6))
  const tiff = /^(II\*\0|MM\0\*)$/.test(ascii(0, 4))
  return png || webp || avif || gif || tiff
}

const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4d

function toPlanes(interleaved: Uint8Array, channels: number): Uint8Array {
  const pixels = interleaved.length / channels
  const planes = new Uint8Array(3 * pixels)
  for (let channel = 0; channel < 3; channel++) {
    const from = channels < 3 ? 0 : channel
    for (let i = 0; i < pixels; i++) planes[channel * pixels + i] = interleaved[i * channels + from]!
  }
  return planes
}

function explain(cause: unknown): string {
  const code = codeOf(cause)
  if (code === 'ENOENT') return 'there is no such file (ENOENT)'
  if (code === 'EISDIR') return 'this is a folder, not a file (EISDIR)'
  const failure = systemFailure(cause)
  if (failure !== undefined) return `${failure.meaning} (${failure.code})`
  // The decoder's message may be lost where several images are decoded at a time.
  if (cause instanceof Error && cause.message === 'Unknown error') return 'the image data is damaged'
  return cause instanceof Error
    ? cause.message
        .trim()
        .replaceAll(/\s*\n\s*/g, '; ')
        .replace(/[\s:;]+$/, '')
    : String(cause)
}
