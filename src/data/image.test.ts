import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeImage, decodeUpright, mostBytes, UnreadableImage } from './image.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moiety-image-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** An image whose left half has one colour and whose right half another, 40×40. */
function halves(left: readonly number[], right: readonly number[]): Sharp {
  const channels = left.length === 4 ? 4 : 3
  const data = Uint8Array.from({ length: 1600 * channels }, (_, i) => {
    const x = Math.floor(i / channels) % 40
    return (x < 20 ? left : right)[i % channels]!
  })
  return sharp(data, { raw: { width: 40, height: 40, channels } })
}

async function decoded(name: string, image: Sharp | Uint8Array): Promise<Uint8Array> {
  const path = join(directory, name)
  await writeFile(path, image instanceof Uint8Array ? image : await image.toBuffer())
  return decodeImage(path, 8)
}

/** Red, green and blue at (x, y) of an 8×8 image. */
const at = (planes: Uint8Array, x: number, y: number): number[] =>
  [0, 1, 2].map(channel => planes[channel * 64 + y * 8 + x]!)

function expectNear(found: readonly number[], expected: readonly number[], within: number): void {
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(within)
}

const red = [255, 0, 0]
const blue = [0, 0, 255]

/** An uncompressed BMP, as encoders write it: rows from the bottom, blue first. */
function bmp(
  width: number,
  height: number,
  bits: 24 | 32,
  value: (x: number, y: number, channel: number) => number,
): Uint8Array {
  const stride = Math.ceil((width * bits) / 32) * 4
  const bytes = Buffer.alloc(54 + stride * height)
  bytes.write('BM')
  for (const [at, number] of [
    [2, bytes.length],
    [10, 54],
    [14, 40],
    [18, width],
    [22, height],
    [26, 1 + bits * 65536],
  ] as const)
    bytes.writeUInt32LE(number, at)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        bytes[54 + (height - 1 - y) * stride + (x * bits) / 8 + 2 - channel] = value(x, y, channel)
  return bytes
}

describe('decodeImage', () => {
  it('gives red, green and blue planes of JPEG, PNG and WebP alike', async () => {
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      const planes = await decoded(`plain.${format}`, halves(red, blue).toFormat(format, { quality: 95 }))
      expect(planes.length).toBe(192)
      expectNear(at(planes, 1, 4), red, 8)
      expectNear(at(planes, 6, 4), blue, 8)
    }
  })

  it('gives the same of AVIF, TIFF, GIF (the first frame) and BMP', async () => {
    const image = halves(red, blue)
    const frames = Buffer.concat([await image.raw().toBuffer(), await halves(blue, blue).raw().toBuffer()])
    const animation = sharp(frames, { raw: { width: 40, height: 80, channels: 3, pageHeight: 40 } })
    for (const [name, source] of [
      ['a.avif', image.avif({ quality: 90 })],
      ['a.tiff', image.tiff({ compression: 'lzw' })],
      ['a.gif', animation.gif()],
      ['a.bmp', bmp(40, 40, 24, (x, _, channel) => (x < 20 ? red : blue)[channel]!)],
    ] as const) {
      const planes = await decoded(name, source)
      expectNear(at(planes, 1, 4), red, 10)
      expectNear(at(planes, 6, 4), blue, 10)
    }
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'turns a photograph of EXIF orientation %i upright',
    async orientation => {
      // Where a stored pixel belongs (EXIF 2.3, 4.6.4 A): which side of the photograph the first row and column are.
      const upright = [
        (x: number, y: number) => [x, y],
        (x: number, y: number) => [39 - x, y],
        (x: number, y: number) => [39 - x, 39 - y],
        (x: number, y: number) => [x, 39 - y],
        (x: number, y: number) => [y, x],
        (x: number, y: number) => [39 - y, x],
        (x: number, y: number) => [39 - y, 39 - x],
        (x: number, y: number) => [y, 39 - x],
      ][orientation - 1]!
      // Red in the upper left, green in the upper right, blue below.
      const stored = Uint8Array.from({ length: 4800 }, (_, i) => {
        const [x, y] = upright(Math.floor(i / 3) % 40, Math.floor(i / 120)) as [number, number]
        return (y >= 20 ? blue : x < 20 ? red : [0, 255, 0])[i % 3]!
      })
      const photograph = sharp(stored, { raw: { width: 40, height: 40, channels: 3 } }).withMetadata({
        orientation,
      })
      for (const format of ['jpeg', 'webp', 'tiff'] as const) {
        const planes = await decoded(`turned.${format}`, photograph.clone().toFormat(format, { quality: 95 }))
        expectNear(at(planes, 1, 1), red, 12)
        expectNear(at(planes, 6, 1), [0, 255, 0], 12)
        expectNear(at(planes, 1, 6), blue, 12)
      }
    },
  )

  it('rotates a photograph by its EXIF orientation', async () => {
    // Orientation 6: the stored rows are the upright image's columns from the right; stored left is upright top.
    const planes = await decoded('turned.jpg', halves(red, blue).withMetadata({ orientation: 6 }).jpeg())
    expectNear(at(planes, 4, 1), red, 8)
    expectNear(at(planes, 4, 6), blue, 8)
  })

  it('brings CMYK and grey to RGB', async () => {
    const cmyk = await decoded(
      'cmyk.jpg',
      halves(red, [255, 255, 255]).toColourspace('cmyk').jpeg({ quality: 95 }),
    )
    expect((await sharp(join(directory, 'cmyk.jpg')).metadata()).space).toBe('cmyk')
    const [r, g, b] = at(cmyk, 1, 4)
    expect(r).toBeGreaterThan(200)
    expect(Math.max(g!, b!)).toBeLessThan(60)
    const grey = await decoded('grey.png', halves([80, 80, 80], [160, 160, 160]).toColourspace('b-w').png())
    expect((await sharp(join(directory, 'grey.png')).metadata()).channels).toBe(1)
    expectNear(at(grey, 1, 4), [80, 80, 80], 2)
    expectNear(at(grey, 6, 4), [160, 160, 160], 2)
  })

  it('lays transparency over white', async () => {
    const planes = await decoded('clear.png', halves([255, 0, 0, 0], [0, 0, 255, 255]).png())
    expectNear(at(planes, 1, 4), [255, 255, 255], 1)
    expectNear(at(planes, 6, 4), blue, 1)
  })

  it('brings 16 bits a channel to 8', async () => {
    const planes = await decoded('deep.png', halves(red, blue).toColourspace('rgb16').png())
    expect((await sharp(join(directory, 'deep.png')).metadata()).depth).toBe('ushort')
    expectNear(at(planes, 1, 4), red, 1)
  })

  it('covers the square with an image that is one pixel wide or high', async () => {
    for (const [width, height] of [
      [1, 3000],
      [3000, 1],
      [1, 1],
    ] as const) {
      const line = sharp({ create: { width, height, channels: 3, background: '#2060a0' } }).png()
      expectNear(at(await decoded(`line-${width}.png`, line), 4, 4), [0x20, 0x60, 0xa0], 1)
    }
  })

  it('refuses a decompression bomb by its header, before decoding it', async () => {
    const bomb = decoded('bomb.png', pngOf(100_000, 100_000))
    await expect(bomb).rejects.toThrow(UnreadableImage)
    await expect(bomb).rejects.toThrow(/bomb\.png: .*pixel limit/)
  })

  it('refuses a JPEG that ends early', async () => {
    const whole = await halves(red, blue).resize(400).jpeg().toBuffer()
    await expect(decoded('short.jpg', whole.subarray(0, whole.length / 2))).rejects.toThrow(/short\.jpg: ./)
  })

  it('refuses PNG data that does not decompress', async () => {
    await expect(decoded('broken.png', pngOf(40, 40))).rejects.toThrow(UnreadableImage)
  })

  it('refuses other formats by content, whatever their name, so that no other decoder ever runs', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    for (const bytes of [svg, Buffer.from('%PDF-1.4'), Buffer.from('hello'), Buffer.alloc(0)]) {
      await expect(decoded('other.png', bytes)).rejects.toThrow(
        'not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image',
      )
    }
  })

  it('refuses a file that is not there', async () => {
    await expect(decodeImage(join(directory, 'none.jpg'), 8)).rejects.toThrow(
      /none\.jpg: there is no such file \(ENOENT\)/,
    )
  })

  it.skipIf(process.platform === 'win32')(
    'says of a link to itself what it is, without Node’s text',
    async () => {
      await symlink('loop.png', join(directory, 'loop.png'))
      await expect(decodeImage(join(directory, 'loop.png'), 8)).rejects.toThrow(
        /loop\.png: it is a symbolic link, or the path has too many of them \(ELOOP\)$/,
      )
    },
  )
})

describe('decodeImage of bytes', () => {
  it('gives what the file gives, of a Uint8Array, an ArrayBuffer and a Blob', async () => {
    const file = await halves(red, blue).withMetadata({ orientation: 6 }).jpeg().toBuffer()
    const expected = await decoded('same.jpg', new Uint8Array(file))
    const padded = new Uint8Array(file.length + 7)
    padded.set(file, 5)
    const part = padded.subarray(5, 5 + file.length)
    for (const bytes of [file, part, new Uint8Array(file).buffer, new Blob([new Uint8Array(file)])])
      expect(await decodeImage({ bytes, name: 'a photo' }, 8)).toEqual(expected)
    // Nothing of the caller's was taken over.
    expect(part).toEqual(new Uint8Array(file))
  })

  it('refuses what it refuses of files, under the name that came with them', async () => {
    const refused: readonly (readonly [Uint8Array<ArrayBuffer>, RegExp])[] = [
      [
        new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>'),
        /^#7: not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image$/,
      ],
      [new Uint8Array(), /^#7: not a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP image$/],
      [pngOf(100_000, 100_000), /^#7: .*pixel limit/],
      [pngOf(40, 40), /^#7: ./],
      [new Uint8Array(mostBytes + 1), /^#7: 100000001 bytes, more than 100000000$/],
    ]
    for (const [content, message] of refused) {
      for (const bytes of [content, content.buffer, new Blob([content])]) {
        const error = await decodeImage({ bytes, name: '#7' }, 8).catch((cause: unknown) => cause)
        expect(error).toBeInstanceOf(UnreadableImage)
        expect(error).toMatchObject({ path: '#7', message: expect.stringMatching(message) })
      }
    }
  })

  it('refuses a Blob that is too large before it reads it', async () => {
    const bytes = Object.defineProperties(new Blob([]), {
      size: { value: mostBytes + 1 },
      arrayBuffer: { value: () => Promise.reject(new Error('it was read')) },
    })
    await expect(decodeImage({ bytes, name: 'upload' }, 8)).rejects.toThrow(/^upload: 100000001 bytes/)
  })

  it('says what it takes, of anything else', async () => {
    for (const [source, came] of [
      [{ bytes: [0xff, 0xd8, 0xff], name: 'x' }, 'Array'],
      [new Uint8Array(4), 'nothing'],
    ] as const) {
      const message = `expected the content of an image file as Uint8Array, ArrayBuffer or Blob, but got ${came}`
      // @ts-expect-error: as from JavaScript
      await expect(decodeImage(source, 8)).rejects.toMatchObject({ kind: 'usage', message })
    }
  })
})

/** A PNG whose header says width × height, and whose data holds one row's worth of nothing. */
function pngOf(width: number, height: number): Uint8Array<ArrayBuffer> {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data])
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    check.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, check])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const data = deflateSync(new Uint8Array(7))
  return new Uint8Array(
    Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', new Uint8Array())]),
  )
}

describe('an image as people see it', () => {
  it('is whole, upright, and no larger than it is', async () => {
    const path = join(directory, 'upright.jpg')
    // Stored lying on its side: EXIF 6 turns it by a quarter, so that the left half comes to the top.
    const wide = sharp({ create: { width: 40, height: 20, channels: 3, background: '#00f' } }).composite([
      {
        input: { create: { width: 20, height: 20, channels: 3, background: '#f00' } },
        left: 0,
        top: 0,
      },
    ])
    await writeFile(path, await wide.jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer())
    const { pixels, width, height } = await decodeUpright(path, 20)
    expect([width, height, pixels.length]).toEqual([10, 20, 600])
    expect(pixels[0]).toBeGreaterThan(200)
    expect(pixels[199]).toBeLessThan(60)
    expect(pixels[400]).toBeLessThan(60)
    expect(pixels[599]).toBeGreaterThan(200)
    expect(await decodeUpright(path, 999)).toMatchObject({ width: 20, height: 40 })
  })
})
