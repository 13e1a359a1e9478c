import {
  type DetectionExtras,
  explainedBest,
  explainedBestWords,
  type GroupingFindings,
  groupingOf,
  type LayerFindings,
} from '../../analysis/findings.ts'
import { significanceLevel } from '../../base/exact-tests.ts'
import { activeShare } from '../../metrics/utilization.ts'
import { bits, fixed, list, percent, significance, times, whole } from '../figures.ts'

/** What the page of a detector says in words. */

/** What only a detector's findings have of a layer. */
export type DetectorLayer = DetectionExtras['layers'][number]

/** A mean weight of this many times chance is worth a word. */
const notable = 1.2

/** Fewer bits than these are next to nothing, however certain. */
const slight = 0.005

/** P3 to P7. */
export function levelName(level: number): string {
  return `P${level + 3}`
}

/** An area as a square of the same: "24 × 24". */
export function square(area: number | null | undefined): string {
  if (area === null || area === undefined) return '–'
  const side = Math.sqrt(area)
  const text = side < 9.95 ? side.toFixed(1) : side.toFixed(0)
  return `${text}\u202f×\u202f${text}`
}

/** Which sizes and levels an expert has more of than chance: each by its own test, corrected for the number of cells. */
export function expertWords(layer: LayerFindings, { medianArea }: DetectorLayer, expert: number): string {
  if ((layer.share[expert] ?? 0) < activeShare) return 'Hardly used.'
  const liked = (name: 'size' | 'level'): string[] => {
    const { names = [], affinity, above } = groupingOf(layer, name) ?? {}
    const cells = names.length * layer.count
    return names.flatMap((group, at) => {
      const lift = affinity?.lift[at]?.[expert] ?? 0
      const p = above?.[at]?.[expert] ?? 1
      return lift >= notable && p * cells <= significanceLevel ? [`${group} (${times(lift)})`] : []
    })
  }
  const [sizes, levels] = [liked('size'), liked('level')]
  const median = medianArea.weighted[expert] ?? null
  const parts = [
    ...(sizes.length === 0 ? [] : [`objects of size ${list(sizes)}`]),
    ...(levels.length === 0 ? [] : [`level${levels.length === 1 ? '' : 's'} ${list(levels)}`]),
  ]
  const given =
    parts.length === 0 ? 'No size and no level beyond chance' : `More than chance: ${parts.join('; ')}`
  return `${given}. ${median === null ? 'No object is given to it.' : `Median object ${square(median)} pixels.`}`
}

/** By which attribute of images it is explained best; nothing where that is not beyond doubt. */
export function explainedWords(layer: LayerFindings, expert: number): string {
  const best = explainedBest(layer, expert)
  if (best === null) return ''
  const words = explainedBestWords(best)
  return ` ${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

/** How much of the choice the size of an object explains. */
export function sizeExplained(layer: LayerFindings): string {
  const information = groupingOf(layer, 'size')?.information ?? null
  if (information === null) return 'There are no objects to ask about.'
  const { share, p, permutations } = information
  return isBeyondChance(information)
    ? `The size of an object explains ${percent(share)} of the choice of expert (${significance(p, permutations)}).`
    : `The size of an object explains no more of the choice of expert than chance (${significance(p, permutations)}).`
}

function isBeyondChance(tested: { readonly p: number } | null | undefined): boolean {
  return tested !== null && tested !== undefined && tested.p <= significanceLevel
}

export function sizeSentence({ information, association, withinLevel }: GroupingFindings): string {
  if (information === null) return 'The split has no objects that a gate has routed.'
  const whole = `Size and expert share ${bits(information.value)} bits, ${percent(information.share)} of what there is to know about the expert; if sizes went anywhere, it would be ${bits(information.chance)} (${significance(information.p, information.permutations)}).`
  const words =
    association === null
      ? ' There is no Cramér’s V: one expert is the top one of all objects, or all are of one size.'
      : ` Cramér’s V of size and top expert: ${fixed(association.v, 2)}, without its bias ${fixed(association.corrected, 2)} (0 none, 1 size decides).`
  return `${whole}${words}${withinWords(withinLevel)}`
}

function withinWords(within: GroupingFindings['withinLevel']): string {
  if (within === null) return ''
  const numbers = `${bits(within.value)} bits, by chance ${bits(within.chance)}, ${significance(within.p, within.permutations)}`
  if (isBeyondChance(within) && within.value < slight)
    return ` Levels are made for sizes, and it is the level’s doing: among objects of one level, size tells next to nothing about the expert (${numbers}).`
  return isBeyondChance(within)
    ? ` Levels are made for sizes, so this may be the level’s doing; but among objects of one level, too, size goes with the expert (${numbers}).`
    : ` Levels are made for sizes, so this may be the level’s doing: among objects of one level, nothing beyond chance was found that size tells about the expert (${numbers}).`
}

export function areaSentence(
  { medianArea }: Pick<DetectorLayer, 'medianArea'>,
  { sizes }: Pick<DetectionExtras, 'sizes'>,
): string {
  const { range, all } = medianArea
  const apart =
    range === null || !isBeyondChance(range.tested)
      ? ''
      : ` Expert ${range.largest}’s median object has ${fixed(range.tested.value, 1)} times the area of expert ${range.smallest}’s; were units shuffled, the largest would have ${fixed(range.tested.chance, 1)} times that of the smallest (${significance(range.tested.p, range.tested.permutations)}).`
  return `Half of an expert’s weight on objects is on objects up to this area (dot), drawn as the side of a square, in pixels; the ring is the median of objects whose top expert it is. The median of all is ${square(all)} (line); dashed are COCO’s limits, ${fixed(sizes[0], 0)} and ${fixed(sizes[1], 0)}.${apart}`
}

export function objectsWords({ objects }: DetectorLayer): string {
  const left = objects.left === 0 ? '' : `; ${whole(objects.left)} more that no anchor overlaps are left out`
  return `${whole(objects.count)} objects in ${whole(objects.units)} routed units${left}`
}
