import {
  add,
  and,
  asFloat,
  equal,
  gatherLastAxis,
  less,
  lessOrEqual,
  mul,
  not,
  reshape,
  stopGradient,
  sum,
  type Tensor,
} from '../graph/index.ts'

/**
 * How many images have their class first, and among the first five. Classes come in the order of their logits, equal ones
 * in the order of their numbers, as a sorted list would have them. A logit that is NaN stands before every other, and an
 * image whose own is NaN is never right.
 *
 * @param logits - float32 [N, classes]
 * @param labels - int64 [N], numbers of classes
 * @returns the names `correct1` and `correct5` with float32 scalars
 */
export function correctCounts(logits: Tensor, labels: Tensor): [string, Tensor][] {
  const scores = stopGradient(logits)
  const own = reshape(labels, [labels.shape[0]!, 1])
  const ownScore = gatherLastAxis(scores, own)
  const classes = Number(logits.shape[1])
  const numbers = logits.graph.constant(
    'int64',
    [1, classes],
    Array.from({ length: classes }, (_, i) => i),
  )
  const higher = asFloat(not(lessOrEqual(scores, ownScore)))
  const equalBefore = mul(asFloat(equal(scores, ownScore)), asFloat(less(numbers, own)))
  const before = sum(add(higher, equalBefore), [1])
  const isNumber = reshape(equal(ownScore, ownScore), [labels.shape[0]!])
  const among = (places: number): Tensor => sum(asFloat(and(isNumber, less(before, places))))
  return [
    ['correct1', among(1)],
    ['correct5', among(5)],
  ]
}
