import type {
  DetectorFindings,
  DetectorLayerFindings,
  GroupingTests,
} from '../../explain/detection/findings.ts'
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

/** Which sizes and levels an expert has more of than chance. */
export function expertWords(layer: DetectorLayerFindings, expert: number): string {
  if ((layer.share[expert] ?? 0) < 0.01) return 'Hardly used.'
  const liked = (lift: readonly (readonly (number | null)[])[]): { row: number; lift: number }[] =>
    lift.map((row, at) => ({ row: at, lift: row[expert] ?? 0 })).filter(one => one.lift >= notable)
  const sizes = beyondChance(layer.sizes.tests?.information) ? liked(layer.sizes.by.lift) : []
  const levels = beyondChance(layer.levels?.information) ? liked(layer.levels?.by.lift ?? []) : []
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
    parts.length === 0 ? 'No size and no level more than others' : `More than chance: ${parts.join('; ')}`
  return `${given}. ${median === null ? 'No object is given to it.' : `Median object ${square(median)} pixels.`}`
}

function beyondChance(tested: { readonly p: number } | null | undefined): boolean {
  return tested !== null && tested !== undefined && tested.p <= 0.05
}

/** The layer in two sentences. */
export function layerWords(layer: DetectorLayerFindings): string {
  if (layer.count === 1) return 'There is one expert, so there is nothing to choose.'
  const used =
    layer.living === layer.count
      ? `All ${counted(layer.count)} experts are in use`
      : `${layer.living} of ${layer.count} experts are in use`
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
    : ` Levels are made for sizes, and it is the level’s doing: among objects of one level, size tells no more about the expert than chance (${numbers}).`
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

export function areaSentence(layer: DetectorLayerFindings, data: DetectorFindings['data']): string {
  const { weighted, all } = layer.medianArea
  const known = weighted.flatMap((area, expert) => (area === null ? [] : [{ area, expert }]))
  const [least, most] = [
    known.toSorted((a, b) => a.area - b.area)[0],
    known.toSorted((a, b) => b.area - a.area)[0],
  ]
  const range =
    least === undefined || most === undefined || least.expert === most.expert
      ? ''
      : ` Expert ${most.expert}’s median object has ${fixed(most.area / least.area, 1)} times the area of expert ${least.expert}’s.`
  return `Half of an expert’s weight on objects is on objects up to this area (dot), drawn as the side of a square, in pixels; the ring is the median of objects whose top expert it is. The median of all is ${square(all)} (line); dashed are COCO’s limits, ${fixed(data.sizes[0], 0)} and ${fixed(data.sizes[1], 0)}.${range}`
}

export function precisionSentence(layer: DetectorLayerFindings, trained: number | null): string {
  const best = (name: 'APs' | 'APm' | 'APl'): string | null => {
    const ranked = layer.variants.single
      .map((one, expert) => ({ expert, value: one[name] }))
      .filter(({ value }) => value !== null)
      .toSorted((a, b) => (b.value ?? 0) - (a.value ?? 0) || a.expert - b.expert)
    return ranked[0] === undefined || (ranked[0].value ?? 0) === 0 ? null : String(ranked[0].expert)
  }
  const leaders = (['APs', 'APm', 'APl'] as const).flatMap((name, size) => {
    const expert = best(name)
    return expert === null ? [] : [`${expert} of ${sizeWords[size] ?? ''}`]
  })
  const alone = leaders.length === 0 ? '' : ` Alone, the best finder is expert ${list(leaders)} objects.`
  return `COCO’s AP with other experts at work here, all else as trained (AP ${precision(trained)}; the tick in each bar).${alone} If it did not matter who computes a level, nothing would change.`
}

export function objectsWords({ objects }: DetectorLayerFindings): string {
  const left = objects.left === 0 ? '' : `; ${whole(objects.left)} more that no anchor overlaps are left out`
  return `${whole(objects.count)} objects in ${whole(objects.units)} routed units${left}`
}
