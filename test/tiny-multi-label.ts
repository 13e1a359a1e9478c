import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { type Draws, draws } from '../src/base/random.ts'

/** A multi-label training that takes seconds: shapes on one image, each of them a label. */

const side = 32
const shapes: readonly ((x: number, y: number) => string)[] = [
  (x, y) => `<circle cx="${x + 6}" cy="${y + 6}" r="6" fill="#37e"/>`,
  (x, y) => `<rect x="${x}" y="${y}" width="12" height="12" fill="#d33"/>`,
  (x, y) => `<path d="M${x} ${y + 12}l6 -12l6 12z" fill="#2a4"/>`,
  (x, y) => `<rect x="${x}" y="${y + 4}" width="12" height="4" fill="#fff"/>`,
]

export const shapeNames = ['disc', 'square', 'triangle', 'bar'] as const

/** Two or three shapes on most images, one or none on the others, each in a quarter of its own; the last is rare. */
function draw(source: Draws): { readonly svg: string; readonly labels: string[] } {
  const quarters = source.permutation(4)
  const chosen = shapeNames.flatMap((_, i) => (source.uniform() < (i === 3 ? 0.3 : 0.6) ? [i] : []))
  const drawn = chosen.map((shape, i) => {
    const [x, y] = [16 * (quarters[i]! % 2), 16 * Math.floor(quarters[i]! / 2)]
    return shapes[shape]!(x + source.below(4), y + source.below(4))
  })
  return {
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}"><rect width="100%" height="100%" fill="#667"/>${drawn.join('')}</svg>`,
    labels: chosen.map(i => shapeNames[i]!),
  }
}

/** Writes so many images of each split and their `labels.csv`. */
export async function writeTinyMultiLabel(
  folder: string,
  counts: Readonly<Record<string, number>> = { train: 96, val: 48, test: 48 },
): Promise<string> {
  mkdirSync(join(folder, 'images'), { recursive: true })
  const lines = ['path,labels,split']
  for (const [split, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) {
      const { svg, labels } = draw(draws(7, `tiny multi-label ${split}`, i))
      const path = `images/${split}-${i}.png`
      await sharp(Buffer.from(svg)).removeAlpha().png().toFile(join(folder, path))
      lines.push(`${path},${labels.join(';')},${split}`)
    }
  writeFileSync(join(folder, 'labels.csv'), `${lines.join('\n')}\n`)
  return folder
}

/** The configuration of the tiny training. */
export function tinyMultiLabel(data: string): Record<string, unknown> {
  return {
    seed: 5,
    data: { name: 'multi-label', directory: data },
    augmentation: { flip: 0.5 },
    model: {
      name: 'resnet18',
      width: 4,
      moe: [{ position: 4, style: 'resblock', experts: 4, k: 2, constraint: { name: 'importance' } }],
    },
    optimizer: { name: 'adam', learningRate: 0.01 },
    schedule: { name: 'cosine' },
    training: { epochs: 6, batch: 16, checkpointEvery: { steps: 1000 } },
    engine: { threads: 1 },
  }
}
