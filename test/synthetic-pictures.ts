import sharp from 'sharp'
import type { PictureOfImage } from '../src/analysis/pictures.ts'
import { draws } from '../src/base/random.ts'

/**
 * Little scenes of 32 × 32 pixels: a ground and a shape whose colours depend on the superclass, so that a gallery of
 * a specialist looks like one.
 */
export async function withScenes(
  pictures: readonly Omit<PictureOfImage, 'png'>[],
  superclassOf: readonly number[] | null,
): Promise<PictureOfImage[]> {
  return await Promise.all(
    pictures.map(async picture => {
      const [label = 0] = picture.labels
      const svg = scene(superclassOf?.[label] ?? label, label, picture.image)
      const png = await sharp(Buffer.from(svg)).png({ compressionLevel: 9 }).toBuffer()
      return { ...picture, png: `data:image/png;base64,${png.toString('base64')}` }
    }),
  )
}

/** A picture of one pixel as a placeholder. */
export function withDots(pictures: readonly Omit<PictureOfImage, 'png'>[]): PictureOfImage[] {
  const dot =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
  return pictures.map(picture => ({ ...picture, png: `data:image/png;base64,${dot}` }))
}

function scene(superclass: number, label: number, image: number): string {
  const at = (purpose: string): number => draws(21, purpose, image).uniform()
  const hue = (superclass * 137) % 360
  const [x, y, r] = [10 + 12 * at('x'), 12 + 9 * at('y'), 5 + 6 * at('r')]
  const fill = `hsl(${(hue + 150 + label * 11) % 360} ${45 + 30 * at('s')}% ${35 + 30 * at('l')}%)`
  const shapes = [
    `<ellipse cx="${x}" cy="${y}" rx="${r * 1.4}" ry="${r * 0.7}" fill="${fill}"/>`,
    `<circle cx="${x}" cy="${y}" r="${r}" fill="${fill}"/><circle cx="${x}" cy="${y}" r="${r / 2.5}" fill="#3a2a12"/>`,
    `<path d="M${x} ${y - r}L${x + r} ${y + r}H${x - r}Z" fill="${fill}"/>`,
    `<rect x="${x - r}" y="${y - r}" width="${2 * r}" height="${1.6 * r}" rx="2" fill="${fill}"/>`,
    `<path d="M${x - r} ${y + r}Q${x} ${y - 2 * r} ${x + r} ${y + r}" stroke="${fill}" stroke-width="4" fill="none"/>`,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><defs><linearGradient id="g" x2="0" y2="1"><stop stop-color="hsl(${hue} 40% ${62 + 20 * at('top')}%)"/><stop offset="1" stop-color="hsl(${hue + 25} 45% ${28 + 20 * at('low')}%)"/></linearGradient><filter id="n"><feTurbulence baseFrequency=".35" seed="${image}"/><feColorMatrix values="0 0 0 0 .5 0 0 0 0 .5 0 0 0 0 .5 0 0 0 .35 0"/></filter></defs><rect width="32" height="32" fill="url(#g)"/>${shapes[superclass % shapes.length] ?? ''}<rect width="32" height="32" filter="url(#n)"/></svg>`
}
