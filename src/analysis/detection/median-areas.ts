import type { TrueObject } from '../../tasks/detection/records.ts'
import { permutationTest, type Tested } from '../permutation-test.ts'
import type { RoutedItems } from '../routed-items.ts'

/**
 * The weighted median: the smallest value with at least half of all weight at or below it. Null where there is no weight.
 *
 * @param weights - none below 0, as many as values
 */
export function weightedMedian(values: readonly number[], weights: readonly number[]): number | null {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total <= 0) return null
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b)
  let below = 0
  for (const at of order) {
    below += weights[at]!
    // Weights such as 0.1 + 0.2 may miss the half by their rounding.
    if (below >= total / 2 - 1e-9 * total) return values[at]!
  }
  return values[order.at(-1)!]!
}

/** The two experts whose median areas lie farthest apart, and the ratio of these with its test. */
export interface MedianRange {
  readonly largest: number
  readonly smallest: number
  readonly tested: Tested
}

/** An expert with less than this share of the objects' weight is not compared: its median rests on next to nothing. */
const active = 0.01

/**
 * Whether experts are given objects of different size: the largest ÷ the smallest of their median areas, by weight. In the
 * test units exchange their weights, and each permutation has its own largest and smallest, so that the choice of the two
 * experts is part of what is tested and needs no correction.
 *
 * @returns a generator that yields how many permutations are done; null for fewer than two active experts
 */
export function* testMedians(
  { experts, items: objects, unit, level, weights }: RoutedItems<Pick<TrueObject, 'area'>>,
  { permutations, seed }: { readonly permutations: number; readonly seed: number },
): Generator<number, MedianRange | null> {
  const order = Array.from(objects.keys()).sort((a, b) => objects[a]!.area - objects[b]!.area || a - b)
  const areas = order.map(at => objects[at]!.area)
  const units = order.map(at => unit[at]!)
  const medians = (own: Int32Array, among: readonly number[]): number[] =>
    among.map(expert => {
      const at = (i: number): number => weights[own[units[i]!]! * experts + expert]!
      let total = 0
      for (let i = 0; i < units.length; i++) total += at(i)
      let below = 0
      for (let i = 0; i < units.length; i++) {
        below += at(i)
        if (below > 0 && below >= total / 2 - 1e-9 * total) return areas[i]!
      }
      return Number.NaN
    })
  const inOrder = Int32Array.from(level.keys())
  const among = Array.from({ length: experts }, (_, expert) => expert).filter(
    expert =>
      units.reduce((sum, own) => sum + weights[own * experts + expert]!, 0) >= active * units.length &&
      units.length > 0,
  )
  if (among.length < 2) return null
  const found = medians(inOrder, among)
  const [tested] = yield* permutationTest(
    { strata: new Int32Array(level.length), permutations, seed },
    own => {
      const known = medians(own, among).filter(area => area > 0)
      return [known.length === 0 ? 1 : Math.max(...known) / Math.min(...known)]
    },
  )
  return {
    largest: among[found.indexOf(Math.max(...found))]!,
    smallest: among[found.indexOf(Math.min(...found))]!,
    tested: tested!,
  }
}
