import { gzipSync } from 'node:zlib'
import { openDataset } from '../src/data/index.ts'
import { identityOf } from '../src/tasks/data-identity.ts'
import { sampleLimit } from './src/settings.ts'
import type { ImageData, SampleFacts } from './src/training/data.ts'
import { encodePixels } from './src/training/pixel-codec.ts'

/** The part of the command line's sample that the page has, pixel for pixel. */
export async function sampleData(): Promise<ImageData> {
  const dataset = await openDataset({ name: 'sample', limit: sampleLimit })
  const { title, size, classes, superclasses, superclassOf, mean, std } = dataset
  const pixelsOf = async ({ length, labels, load }: (typeof dataset)['train']) => ({
    pixels: await load(Uint32Array.from({ length }, (_, i) => i)),
    labels,
  })
  return {
    ...{ name: 'sample', title, directory: null, size, classes, superclasses, superclassOf, mean, std },
    train: await pixelsOf(dataset.train),
    test: await pixelsOf(dataset.test),
    identity: identityOf(dataset),
  }
}

/** `sample.json` and `sample.bin`: facts, and compressed pixels of the training and then the test images. */
export async function packSample(): Promise<{ readonly facts: string; readonly pixels: Uint8Array }> {
  const { train, test, directory: _, ...rest } = await sampleData()
  const facts: SampleFacts = { ...rest, train: [...train.labels], test: [...test.labels] }
  const codes = [train, test].map(({ pixels }) => encodePixels(pixels, rest.size))
  return { facts: JSON.stringify(facts), pixels: gzipSync(Buffer.concat(codes), { level: 9 }) }
}
