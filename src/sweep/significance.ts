import { draws } from '../base/random.ts'

/** What two rows of measurements that are paired, seed by seed, say about their difference. */
export interface PairedTest {
  /** Mean of first − second over the pairs. */
  readonly difference: number
  readonly pairs: number
  /** Two-sided; of chance alone reaching as much. */
  readonly p: number
  /** The smallest p that so many pairs can give: 2 / 2ⁿ. */
  readonly smallest: number
}

const mostExact = 16
const samples = 100_000

/**
 * The paired sign-flip permutation test. If nothing but chance tells first from second, each pair could as well be the other
 * way round, so the mean difference could have any of the 2ⁿ combinations of signs, all alike: p is the share of them whose
 * mean is at least as far from zero as the one that was seen. It is exact for any distribution, where the paired t-test
 * would trust in normal differences that a few seeds cannot show; the price is honesty about few seeds, of which n give no p
 * below 2 / 2ⁿ: three seeds never show anything at 0.05, six can.
 *
 * Beyond 16 pairs, 100 000 combinations are drawn, always the same ones.
 *
 * @param pairs - [first, second] each, at least one
 */
export function pairedTest(pairs: readonly (readonly [number, number])[]): PairedTest {
  const differences = pairs.map(([first, second]) => first - second)
  const count = differences.length
  const sum = differences.reduce((total, difference) => total + difference, 0)
  // Sums of the same numbers in another order differ in their last bits.
  const seen = Math.abs(sum) - 1e-12 * differences.reduce((total, d) => total + Math.abs(d), 0)
  return {
    difference: sum / count,
    pairs: count,
    p: count <= mostExact ? exact(differences, seen) : drawn(differences, seen),
    smallest: 2 / 2 ** count,
  }
}

/** A combination and its opposite are equally far from zero, so the first sign stays. */
function exact(differences: readonly number[], seen: number): number {
  const [first = 0, ...others] = differences
  const reached = (at: number, sum: number): number => {
    const next = others[at]
    if (next === undefined) return Math.abs(sum) >= seen ? 1 : 0
    return reached(at + 1, sum + next) + reached(at + 1, sum - next)
  }
  return reached(0, first) / 2 ** others.length
}

/** The combination that was seen counts as drawn once, so that p is never 0. */
function drawn(differences: readonly number[], seen: number): number {
  const source = draws(0, 'sign-flips')
  let reached = 1
  for (let sample = 0; sample < samples; sample++) {
    let sum = 0
    let bits = 0
    for (const [i, difference] of differences.entries()) {
      if (i % 32 === 0) bits = source.uint32()
      sum += (bits >>> (i % 32)) & 1 ? -difference : difference
    }
    if (Math.abs(sum) >= seen) reached++
  }
  return reached / (samples + 1)
}
