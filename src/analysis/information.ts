import { draws } from '../base/random.ts'
import type { Dependence, Information } from './findings.ts'
import type { LayerRecords } from './routing-records.ts'

type Routed = Pick<LayerRecords, 'experts' | 'weights'>

/**
 * I(class; expert) in bits: how much the class of an image tells about which expert it goes to. The joint distribution is
 *
 *     p(c, e) = 1/N · Σ_{n of class c} w_ne
 *
 * so that an image that is half one expert's and half another's counts half for each. A finite number of images always
 * shows some information, even where routing ignores the class: the same images with permuted labels say how much (Miller
 * 1955 has the bias, (C−1)(E−1) / 2N nats; permutations need no approximation). I(class; expert) ≤ I(image; expert), see
 * {@link dependenceOf}, since the class is a function of the image.
 *
 * @param labels - int32 [N], from 0 to `classes` − 1; images with −1 are left out
 */
export function informationOf(
  routed: Routed,
  labels: Int32Array,
  classes: number,
  test: PermutationTest,
): Information {
  const steps = informationInSteps(routed, labels, classes, test)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}

/** The same, giving way after each permutation: what is yielded is how many are done. */
export function* informationInSteps(
  routed: Routed,
  labels: Int32Array,
  classes: number,
  { permutations, seed }: PermutationTest,
): Generator<number, Information> {
  const { experts } = routed
  const chosen = choicesOf(routed, labels)
  const known = Int32Array.from(chosen.images, n => labels[n]!)
  const own = entropyBits(totals(chosen, experts))
  // Permutations leave p(c) and p(e) as they are: only the joint entropy is to be computed again.
  const marginal = own + entropyBits(countsOf(known, classes))
  const information = (order: Int32Array): number =>
    Math.max(0, marginal - jointEntropy(chosen, order, experts, classes))
  const bits = information(known)
  const permuted = new Float64Array(permutations)
  const shuffled = new Int32Array(known.length)
  for (let i = 0; i < permutations; i++) {
    const order = draws(seed, 'permutation test', i).permutation(known.length)
    for (let n = 0; n < order.length; n++) shuffled[n] = known[order[n]!]!
    permuted[i] = information(shuffled)
    yield i + 1
  }
  permuted.sort()
  // The same sum in another order may differ in its last digits: that is a tie.
  const reached = permuted.filter(value => value >= bits - rounding).length
  return {
    bits,
    share: own > vanishing ? Math.min(1, bits / own) : null,
    chance: permuted.reduce((a, b) => a + b, 0) / permutations,
    chance95: permuted[Math.max(0, Math.ceil(0.95 * permutations) - 1)] ?? 0,
    p: (1 + reached) / (1 + permutations),
    permutations,
  }
}

/** How often labels are permuted (at least once), and by which random numbers. */
export interface PermutationTest {
  readonly permutations: number
  readonly seed: number
}

/** The weights that are not zero: at most K for each image, whatever E is. */
interface Choices {
  /** Images that count. */
  readonly images: Uint32Array
  /** For each choice: the place of its image in `images`, its expert, and the weight. */
  readonly image: Uint32Array
  readonly expert: Uint32Array
  readonly weight: Float64Array
}

function choicesOf({ experts, weights }: Routed, labels: Int32Array): Choices {
  const images = Uint32Array.from(labels.keys()).filter(n => labels[n]! >= 0)
  const image: number[] = []
  const expert: number[] = []
  const weight: number[] = []
  for (const [at, n] of images.entries())
    for (let e = 0; e < experts; e++) {
      const w = weights[n * experts + e]!
      if (w <= 0) continue
      image.push(at)
      expert.push(e)
      weight.push(w)
    }
  return {
    images,
    image: Uint32Array.from(image),
    expert: Uint32Array.from(expert),
    weight: Float64Array.from(weight),
  }
}

/** Σ w of each expert. */
function totals({ expert, weight }: Choices, experts: number): Float64Array {
  const sums = new Float64Array(experts)
  for (let i = 0; i < weight.length; i++) sums[expert[i]!]! += weight[i]!
  return sums
}

function countsOf(labels: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes)
  for (let n = 0; n < labels.length; n++) counts[labels[n]!]! += 1
  return counts
}

/** H(class, expert) in bits. */
function jointEntropy(
  { image, expert, weight }: Choices,
  labels: Int32Array,
  experts: number,
  classes: number,
): number {
  const joint = new Float64Array(classes * experts)
  for (let i = 0; i < weight.length; i++) joint[labels[image[i]!]! * experts + expert[i]!]! += weight[i]!
  return entropyBits(joint)
}

/** Below this an entropy is rounding: one expert has all weight. */
const vanishing = 1e-9

/** Informations that differ by less are the same. */
const rounding = 1e-9

/**
 * How much the routing depends on the image at all: I(image; expert) = H(mean of weights) − mean of H(weights). Balanced
 * experts alone prove nothing: a gate that gives every image the same equal weights is in perfect balance and says
 * nothing about any image.
 */
export function dependenceOf({ experts, weights }: Routed): Dependence {
  const images = weights.length / experts
  let perImage = 0
  for (let n = 0; n < images; n++)
    perImage += entropyBits(weights.subarray(n * experts, (n + 1) * experts)) / images
  const ofMean = entropyBits(meanWeights(weights, experts))
  return { perImage, ofMean, bits: Math.max(0, ofMean - perImage), most: Math.log2(experts) }
}

/** H(p) = −Σ p log2 p, with p made to sum to 1. */
export function entropyBits(p: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < p.length; i++) total += p[i]!
  let bits = 0
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) bits -= (p[i]! / total) * Math.log2(p[i]! / total)
  return bits
}

function meanWeights(weights: ArrayLike<number>, experts: number): Float64Array {
  const mean = new Float64Array(experts)
  for (let at = 0; at < weights.length; at++) mean[at % experts]! += (weights[at]! * experts) / weights.length
  return mean
}
