import { and, equal, max, neg, not, type Tensor } from '../../graph/index.ts'

/**
 * The mask `over` without the experts whose counter is smallest, so that it never holds all of them. In exact
 * arithmetic this changes nothing where the counters average to at most the threshold; rounding can push all of them
 * over a threshold of 0, and a negative one always does.
 *
 * @param over - bool [E]
 * @param counter - float32 [E]
 */
export function keepLeastUsed(over: Tensor, counter: Tensor): Tensor {
  const least = neg(max(neg(counter)))
  return and(over, not(equal(counter, least)))
}
