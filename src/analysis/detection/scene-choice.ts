import type { DetectorRecords } from '../../tasks/detection/records.ts'
import type { RoutedLayer } from '../../tasks/routing.ts'
import { weightsAt } from '../../tasks/routing.ts'

/** Scores from which detections are drawn: the first that finds two objects in as many images as are shown is taken (METHOD.md §5.5 draws those above 0.5). */
const scores = [0.5, 0.3, 0.1, 0.05] as const

/** Images to show, and the least score of what is drawn in them. */
export interface SceneChoice {
  /** Numbers within the split. */
  readonly images: readonly number[]
  readonly score: number
}

/**
 * Images in which one sees objects of different sizes go to different experts. Those come first in which the areas of
 * detections with different top experts lie farthest apart, as a difference of log areas; then those that find most. The
 * choice depends on records alone.
 *
 * @param layer - whose experts are looked at; undefined where there is none
 */
export function chooseScenes(
  { found, images }: Pick<DetectorRecords, 'found' | 'images'>,
  layer: RoutedLayer | undefined,
  count: number,
): SceneChoice {
  const wanted = Math.min(count, images)
  const holding = (score: number): number => {
    const counts = new Map<number, number>()
    for (const one of found) if (one.score >= score) counts.set(one.image, (counts.get(one.image) ?? 0) + 1)
    return [...counts.values()].filter(count => count > 1).length
  }
  const score = scores.find(one => holding(one) >= wanted) ?? scores.at(-1)!
  const shown = new Map<number, (typeof found)[number][]>()
  for (const one of found) {
    if (one.score < score) continue
    const own = shown.get(one.image)
    if (own === undefined) shown.set(one.image, [one])
    else own.push(one)
  }
  const ranked = Array.from({ length: images }, (_, image) => {
    const own = shown.get(image) ?? []
    return {
      image,
      apart: layer === undefined ? 0 : apartness(own, layer),
      many: Math.min(own.length, mostUseful),
    }
  }).sort((a, b) => b.apart - a.apart || b.many - a.many || a.image - b.image)
  return { images: ranked.slice(0, wanted).map(({ image }) => image), score }
}

/** More boxes than these make a picture no better. */
const mostUseful = 6

/** Largest difference of log area between detections whose experts differ, rounded to an octave; 0 where all have the same. */
function apartness(
  own: readonly { readonly image: number; readonly level: number; readonly box: readonly number[] }[],
  layer: RoutedLayer,
): number {
  const placed = own.map(({ image, level, box }) => {
    const weights = weightsAt(layer, image, Math.max(0, level))
    return { expert: weights.indexOf(Math.max(...weights)), size: Math.log2(Math.max(1, box[2]! * box[3]!)) }
  })
  // Of each expert its smallest and its largest: a weak detector finds thousands in an image.
  const extremes = new Map<number, { least: number; most: number }>()
  for (const { expert, size } of placed) {
    const known = extremes.get(expert) ?? { least: size, most: size }
    extremes.set(expert, { least: Math.min(known.least, size), most: Math.max(known.most, size) })
  }
  let apart = 0
  for (const [a, { most }] of extremes)
    for (const [b, { least }] of extremes) if (a !== b) apart = Math.max(apart, Math.abs(most - least))
  return Math.round(apart)
}
