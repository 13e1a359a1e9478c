import { groupingOf, type Information, type LayerFindings, type LeadFindings } from '../analysis/findings.ts'
import { significanceLevel } from '../base/exact-tests.ts'
import { activeShare } from '../metrics/utilization.ts'
import { bits, counted, exactly, fixed, list, percent, points, significance, whole } from './figures.ts'

/** Who works in a layer, how evenly, and what explains the choice of expert: the layer in two sentences. */
export function layerSummary(layer: LayerFindings, explained: string): string {
  if (layer.count === 1) return 'There is one expert, so there is nothing to choose.'
  return `${activeSentence(layer)} ${explained}`
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

/**
 * How much of the choice the class explains, and the superclass.
 *
 * @param subject - begins the sentence
 */
export function explainedSentence(
  layer: LayerFindings,
  subject = `The class of ${layer.inputs === 1 ? 'an image' : 'an object'}`,
): string {
  const byClass = groupingOf(layer, 'class')?.information ?? null
  const superclass = groupingOf(layer, 'superclass')?.information ?? null
  const { ofMean } = layer.dependence
  if (byClass === null) return 'There is nothing to explain.'
  if (byClass.share === null) return 'One expert has all the weight, so the class cannot explain a choice.'
  if (!beyondChance(byClass))
    return `${subject} explains no more of the choice than shuffled labels would (${significance(byClass.p, byClass.permutations)}).`
  const chance = (info: Information): string => percent(ratio(info.chance, ofMean))
  const coarse =
    superclass === null
      ? ''
      : beyondChance(superclass)
        ? `, its superclass alone ${percent(superclass.share)} (shuffled: ${chance(superclass)})`
        : ', its superclass alone no more than shuffled labels would'
  return `${subject} explains ${percent(byClass.share)} of the choice of expert (shuffled labels: ${chance(byClass)})${coarse}.`
}

export function beyondChance({ p, value, chance95 }: Pick<Information, 'p' | 'value' | 'chance95'>): boolean {
  return p <= significanceLevel && value > chance95
}

export function informationSentence({ groupings, dependence, count, inputs }: LayerFindings): string {
  if (count === 1) return 'With one expert there is nothing to know.'
  const what = inputs === 1 ? 'image' : 'image and level'
  if (dependence.bits < 0.001) return `The gate treats every ${what} alike.`
  const parts = groupings.flatMap(({ name, information }) =>
    information === null
      ? []
      : [
          `the ${name} ${percent(information.share)} (${significance(information.p, information.permutations)})`,
        ],
  )
  const permutations = groupings.flatMap(({ information }) => information?.permutations ?? [])[0]
  const shared =
    inputs === 1
      ? ''
      : ' Items of one level of one image share its experts and are no independent witnesses: what is shuffled are whole levels of images, and given the level those of one level.'
  const items =
    parts.length === 0
      ? ''
      : `; ${list(parts)}${permutations === undefined ? '' : `, over ${whole(permutations)} permutations`}`
  return `Which ${what} it is decides ${percent(ratio(dependence.bits, dependence.ofMean))} of what there is to know about the expert${items}. If routing ignored these, their bars would end at the red tick.${shared}`
}

/**
 * What a matrix of superclasses shows; which cell is strongest is not said, since the next may be as strong.
 *
 * @param isListed - whether the page lists what each expert is given beyond chance
 */
export function matrixSentence(isListed: boolean): string {
  const listed = isListed ? ' The lists of the experts above name those that are beyond chance.' : ''
  return `Figures are each superclass’s mean weights in per cent; colour compares them with chance.${listed} If experts ignored what they are given, all cells would be grey.`
}

export function levelSentence(layer: LayerFindings): string {
  const information = groupingOf(layer, 'level')?.information ?? null
  if (information === null) return ''
  const { value, chance, share, p, permutations } = information
  const { bits: all } = layer.dependence
  const rest =
    all > 0.001
      ? ` Of all that image and level tell together, the level tells ${percent(Math.min(1, value / all))}.`
      : ''
  return `Figures are mean weights in per cent over all images; colour compares them with the expert’s share. Which level it is decides ${percent(share)} of the choice (${bits(value)} bits, by chance ${bits(chance)}, ${significance(p, permutations)}).${rest} If levels were treated alike, all cells would be grey.`
}

export function pairSentence(layer: LayerFindings, chance: number): string {
  const { leads, coactivation, k, count, inputs } = layer
  const unit = inputs === 1 ? 'image' : 'level'
  if (chance <= 0) return `Each ${unit} has one expert, so no two are chosen together.`
  const { pair } = leads
  const rate = ([a, b]: readonly [number, number]): string => percent(coactivation[a]?.[b])
  const seen =
    pair === null || pair.p > significanceLevel
      ? ''
      : ` Experts ${pair.first[0]} and ${pair.first[1]} are chosen together most often, for ${rate(pair.first)} of the images, before ${pair.second[0]} and ${pair.second[1]} with ${rate(pair.second)} (${rivalry(pair)}).`
  return `Per cent of ${unit}s that chose both; on the diagonal, that chose the one.${seen} Were K = ${k} of E = ${count} drawn at random, every pair would have ${percent(chance)}.`
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
  { trained, chance }: { readonly trained: number | null; readonly chance: number },
): string {
  return `As trained, ${percent(trained)} of the images are named right. ${singleSentence(variants.single, leads.single)}${missedSentence(leads.without, variants.without, count)} Naming classes at random would give ${percent(chance)}; if the gate’s choice did not matter, equal weights and single experts would get as many right as trained.`
}

/** Which single expert gets most right, if it is beyond doubt; otherwise what they get. */
function singleSentence(single: LayerFindings['variants']['single'], lead: LeadFindings | null): string {
  const values = single.map(({ measures }) => measures.top1 ?? 0)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  if (values.length === 1) return `The single expert gets ${percent(most)}.`
  if (lead === null || lead.p > significanceLevel)
    return `Single experts get ${percent(least)} to ${percent(most)}; which of them gets most is within chance.`
  return `As a single expert, expert ${lead.first} gets most right, ${percent(values[lead.first])}, before expert ${lead.second} with ${percent(values[lead.second])} (${rivalry(lead)}).`
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
      : `without expert ${lead.second}, ${percent(without[lead.second]?.measures.top1)}`
  return ` The network misses expert ${lead.first} most: ${percent(without[lead.first]?.measures.top1)} without it, next ${rival} (${rivalry(lead)}).`
}

export function trainingSentence({ history, count }: Pick<LayerFindings, 'history' | 'count'>): string {
  const [first, last] = [history[0], history.at(-1)]
  if (first === undefined || last === undefined) return ''
  const change =
    history.length === 1
      ? `After epoch ${last.epoch + 1} the CV is ${fixed(last.cvImportance, 2)}`
      : `After epoch ${first.epoch + 1} the CV is ${fixed(first.cvImportance, 2)}, after epoch ${last.epoch + 1} ${fixed(last.cvImportance, 2)}`
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
