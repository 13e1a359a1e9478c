import { normalTail } from '../../base/exact-tests.ts'
import { fewestImages } from '../../metrics/above-mean.ts'

/** The attribute by which experts are predicted best, compared with its closest rival. */
export interface AttributeLead {
  /** Number of the attribute. */
  readonly first: number
  /** Null where there is no other. */
  readonly second: number | null
  /** Bits an image by which it predicts better than the mean weights do. */
  readonly gain: number
  /** Bits by which it predicts better than the rival; null without one. */
  readonly difference: number | null
  /** Two-sided, corrected for the rivals; 0 without one, 1 where nothing is gained. */
  readonly p: number
}

/**
 * Which of some attributes predicts best who computes an image. The predictive log likelihood of an image is
 * Σ_y w_y log₂ q_y, with q_y = (Σ w_y + ½) ÷ (n + ½ · outcomes) over the n other images of its group: since the image itself is left
 * out, more groups are no advantage (½ is Krichevsky's and Trofimov's). The difference of two attributes is tested as Vuong (1989)
 * does, by the normal distribution of its mean over images; the p of the closest rival is multiplied by the number of rivals
 * (`leadOf`).
 *
 * @param weights - [images, outcomes]; rows sum to 1
 * @param candidates - attributes that may be first: those that explain something beyond chance
 * @param groups - of each attribute the group of each image, −1 where it is not known
 * @returns null without candidates
 */
export function bestAttribute(
  weights: ArrayLike<number>,
  outcomes: number,
  candidates: readonly number[],
  groups: readonly Int32Array[],
): AttributeLead | null {
  const gainOf = (attribute: number): number => {
    const of = groups[attribute]!
    return difference(weights, outcomes, of, new Int32Array(of.length)).mean
  }
  const gains = candidates.map(gainOf)
  const [most] = Array.from(gains.keys()).sort((a, b) => gains[b]! - gains[a]!)
  if (most === undefined) return null
  const first = candidates[most]!
  const gain = gains[most]!
  const rivals = Array.from(groups.keys())
    .filter(second => second !== first)
    .map(second => ({ second, ...difference(weights, outcomes, groups[first]!, groups[second]!) }))
  const closest = rivals.reduce<(typeof rivals)[number] | undefined>(
    (worst, one) => (worst === undefined || one.p > worst.p ? one : worst),
    undefined,
  )
  if (closest === undefined) return { first, second: null, gain, difference: null, p: gain > 0 ? 0 : 1 }
  return {
    ...{ first, second: closest.second, gain, difference: closest.mean },
    p: gain > 0 ? Math.min(1, rivals.length * closest.p) : 1,
  }
}

/** Mean difference of the log likelihoods of images that have both attributes, and whether the first is better. */
function difference(
  weights: ArrayLike<number>,
  outcomes: number,
  one: Int32Array,
  other: Int32Array,
): { readonly mean: number; readonly p: number } {
  const images = Array.from(one.keys()).filter(image => one[image]! >= 0 && other[image]! >= 0)
  const [first, second] = [one, other].map(groups => likelihoods(weights, outcomes, groups, images))
  const differences = images.map((_, at) => first![at]! - second![at]!)
  const count = Math.max(1, images.length)
  const mean = differences.reduce((sum, value) => sum + value, 0) / count
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count
  if (images.length < fewestImages || mean <= 0 || variance === 0) return { mean, p: 1 }
  return { mean, p: 2 * normalTail(mean / Math.sqrt(variance / count)) }
}

/** Log likelihood in bits of each image, predicted from the others of its group. */
function likelihoods(
  weights: ArrayLike<number>,
  outcomes: number,
  groups: Int32Array,
  images: readonly number[],
): Float64Array {
  const count = groups.reduce((most, group) => Math.max(most, group + 1), 0)
  const sums = new Float64Array(count * outcomes)
  const sizes = new Float64Array(count)
  for (const image of images) {
    sizes[groups[image]!]! += 1
    for (let y = 0; y < outcomes; y++) sums[groups[image]! * outcomes + y]! += weights[image * outcomes + y]!
  }
  return Float64Array.from(images, image => {
    const group = groups[image]!
    let bits = 0
    for (let y = 0; y < outcomes; y++) {
      const own = weights[image * outcomes + y]!
      // What rounding leaves of a sum may be below 0.
      const others = Math.max(0, sums[group * outcomes + y]! - own)
      if (own > 0) bits += own * Math.log2((others + 0.5) / (sizes[group]! - 1 + outcomes / 2))
    }
    return bits
  })
}
