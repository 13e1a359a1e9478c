/** What the examples learn: stripes along rows or columns (2), broad or narrow (2), with noise, which gives four classes. */
import { writeFileSync } from 'node:fs'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { draws } from 'moiety'
import type { ArrayData, ImageArrays } from 'moiety/data'
import sharp from 'sharp'

/** So many images in arrays. */
export function stripes(count: number, seed: number, size = 16): ImageArrays {
  const noise = draws(seed, 'stripes')
  const labels = Array.from({ length: count }, (_, n) => n % 4)
  const pixels = Uint8Array.from({ length: count * 3 * size * size }, (_, i) => {
    const label = labels[Math.floor(i / (3 * size * size))]!
    const at = label % 2 === 0 ? Math.floor(i / size) % size : i % size
    return (Math.floor(at / (label < 2 ? 1 : 4)) % 2) * 120 + 100 * noise.uniform()
  })
  return { pixels, labels, size }
}

/** Images to train and to test on. */
export const stripeData: ArrayData = {
  title: 'stripes',
  classes: ['narrow rows', 'narrow columns', 'broad rows', 'broad columns'],
  train: stripes(256, 1),
  test: stripes(128, 2),
}

/** Writes images as a Parquet file with the columns `image` (PNG) and `label`. */
export async function writeParquet(path: string, { pixels, labels, size }: ImageArrays): Promise<void> {
  const plane = size * size
  const images = Array.from(labels, (_, n) => {
    const at = (i: number): number => pixels[n * 3 * plane + (i % 3) * plane + Math.floor(i / 3)]!
    const interleaved = Uint8Array.from({ length: 3 * plane }, (_, i) => at(i))
    return sharp(interleaved, { raw: { width: size, height: size, channels: 3 } })
      .png()
      .toBuffer()
  })
  const columnData = [
    { name: 'image', data: await Promise.all(images), type: 'BYTE_ARRAY' as const },
    { name: 'label', data: Array.from(labels), type: 'INT32' as const },
  ]
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData })))
}
