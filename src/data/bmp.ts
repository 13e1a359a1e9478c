/** Interleaved RGB of an image. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  /** uint8 [height, width, 3] */
  readonly pixels: Uint8Array
}

/**
 * Reads an uncompressed BMP (BITMAPINFOHEADER or a later header) with 1, 4 or 8 bits a pixel and a palette, or 24 or 32 bits.
 * sharp does not read BMP, and bmp-ts 1.0.9 gives other colours where there is a palette.
 *
 * @param mostPixels - a larger image is refused before memory is allocated for it
 * @throws Error for another kind of BMP, or a damaged one
 */
export function decodeBmp(bytes: Uint8Array, mostPixels: number): RgbImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 54 || view.getUint32(14, true) < 40) throw new Error('a BMP without a known header')
  const [width, signed] = [view.getInt32(18, true), view.getInt32(22, true)]
  const height = Math.abs(signed)
  const [bits, compression] = [view.getUint16(28, true), view.getUint32(30, true)]
  if (width <= 0 || height === 0) throw new Error(`a BMP of ${width}×${signed} pixels`)
  if (width * height > mostPixels) throw new Error(`${width * height} pixels, more than ${mostPixels}`)
  const isPlain = compression === 0 && [1, 4, 8, 24, 32].includes(bits)
  if (!isPlain)
    throw new Error(`a BMP of ${bits} bits a pixel${compression === 0 ? '' : ', compressed'}: save it as PNG`)
  const start = view.getUint32(10, true)
  const stride = Math.ceil((width * bits) / 32) * 4
  if (start + stride * height > bytes.length) throw new Error('the BMP ends too early')
  const palette = 14 + view.getUint32(14, true)
  const colours = bits > 8 ? 0 : view.getUint32(46, true) || 2 ** bits
  if (palette + 4 * colours > bytes.length) throw new Error('the BMP ends too early')
  const pixels = new Uint8Array(3 * width * height)
  for (let y = 0; y < height; y++) {
    // Rows are from the bottom to the top where the height is positive.
    const row = start + stride * (signed > 0 ? height - 1 - y : y)
    for (let x = 0; x < width; x++) {
      const index =
        bits > 8 ? 0 : (bytes[row + ((x * bits) >> 3)]! >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1)
      if (bits <= 8 && index >= colours) throw new Error(`a colour ${index} of a palette of ${colours}`)
      const at = bits > 8 ? row + (x * bits) / 8 : palette + 4 * index
      for (let channel = 0; channel < 3; channel++)
        pixels[3 * (y * width + x) + channel] = bytes[at + 2 - channel]!
    }
  }
  return { width, height, pixels }
}
