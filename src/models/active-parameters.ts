import { sizeOf } from '../base/tensor.ts'
import type { MoeStatistics } from '../moe/index.ts'
import type { Declarations } from '../nn/index.ts'

/**
 * Parameters that one image passes through: all of them, but of a mixture's experts, which are alike, only the share that
 * computes an image, K / E.
 *
 * @param declarations - of the model
 * @param stats - of its mixtures of experts
 */
export function activeParameterCount(
  { parameters }: Declarations,
  stats: readonly Pick<MoeStatistics, 'name' | 'k' | 'experts'>[],
): number {
  let total = 0
  for (const { name, shape } of parameters.values()) {
    const layer = stats.find(stat => name.startsWith(`${stat.name}.experts.`))
    total += sizeOf(shape) * (layer === undefined ? 1 : layer.k / layer.experts)
  }
  return Math.round(total)
}
