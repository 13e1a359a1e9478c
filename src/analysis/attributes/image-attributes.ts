import type { StoredPicture } from '../../tasks/task.ts'
import { type Attribute, numeric, placeAmong, quantileBounds } from './attribute.ts'

/** What is measured in the pixels of an image. */
export interface ImageMeasures {
  /** The mean colour in the plane of hue: red lies at (1, 0), yellow at 60°, … */
  readonly a: number
  readonly b: number
  /** Mean luma, 0 to 1. */
  readonly brightness: number
  /** Cycles per pixel; NaN for an image of one luma. */
  readonly frequency: number
}

/**
 * Mean colour, brightness and spatial frequency of an image (`docs/reference/measures.md`). With R, G and B the means of the
 * channels from 0 to 1: a = R − (G + B)/2, b = √3/2 · (G − B). Luma Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). The
 * frequency is √(mean (ΔxY)² + mean (ΔyY)²) ÷ (2π · standard deviation of Y): by Parseval's theorem the root mean square of
 * sin(πf)/π over the power spectrum of Y without its mean, both directions added, which is f for low frequencies f.
 */
export function measureImage({
  pixels,
  width,
  height,
}: Omit<StoredPicture, 'pixels'> & { readonly pixels: ArrayLike<number> }): ImageMeasures {
  const area = width * height
  const sums = [0, 0, 0]
  for (let at = 0; at < 3 * area; at++) sums[Math.floor(at / area)]! += pixels[at]!
  const [red, green, blue] = sums.map(sum => sum / (255 * area)) as [number, number, number]
  // Thousandths, so that sums are of whole numbers and do not depend on their order.
  const luma = (at: number): number =>
    299 * pixels[at]! + 587 * pixels[at + area]! + 114 * pixels[at + 2 * area]!
  let [sum, across, down] = [0, 0, 0]
  for (let at = 0; at < area; at++) {
    const own = luma(at)
    sum += own
    if ((at + 1) % width !== 0) across += (luma(at + 1) - own) ** 2
    if (at + width < area) down += (luma(at + width) - own) ** 2
  }
  const mean = sum / area
  let squares = 0
  for (let at = 0; at < area; at++) squares += (luma(at) - mean) ** 2
  const each = (total: number, pairs: number): number => (pairs === 0 ? 0 : total / pairs)
  const differences = each(across, (width - 1) * height) + each(down, width * (height - 1))
  return {
    a: red - (green + blue) / 2,
    b: (Math.sqrt(3) / 2) * (green - blue),
    brightness: mean / 255_000,
    frequency: squares === 0 ? Number.NaN : Math.sqrt(differences / (squares / area)) / (2 * Math.PI),
  }
}

/** Sixths of the circle of hue, each with its colour in the middle. */
const hues = ['red', 'yellow', 'green', 'cyan', 'blue', 'magenta']
/** A mean colour with less chroma has no hue that is seen. */
const leastChroma = 0.02

/** Colour, brightness and texture as attributes; images in their order. */
export function imageAttributes(measures: readonly ImageMeasures[]): Attribute[] {
  return [
    colourOf(measures),
    numeric(
      'brightness',
      'image',
      measures.map(({ brightness }) => brightness),
    ),
    numeric(
      'texture',
      'image',
      measures.map(({ frequency }) => frequency),
    ),
  ]
}

/**
 * Groups of mean colours: by thirds of chroma C = √(a² + b²) grey, pale and vivid, the latter two by the sixth of hue
 * atan2(b, a); grey in any case below C = 0.02. Groups without images are left out.
 */
function colourOf(measures: readonly ImageMeasures[]): Attribute {
  const chromas = measures.map(({ a, b }) => Math.sqrt(a * a + b * b))
  const bounds = measures.length === 0 ? [] : quantileBounds(chromas, 3)
  const names = measures.map(({ a, b }, image) => {
    const third = placeAmong(bounds, chromas[image]!)
    if (third === 0 || chromas[image]! < leastChroma) return 'grey'
    const hue = hues[Math.round(((Math.atan2(b, a) / (2 * Math.PI)) * 6 + 6) % 6) % 6]!
    return `${third < bounds.length ? 'pale' : 'vivid'} ${hue}`
  })
  const order = ['grey', ...['pale', 'vivid'].flatMap(chroma => hues.map(hue => `${chroma} ${hue}`))]
  const groups = order.filter(group => names.includes(group))
  return {
    ...{ name: 'colour', source: 'image', groups },
    of: Int32Array.from(names, name => groups.indexOf(name)),
  }
}
