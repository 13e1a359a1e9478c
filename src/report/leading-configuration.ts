import type { ComparedRun, Group } from '../analysis/comparison.ts'
import { significanceLevel } from '../base/exact-tests.ts'
import { createPairedTest } from '../metrics/paired-permutation-test.ts'

/** The configuration with the highest mean score, and whether that is beyond chance. */
export interface Leading {
  readonly first: Group
  /** The group that comes closest by the test; undefined where there is no other. */
  readonly second: Group | undefined
  /** Over seeds, corrected for the choice among the groups; 1 where no seed is common, or there is no other. */
  readonly p: number
  /** Seeds that the two have in common. */
  readonly pairs: number
  readonly isBeyondChance: boolean
}

/**
 * Holds the group with the highest mean score against each other one, seed by seed, by the exact sign-flip test; the
 * largest p counts, times the number of others (Bonferroni, as in `leadOf`). What differs between trainings is their
 * randomness, so seeds are what is tested over, not images.
 *
 * @returns undefined without groups
 */
export function leadingConfiguration(groups: readonly Group[]): Leading | undefined {
  const scored = groups.flatMap(group => (group.score === null ? [] : [{ group, mean: group.score.mean }]))
  const [first, ...others] = scored.sort((a, b) => b.mean - a.mean).map(({ group }) => group)
  if (first === undefined) return undefined
  const test = createPairedTest()
  const own = meansBySeed(first.runs)
  const rivals = others.map(second => {
    const theirs = meansBySeed(second.runs)
    const pairs = [...own].flatMap(([seed, mean]): [number, number][] => {
      const other = theirs.get(seed)
      return other === undefined ? [] : [[mean, other]]
    })
    // The seeds that they share may tell the other way than all of theirs.
    const found = pairs.length === 0 ? undefined : test(pairs)
    const p = found === undefined || found.difference <= 0 ? 1 : found.p
    return { second, pairs: pairs.length, p: Math.min(1, p * others.length) }
  })
  if (rivals.length === 0) return { first, second: undefined, p: 1, pairs: 0, isBeyondChance: false }
  const closest = rivals.reduce((worst, one) => (one.p > worst.p ? one : worst))
  return { first, ...closest, isBeyondChance: closest.p <= significanceLevel }
}

function meansBySeed(runs: readonly ComparedRun[]): Map<number, number> {
  const values = new Map<number, number[]>()
  for (const { seed, score } of runs)
    if (score !== null) values.set(seed, [...(values.get(seed) ?? []), score])
  return new Map(
    Array.from(values, ([seed, own]) => [seed, own.reduce((a, b) => a + b, 0) / own.length] as const),
  )
}
