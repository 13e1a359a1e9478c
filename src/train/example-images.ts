import sharp from 'sharp'
import type { SplitName } from '../data/index.ts'
import type { ImageSummary } from '../run/tensorboard-events.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { StoredPicture, Task } from '../tasks/task.ts'
import { mostWeighted } from './examples-of-experts.ts'

/** Images of an expert, next to each other, and the side of each in pixels. */
const [most, side] = [6, 96] as const

/**
 * For each expert a strip of the images that give it most weight, by tags such as `val/layer4/images/0`; none of a task without
 * pictures, and of an expert that no image chose.
 */
export async function exampleImages(
  task: Pick<Task, 'pictures'>,
  split: SplitName,
  routing: readonly RoutedLayer[],
): Promise<Record<string, ImageSummary>> {
  const strips: Record<string, ImageSummary> = {}
  if (task.pictures === undefined) return strips
  for (const layer of routing)
    for (let expert = 0; expert < layer.experts; expert++) {
      const images = mostWeighted(layer, expert).map(({ image }) => image)
      if (images.length > 0)
        strips[`${split}/${layer.name}/images/${expert}`] = await stripOf(await task.pictures(split, images))
    }
  return strips
}

async function stripOf(pictures: readonly StoredPicture[]): Promise<ImageSummary> {
  const [width, height] = [most * (side + 2), side]
  const tiles = await Promise.all(
    pictures.map(async ({ pixels, width: w, height: h }, i) => {
      const area = w * h
      const interleaved = Uint8Array.from(
        { length: 3 * area },
        (_, at) => pixels[(at % 3) * area + Math.floor(at / 3)]!,
      )
      const fitted = sharp(interleaved, { raw: { width: w, height: h, channels: 3 } }).resize(side, side, {
        fit: 'contain',
        background: '#808080',
        kernel: w < side ? 'nearest' : 'lanczos3',
      })
      return { input: await fitted.png().toBuffer(), left: i * (side + 2), top: 0 }
    }),
  )
  const strip = sharp({ create: { width, height, channels: 3, background: '#808080' } }).composite(tiles)
  return { kind: 'image', width, height, png: await strip.png({ compressionLevel: 9 }).toBuffer() }
}
