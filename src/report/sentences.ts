import type { Information, LayerFindings } from '../explain/findings.ts'
import { counted, fixed, list, percent, significance } from './figures.ts'
import { preferred, type Reading, superclassName } from './reading.ts'

/** What has less than this share of the weight is not living (METHOD.md §6.1). */
const livingShare = 0.01

/** Who works in a layer, how evenly, and how much of it the class explains: the layer in two sentences. */
export function layerSummary(layer: LayerFindings): string {
  if (layer.count === 1) return 'There is one expert, so there is nothing to choose.'
  return `${livingSentence(layer)} ${explainedSentence(layer)}`
}

function livingSentence({ count, living, cvImportance, share }: LayerFindings): string {
  const who =
    living === count
      ? `All ${counted(count)} experts are in use`
      : living === 0
        ? 'None of the experts is in use'
        : `${capital(counted(living))} of ${counted(count)} experts ${living === 1 ? 'is' : 'are'} in use`
  const idle = share.flatMap((value, expert) => (value < livingShare ? String(expert) : []))
  const without = living < count && idle.length > 0 && idle.length <= 6 ? `, ${list(idle)} not` : ''
  return `${who}${without}; their shares of weight differ by a CV of ${fixed(cvImportance, 2)} (0 is even).`
}

function explainedSentence({ information, dependence }: LayerFindings): string {
  const { class: byClass, superclass } = information
  if (byClass.share === null) return 'One expert has all the weight, so the class cannot explain a choice.'
  if (!beyondChance(byClass))
    return `The class of an image explains no more of the choice than shuffled labels would (${significance(byClass.p, byClass.permutations)}).`
  const chance = (info: Information): string => percent(ratio(info.chance, dependence.ofMean))
  const coarse =
    superclass === null
      ? ''
      : `, its superclass alone ${percent(superclass.share)} (shuffled: ${chance(superclass)})`
  return `The class of an image explains ${percent(byClass.share)} of the choice of expert (shuffled labels: ${chance(byClass)})${coarse}.`
}

export function beyondChance({ p, bits, chance95 }: Information): boolean {
  return p <= 0.05 && bits > chance95
}

export function informationSentence({ information, dependence, count }: LayerFindings): string {
  if (count === 1) return 'With one expert there is nothing to know.'
  const { class: byClass } = information
  const image =
    dependence.bits < 0.001
      ? 'The gate treats every image alike.'
      : `Which image it is decides ${percent(ratio(dependence.bits, dependence.ofMean))} of what there is to know about the expert`
  if (dependence.bits < 0.001) return image
  return `${image}; its class alone ${percent(byClass.share)} (${significance(byClass.p, byClass.permutations)}, ${byClass.permutations} permutations). If routing ignored classes, ${information.superclass === null ? 'the lowest bar' : 'the two lowest bars'} would end at the red tick.`
}

/** The strongest cell of a matrix in words. */
export function matrixSentence(reading: Reading, { bySuperclass }: LayerFindings): string {
  const chance = 'If experts ignored what is in the image, all cells would be grey.'
  if (bySuperclass === null) return chance
  const strongest = bySuperclass.lift
    .map((row, s) => {
      const expert = preferred(row)
      return { s, expert, lift: expert === null ? 0 : (row[expert] ?? 0) }
    })
    .toSorted((a, b) => b.lift - a.lift || a.s - b.s)[0]
  if (strongest === undefined || strongest.expert === null) return chance
  const { s, expert, lift } = strongest
  return `Figures are each superclass’s mean weights in per cent; colour compares them with chance. The strongest is ${superclassName(reading, s)}, with ${fixed(lift, 1)} times the average weight for expert ${expert}. ${chance}`
}

export function pairSentence({ coactivation, k, count }: LayerFindings, chance: number): string {
  if (chance <= 0) return 'Each image has one expert, so no two are chosen together.'
  const pairs = coactivation.flatMap((row, a) => row.flatMap((value, b) => (b > a ? { a, b, value } : [])))
  const [most] = pairs.toSorted((x, y) => y.value - x.value || x.a - y.a || x.b - y.b)
  const seen =
    most === undefined
      ? ''
      : ` Experts ${most.a} and ${most.b} meet most, in ${percent(most.value)} of the images.`
  return `Per cent of images that chose both; on the diagonal, that chose the one.${seen} Were K = ${k} of E = ${count} drawn at random, every pair would have ${percent(chance)}.`
}

/** K(K−1) / E(E−1); 0 where there are no pairs. */
export function pairChance({ k, count }: Pick<LayerFindings, 'k' | 'count'>): number {
  return count < 2 ? 0 : (k * (k - 1)) / (count * (count - 1))
}

export function accuracySentence(
  { variants, count }: LayerFindings,
  { trained, chance }: { readonly trained: number; readonly chance: number },
): string {
  const best = Math.max(0, ...variants.single.map(({ top1 }) => top1))
  const least = variants.without
    .map(({ top1 }, expert) => ({ top1, expert }))
    .toSorted((a, b) => a.top1 - b.top1)[0]
  const missed =
    least === undefined || count < 2
      ? ''
      : ` The network misses expert ${least.expert} most: ${percent(least.top1)} without it.`
  return `As trained, ${percent(trained)} of the images are named right (black line); the best expert alone gets ${percent(best)}.${missed} Naming classes at random would give ${percent(chance)} (dashed); if the gate’s choice did not matter, equal weights and single experts would lie on the black line.`
}

export function trainingSentence({
  overTraining,
  count,
}: Pick<LayerFindings, 'overTraining' | 'count'>): string {
  const [first, last] = [overTraining[0], overTraining.at(-1)]
  if (first === undefined || last === undefined) return ''
  const change =
    overTraining.length === 1
      ? `After epoch ${last.epoch} the CV is ${fixed(last.cvImportance, 2)}`
      : `From epoch ${first.epoch} to ${last.epoch} the CV goes from ${fixed(first.cvImportance, 2)} to ${fixed(last.cvImportance, 2)}`
  return `${change}, and ${last.living} of ${count} experts are in use. Shares are of weight on held-out images; perfectly even experts would all lie on the dashed line at ${percent(1 / count)}.`
}

export function ratio(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
