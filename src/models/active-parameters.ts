import { sizeOf } from '../base/tensor.ts'
import { multiplyAddsOf, type Tensor } from '../graph/index.ts'
import type { MoeStatistics } from '../moe/index.ts'
import type { Declarations } from '../nn/index.ts'

/**
 * Parameters that one image, or one level of it, passes through: all of them, but only the fraction K / E of a mixture's equal experts
 * that computes an image.
 *
 * @param declarations - of the model
 * @param stats - of its mixtures of experts
 */
export function activeParameterCount(
  declarations: Declarations,
  stats: readonly Pick<MoeStatistics, 'name' | 'k' | 'experts'>[],
): number {
  let total = 0
  for (const { name, shape } of declarations.learned()) total += sizeOf(shape) * activePart(name, stats)
  return Math.round(total)
}

/**
 * Multiply–adds of one image, with the K of E experts that compute it (`multiplyAddsOf`).
 *
 * @param outputs - of the network, whose batch is one image or of any number
 * @param stats - of its mixtures of experts
 */
export function activeMultiplyAdds(
  outputs: readonly Tensor[],
  stats: readonly Pick<MoeStatistics, 'name' | 'k' | 'experts'>[],
): number {
  return Math.round(multiplyAddsOf(outputs, ({ label }) => activePart(label, stats)))
}

/** K / E for what belongs to an expert by its name, otherwise 1. */
function activePart(name: string, stats: readonly Pick<MoeStatistics, 'name' | 'k' | 'experts'>[]): number {
  // A gate that several heads share sits above them, so its experts may be further below.
  const [layer] = stats
    .filter(stat => name.startsWith(stat.name) && isOfExpert.test(name.slice(stat.name.length)))
    .toSorted((a, b) => b.name.length - a.name.length)
  return layer === undefined ? 1 : layer.k / layer.experts
}

/** What an expert's tensor has behind the name of its layer, which is empty for one at the root. */
const isOfExpert = /^\.?(.+\.)?experts\.\d+[./]/
