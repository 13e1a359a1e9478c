/**
 * Data of your own: a Parquet file with images (PNG, JPEG or WebP) and classes, as data sets are published, read into arrays. The data
 * set has a name and options, so that recipes can use it: `data.name`, `data.directory` and `data.options`.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { evaluateRun, resolveConfig, train } from 'moiety'
import { decodeImage, defineDataset, type ImageArrays } from 'moiety/data'
import { addComponents } from 'moiety/train'
import { z } from 'zod'
import { stripeData, writeParquet } from './stripes.ts'

/** Reads the columns `image` and `label` of a Parquet file; images are scaled to size×size. */
async function readImages(path: string, size: number): Promise<ImageArrays> {
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), utf8: false })
  const stride = 3 * size * size
  const pixels = new Uint8Array(rows.length * stride)
  for (const [i, { image }] of rows.entries())
    pixels.set(await decodeImage({ bytes: image, name: `image ${i} of ${path}` }, size), i * stride)
  return { pixels, labels: rows.map(({ label }) => Number(label)), size }
}

export const parquet = defineDataset({
  name: 'parquet',
  description: 'train.parquet and test.parquet in a folder, with the columns image and label',
  options: {
    classes: z.array(z.string()).min(2).default(['a', 'b', 'c', 'd']).describe('names of the classes'),
  },
  create:
    ({ classes }) =>
    async ({ directory, size = 16 }) => {
      const read = (name: string) => readImages(join(directory ?? '.', name), size)
      const train = await read('train.parquet')
      return { title: 'images from Parquet', classes, train, test: await read('test.parquet') }
    },
})

addComponents([parquet])

/** Trains a small ResNet with a mixture on two such files, which are written to `folder`; returns the accuracy. */
export async function trainOnParquet(folder: string, epochs = 3) {
  mkdirSync(folder, { recursive: true })
  await writeParquet(join(folder, 'train.parquet'), stripeData.train)
  await writeParquet(join(folder, 'test.parquet'), stripeData.test)
  const given = {
    data: { name: 'parquet', directory: folder },
    model: { width: 8, moe: [{ position: 4, style: 'conv' }] },
    training: { epochs, batch: 32 },
  }
  const run = join(folder, 'run')
  await train({ config: resolveConfig(given, 'custom-data'), run, recipe: 'parquet', resume: false })
  return (await evaluateRun({ run })).measures.top1!
}
