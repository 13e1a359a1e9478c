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
  { permutations, seed }: { readonly permutations: number; readonly seed: number },
): Information {
  const { experts } = routed
  const counted = Uint32Array.from(labels.keys()).filter(n => labels[n]! >= 0)
  const known = Int32Array.from(counted, n => labels[n]!)
  const weights = Float64Array.from({ length: counted.length * experts }, (_, at) => {
    const n = Math.floor(at / experts)
    return routed.weights[counted[n]! * experts + (at % experts)]!
  })
  const bits = mutualInformation(weights, experts, known, classes)
  const permuted = new Float64Array(permutations)
  const shuffled = new Int32Array(known.length)
  for (let i = 0; i < permutations; i++) {
    const order = draws(seed, 'permutation test', i).permutation(known.length)
    for (const [n, from] of order.entries()) shuffled[n] = known[from]!
    permuted[i] = mutualInformation(weights, experts, shuffled, classes)
  }
  permuted.sort()
  const reached = permuted.filter(value => value >= bits).length
  const entropy = entropyBits(meanWeights(weights, experts))
  return {
    bits,
    share: entropy > vanishing ? Math.min(1, bits / entropy) : null,
    chance: permutations === 0 ? 0 : permuted.reduce((a, b) => a + b, 0) / permutations,
    chance95: permuted[Math.max(0, Math.ceil(0.95 * permutations) - 1)] ?? 0,
    p: (1 + reached) / (1 + permutations),
    permutations,
  }
}

/** Below this an entropy is rounding: one expert has all weight. */
const vanishing = 1e-9

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

/** Σ p(c, e) log2 (p(c, e) / p(c) p(e)). */
function mutualInformation(
  weights: Float64Array,
  experts: number,
  labels: Int32Array,
  classes: number,
): number {
  const joint = new Float64Array(classes * experts)
  for (let n = 0; n < labels.length; n++)
    for (let e = 0; e < experts; e++) joint[labels[n]! * experts + e]! += weights[n * experts + e]!
  const byClass = new Float64Array(classes)
  const byExpert = new Float64Array(experts)
  let total = 0
  for (const [at, value] of joint.entries()) {
    byClass[Math.floor(at / experts)]! += value
    byExpert[at % experts]! += value
    total += value
  }
  let bits = 0
  for (const [at, value] of joint.entries())
    if (value > 0)
      bits +=
        (value / total) *
        Math.log2((value * total) / (byClass[Math.floor(at / experts)]! * byExpert[at % experts]!))
  return Math.max(0, bits)
}
