import type {
  DetectorFindings,
  DetectorLayerFindings,
  GroupingTests,
} from '../../analysis/detection/findings.ts'
import { significanceLevel } from '../../base/exact-tests.ts'
import { bits, counted, fixed, list, percent, significance, times, whole } from '../figures.ts'
import { shown } from '../markup.ts'

/** What the page of a detector says in words. */

export const sizeWords = ['small', 'medium', 'large'] as const

/** A mean weight of this many times chance is worth a word. */
const notable = 1.2

/** Fewer bits than these are next to nothing, however certain. */
const slight = 0.005

/** P3 to P7. */
export function levelName(level: number): string {
  return `P${level + 3}`
}

/** AP and AR as COCO writes them. */
export function precision(value: number | null | undefined): string {
  return fixed(value, 3)
}

/** An area as a square of the same: "24 × 24". */
export function square(area: number | null | undefined): string {
  if (area === null || area === undefined) return '–'
  const side = Math.sqrt(area)
  const text = side < 9.95 ? side.toFixed(1) : side.toFixed(0)
  return `${text}\u202f×\u202f${text}`
}

export function placeWords({ place }: Pick<DetectorLayerFindings, 'place'>): string {
  switch (place) {
    case 'classification':
      return 'in the head that says what objects are'
    case 'regression':
      return 'in the head that says where objects are'
    case 'shared':
      return 'in both heads, behind one gate'
    default:
      return place === 0 ? 'in place of the stem' : `at stage ${place} of the backbone`
  }
}

/** How a mixture is made, in a line. */
export function describeLayer(layer: DetectorLayerFindings): string {
  const unit = layer.inputs === 1 ? 'image' : 'level of an image'
  return `Mixture ${placeWords(layer)}: E = ${layer.count} experts, K = ${layer.k} for each ${unit}, constraint ${shown(layer.constraint)}`
}

/** Which sizes and levels an expert has more of than chance: each by its own test, corrected for the number of cells. */
export function expertWords(layer: DetectorLayerFindings, expert: number): string {
  if ((layer.share[expert] ?? 0) < 0.01) return 'Hardly used.'
  const liked = (
    lift: readonly (readonly (number | null)[])[],
    above: readonly (readonly (number | null)[])[],
  ): { row: number; lift: number }[] => {
    const cells = above.length * layer.count
    return lift
      .map((row, at) => ({ row: at, lift: row[expert] ?? 0, p: above[at]?.[expert] ?? 1 }))
      .filter(one => one.lift >= notable && one.p * cells <= significanceLevel)
  }
  const sizes = liked(layer.sizes.by.lift, layer.sizes.above)
  const levels = layer.levels === null ? [] : liked(layer.levels.by.lift, layer.levels.above)
  const median = layer.medianArea.weighted[expert] ?? null
  const parts = [
    ...(sizes.length === 0
      ? []
      : [`${list(sizes.map(({ row, lift }) => `${sizeWords[row] ?? ''} objects (${times(lift)})`))}`]),
    ...(levels.length === 0
      ? []
      : [
          `level${levels.length === 1 ? '' : 's'} ${list(levels.map(({ row, lift }) => `${levelName(row)} (${times(lift)})`))}`,
        ]),
  ]
  const given =
    parts.length === 0 ? 'No size and no level beyond chance' : `More than chance: ${parts.join('; ')}`
  return `${given}. ${median === null ? 'No object is given to it.' : `Median object ${square(median)} pixels.`}`
}

function beyondChance(tested: { readonly p: number } | null | undefined): boolean {
  return tested !== null && tested !== undefined && tested.p <= significanceLevel
}

/** The layer in two sentences. */
export function layerWords(layer: DetectorLayerFindings): string {
  if (layer.count === 1) return 'There is one expert, so there is nothing to choose.'
  const used =
    layer.active === layer.count
      ? `All ${counted(layer.count)} experts are in use`
      : `${layer.active} of ${layer.count} experts are in use`
  const tests = layer.sizes.tests
  const explained =
    tests === null
      ? 'There are no objects to ask about.'
      : beyondChance(tests.information)
        ? `The size of an object tells ${percent(tests.share)} of its expert (${significance(tests.information.p, tests.information.permutations)}).`
        : `The size of an object tells no more about its expert than chance (${significance(tests.information.p, tests.information.permutations)}).`
  return `${used}; their shares of weight differ by a CV of ${fixed(layer.cvImportance, 2)} (0 is even). ${explained}`
}

export function sizeSentence(layer: DetectorLayerFindings): string {
  const { tests } = layer.sizes
  if (tests === null) return 'The split has no objects whose experts could be told.'
  const { information, v, corrected, withinLevel } = tests
  const whole = `Size and expert share ${bits(information.value)} bits, ${percent(tests.share)} of what there is to know about the expert; if sizes went anywhere, it would be ${bits(information.chance)} (${significance(information.p, information.permutations)}).`
  const association =
    v === null
      ? ' There is no Cramér’s V: one expert is the top one of all objects, or all are of one size.'
      : ` Cramér’s V of size and top expert: ${fixed(v, 2)}, without its bias ${fixed(corrected, 2)} (0 none, 1 size decides).`
  return `${whole}${association}${withinWords(withinLevel)}`
}

function withinWords(within: GroupingTests['withinLevel']): string {
  if (within === null) return ''
  const numbers = `${bits(within.value)} bits, by chance ${bits(within.chance)}, ${significance(within.p, within.permutations)}`
  if (beyondChance(within) && within.value < slight)
    return ` Levels are made for sizes, and it is the level’s doing: among objects of one level, size tells next to nothing about the expert (${numbers}).`
  return beyondChance(within)
    ? ` Levels are made for sizes, so this may be the level’s doing; but among objects of one level, too, size goes with the expert (${numbers}).`
    : ` Levels are made for sizes, so this may be the level’s doing: among objects of one level, nothing beyond chance was found that size tells about the expert (${numbers}).`
}

export function levelSentence({ levels, dependence }: DetectorLayerFindings): string {
  if (levels === null) return 'Whole images are routed, all levels alike.'
  const { information, share } = levels
  const rest =
    dependence.bits > 0.001
      ? ` Of all that image and level tell together, the level tells ${percent(Math.min(1, information.value / dependence.bits))}.`
      : ''
  return `Figures are mean weights in per cent over all images; colour compares them with the expert’s share. Which level it is decides ${percent(share)} of the choice (${bits(information.value)} bits, by chance ${bits(information.chance)}, ${significance(information.p, information.permutations)}).${rest} If levels were treated alike, all cells would be grey.`
}

export function areaSentence(
  layer: DetectorLayerFindings,
  data: Pick<DetectorFindings['data'], 'sizes'>,
): string {
  const { range, all } = layer.medianArea
  const apart =
    range === null || !beyondChance(range.tested)
      ? ''
      : ` Expert ${range.largest}’s median object has ${fixed(range.tested.value, 1)} times the area of expert ${range.smallest}’s; were units shuffled, the largest would have ${fixed(range.tested.chance, 1)} times that of the smallest (${significance(range.tested.p, range.tested.permutations)}).`
  return `Half of an expert’s weight on objects is on objects up to this area (dot), drawn as the side of a square, in pixels; the ring is the median of objects whose top expert it is. The median of all is ${square(all)} (line); dashed are COCO’s limits, ${fixed(data.sizes[0], 0)} and ${fixed(data.sizes[1], 0)}.${apart}`
}

export function precisionSentence(trained: number | null): string {
  return `COCO’s AP with other experts at work here, all else as trained (AP ${precision(trained)}; the tick in each bar). These are AP of this split without intervals, so which expert is ahead for a size is not said. If it did not matter who computes a level, nothing would change.`
}

export function objectsWords({ objects }: DetectorLayerFindings): string {
  const left = objects.left === 0 ? '' : `; ${whole(objects.left)} more that no anchor overlaps are left out`
  return `${whole(objects.count)} objects in ${whole(objects.units)} routed units${left}`
}
