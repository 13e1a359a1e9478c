import sharp from 'sharp'
import type { SplitName } from '../data/index.ts'
import type { ImageSummary } from '../run/tensorboard-events.ts'
import { type RoutedLayer, weightsAt } from '../tasks/routing.ts'
import type { StoredPicture, Task } from '../tasks/task.ts'

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
      const images = mostWeighted(layer, expert)
      if (images.length > 0)
        strips[`${split}/${layer.name}/images/${expert}`] = await stripOf(await task.pictures(split, images))
    }
  return strips
}

/** The images with the largest weight for an expert, of several inputs the largest; equal ones by the gate's logit, then in order. */
export function mostWeighted(layer: RoutedLayer, expert: number): number[] {
  const { experts, inputs, weights, logits } = layer
  const images = weights.length / (experts * inputs)
  const best = Array.from({ length: images }, (_, image) => {
    let [weight, logit] = [0, Number.NEGATIVE_INFINITY]
    for (let input = 0; input < inputs; input++) {
      weight = Math.max(weight, weightsAt(layer, image, input)[expert]!)
      logit = Math.max(logit, logits[(image * inputs + input) * experts + expert]!)
    }
    return { image, weight, logit }
  })
  return best
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || b.logit - a.logit || a.image - b.image)
    .slice(0, most)
    .map(({ image }) => image)
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
