import sharp from 'sharp'

/** Larger images are shrunk to this many pixels, so that a page with hundreds of them opens fast. */
const largest = 96

/** @param planes - uint8 [3, size, size], planar RGB */
export async function dataUri(planes: Uint8Array, size: number): Promise<string> {
  const area = size * size
  const interleaved = Uint8Array.from(
    { length: 3 * area },
    (_, at) => planes[(at % 3) * area + Math.floor(at / 3)]!,
  )
  const image = sharp(interleaved, { raw: { width: size, height: size, channels: 3 } })
  const small = size > largest ? image.resize(largest, largest) : image
  const png = await small.png({ compressionLevel: 9, palette: false }).toBuffer()
  return `data:image/png;base64,${png.toString('base64')}`
}
