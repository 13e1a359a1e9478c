import type { Information, LayerFindings, LeadFindings } from '../analysis/findings.ts'
import { significanceLevel } from '../base/exact-tests.ts'
import { counted, exactly, fixed, list, percent, points, significance } from './figures.ts'

/** What has less than this share of the weight is not active (METHOD.md §6.1). */
const activeShare = 0.01

/** Who works in a layer, how evenly, and how much of it the class explains: the layer in two sentences. */
export function layerSummary(layer: LayerFindings): string {
  if (layer.count === 1) return 'There is one expert, so there is nothing to choose.'
  return `${activeSentence(layer)} ${explainedSentence(layer)}`
}

function activeSentence({ count, active, cvImportance, share }: LayerFindings): string {
  const who =
    active === count
      ? `All ${counted(count)} experts are in use`
      : active === 0
        ? 'None of the experts is in use'
        : `${capital(counted(active))} of ${counted(count)} experts ${active === 1 ? 'is' : 'are'} in use`
  const idle = share.flatMap((value, expert) => (value < activeShare ? String(expert) : []))
  const without = active < count && idle.length > 0 && idle.length <= 6 ? `, ${list(idle)} not` : ''
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
      : beyondChance(superclass)
        ? `, its superclass alone ${percent(superclass.share)} (shuffled: ${chance(superclass)})`
        : ', its superclass alone no more than shuffled labels would'
  return `The class of an image explains ${percent(byClass.share)} of the choice of expert (shuffled labels: ${chance(byClass)})${coarse}.`
}

export function beyondChance({ p, bits, chance95 }: Information): boolean {
  return p <= significanceLevel && bits > chance95
}

export function informationSentence({ information, dependence, count }: LayerFindings): string {
  if (count === 1) return 'With one expert there is nothing to know.'
  const { class: byClass } = information
  const image =
    dependence.bits < 0.001
      ? 'The gate treats every image alike.'
      : `Which image it is decides ${percent(ratio(dependence.bits, dependence.ofMean))} of what there is to know about the expert`
  if (dependence.bits < 0.001) return image
  return `${image}; its class ${percent(byClass.share)} (${significance(byClass.p, byClass.permutations)}, ${byClass.permutations} permutations). If routing ignored classes, ${information.superclass === null ? 'the lowest bar' : 'the two lowest bars'} would end at the red tick.`
}

/** What a matrix of superclasses shows; which cell is strongest is not said, since the next may be as strong. */
export function matrixSentence({ bySuperclass }: LayerFindings): string {
  const chance = 'If experts ignored what is in the image, all cells would be grey.'
  if (bySuperclass === null) return chance
  return `Figures are each superclass’s mean weights in per cent; colour compares them with chance. The lists of the experts above name those that are beyond chance. ${chance}`
}

export function pairSentence({ leads, coactivation, k, count }: LayerFindings, chance: number): string {
  if (chance <= 0) return 'Each image has one expert, so no two are chosen together.'
  const { pair } = leads
  const rate = ([a, b]: readonly [number, number]): string => percent(coactivation[a]?.[b])
  const seen =
    pair === null || pair.p > significanceLevel
      ? ''
      : ` Experts ${pair.first[0]} and ${pair.first[1]} are chosen together most often, for ${rate(pair.first)} of the images, before ${pair.second[0]} and ${pair.second[1]} with ${rate(pair.second)} (${rivalry(pair)}).`
  return `Per cent of images that chose both; on the diagonal, that chose the one.${seen} Were K = ${k} of E = ${count} drawn at random, every pair would have ${percent(chance)}.`
}

/** "difference 3.1 points, 1.9 to 4.3, p = 0.0010" */
function rivalry({
  difference,
  low,
  high,
  p,
}: Pick<LeadFindings, 'difference' | 'low' | 'high' | 'p'>): string {
  return `difference ${points(difference)} points, ${points(low)} to ${points(high)}, ${exactly(p)}`
}

/** K(K−1) / E(E−1); 0 where there are no pairs. */
export function pairChance({ k, count }: Pick<LayerFindings, 'k' | 'count'>): number {
  return count < 2 ? 0 : (k * (k - 1)) / (count * (count - 1))
}

export function accuracySentence(
  { variants, leads, count }: LayerFindings,
  { trained, chance }: { readonly trained: number; readonly chance: number },
): string {
  return `As trained, ${percent(trained)} of the images are named right (black line). ${aloneSentence(variants.single, leads.single)}${missedSentence(leads.without, variants.without, count)} Naming classes at random would give ${percent(chance)} (dashed); if the gate’s choice did not matter, equal weights and single experts would lie on the black line.`
}

/** Which expert alone gets most right, if it is beyond doubt; otherwise what they get. */
function aloneSentence(single: LayerFindings['variants']['single'], lead: LeadFindings | null): string {
  const values = single.map(({ top1 }) => top1)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  if (values.length === 1) return `The one expert alone gets ${percent(most)}.`
  if (lead === null || lead.p > significanceLevel)
    return `Alone, the experts get ${percent(least)} to ${percent(most)}; which of them gets most is within chance.`
  return `Alone, expert ${lead.first} gets most right, ${percent(values[lead.first])}, before expert ${lead.second} with ${percent(values[lead.second])} (${rivalry(lead)}).`
}

/** The expert without which most is lost, if it is beyond doubt. */
function missedSentence(
  lead: LeadFindings | null,
  without: LayerFindings['variants']['without'],
  count: number,
): string {
  if (lead === null || lead.p > significanceLevel || lead.first >= count) return ''
  const rival =
    lead.second >= count
      ? 'as trained'
      : `without expert ${lead.second}, ${percent(without[lead.second]?.top1)}`
  return ` The network misses expert ${lead.first} most: ${percent(without[lead.first]?.top1)} without it, next ${rival} (${rivalry(lead)}).`
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
      : `After epoch ${first.epoch} the CV is ${fixed(first.cvImportance, 2)}, after epoch ${last.epoch} ${fixed(last.cvImportance, 2)}`
  return `${change}, and ${last.active} of ${count} experts are in use. Shares are of weight on held-out images; perfectly even experts would all lie on the dashed line at ${percent(1 / count)}.`
}

export function agreementSentence({
  mean,
  chance,
  chance95,
  p,
  permutations,
}: NonNullable<LayerFindings['agreement']>): string {
  const matched = 'Experts of the two runs, matched by the classes they are given.'
  if (mean === null || p === null)
    return `${matched} No expert is given more of one class than of another, so there is nothing to correlate.`
  const shuffled = `where classes are shuffled, the best matching has ${fixed(chance, 2)}, and ${fixed(chance95, 2)} at the 95th percentile (${significance(p, permutations)})`
  return p <= significanceLevel
    ? `${matched} Mean correlation ${fixed(mean, 2)}: both runs divide the classes more alike than by chance; ${shuffled}.`
    : `${matched} Mean correlation ${fixed(mean, 2)}, no more than by chance; ${shuffled}.`
}

export function ratio(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
