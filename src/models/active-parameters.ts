import { sizeOf } from '../base/tensor.ts'
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
  for (const { name, shape } of declarations.learned()) {
    // A gate that several heads share sits above them, so its experts may be further below.
    const layer = stats
      .filter(stat => name.startsWith(stat.name) && isOfExpert.test(name.slice(stat.name.length)))
      .toSorted((a, b) => b.name.length - a.name.length)[0]
    total += sizeOf(shape) * (layer === undefined ? 1 : layer.k / layer.experts)
  }
  return Math.round(total)
}

/** What an expert's tensor has behind the name of its layer, which is empty for one at the root. */
const isOfExpert = /^\.?(.+\.)?experts\.\d+\./
