import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { type Draws, draws } from '../src/base/random.ts'

/** A detector's training that takes seconds: squares and discs, small to large, in a folder in the layout of COCO. */

const side = 128
const categories = [
  { id: 3, name: 'square', supercategory: 'shape' },
  { id: 7, name: 'disc', supercategory: 'shape' },
]
/** Sides in pixels of small, medium and large objects, by COCO's limits. */
const sides = [
  [12, 28],
  [40, 80],
  [100, 120],
] as const

interface Drawn {
  readonly svg: string
  readonly bbox: readonly [number, number, number, number]
  readonly category: number
}

function object(source: Draws, [least, most]: readonly [number, number]): Drawn {
  const extent = least + source.below(most - least + 1)
  const [x, y] = [source.below(side - extent), source.below(side - extent)]
  const round = source.below(2)
  const shape =
    round === 0
      ? `<rect x="${x}" y="${y}" width="${extent}" height="${extent}" fill="#d33"/>`
      : `<circle cx="${x + extent / 2}" cy="${y + extent / 2}" r="${extent / 2}" fill="#37e"/>`
  return { svg: shape, bbox: [x, y, extent, extent], category: categories[round]!.id }
}

/** Writes so many images of each side, each with a small object and a medium or a large one below it. */
export async function writeTinyCoco(folder: string, { train = 12, test = 6 } = {}): Promise<string> {
  mkdirSync(join(folder, 'images'), { recursive: true })
  for (const [name, count] of [
    ['train', train],
    ['val', test],
  ] as const) {
    const images: object[] = []
    const annotations: object[] = []
    for (let i = 0; i < count; i++) {
      const source = draws(11, name, i)
      const objects = [object(source, sides[1 + (i % 2)]!), object(source, sides[0])]
      const file = `${name}-${i}.png`
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}"><rect width="100%" height="100%" fill="#ddd"/>${objects.map(one => one.svg).join('')}</svg>`
      await sharp(Buffer.from(svg))
        .removeAlpha()
        .png()
        .toFile(join(folder, 'images', file))
      images.push({ id: i + 1, file_name: file, width: side, height: side })
      for (const { bbox, category } of objects)
        annotations.push({
          id: annotations.length + 1,
          image_id: i + 1,
          category_id: category,
          bbox,
          area: bbox[2] * bbox[3],
          iscrowd: 0,
        })
    }
    writeFileSync(join(folder, `instances_${name}.json`), JSON.stringify({ images, categories, annotations }))
  }
  return folder
}

/** The configuration of the tiny detector; `mixture` is that of its heads. */
export function tinyDetector(
  data: string,
  mixture: object | null = { experts: 3, k: 2, constraint: { name: 'kl', weight: 0.5 } },
): Record<string, unknown> {
  return {
    seed: 5,
    data: { name: 'coco', directory: data, size: side },
    augmentation: { flip: 0.5 },
    model: {
      name: 'resnet18',
      width: 4,
      detector: { channels: 8, headDepth: 1, matching: { lowQuality: true }, mixture },
    },
    optimizer: { name: 'adam', learningRate: 0.003 },
    schedule: { name: 'cosine' },
    training: { epochs: 1, batch: 4, checkpointEvery: { steps: 1000 } },
    engine: { threads: 1 },
  }
}
