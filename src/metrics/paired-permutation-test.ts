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
/** Of signs that are kept for the next test, 32 in a word. */
const mostKept = 4_000_000

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
export type Test = (pairs: readonly (readonly [number, number])[]) => PairedTest

/** The {@link Test} for one after the other: signs that were drawn are kept for the next that has as many pairs. */
export function createPairedTest(): Test {
  const signsFor = createSigns()
  return pairs => {
    const differences = pairs.map(([first, second]) => first - second)
    const count = differences.length
    const sum = differences.reduce((total, difference) => total + difference, 0)
    // Sums of the same numbers in another order differ in their last bits.
    const seen = Math.abs(sum) - 1e-12 * differences.reduce((total, d) => total + Math.abs(d), 0)
    return {
      difference: sum / count,
      pairs: count,
      p: count <= mostExact ? exact(differences, seen) : drawn(differences, seen, signsFor(count)),
      smallest: 2 / 2 ** count,
    }
  }
}

/** One {@link Test}. */
export const pairedTest: Test = pairs => createPairedTest()(pairs)

/** The sums of all combinations of signs: [2ⁿ], bit i of the index telling that term i is subtracted. */
function signedSums(terms: readonly number[]): Float64Array {
  const sums = new Float64Array(2 ** terms.length)
  for (const [i, term] of terms.entries()) {
    const half = 2 ** i
    for (let at = 0; at < half; at++) {
      const sum = sums[at]!
      sums[at + half] = sum - term
      sums[at] = sum + term
    }
  }
  return sums
}

/** A combination and its opposite are equally far from zero, so the first sign stays. */
function exact([first = 0, ...others]: readonly number[], seen: number): number {
  const sums = signedSums(others)
  let reached = 0
  for (const sum of sums) if (Math.abs(first + sum) >= seen) reached++
  return reached / sums.length
}

/** The combination that was seen counts as drawn once, so that p is never 0. */
function drawn(differences: readonly number[], seen: number, nextSigns: () => number): number {
  // Eight signs are one look into a table instead of eight additions.
  const tables = Array.from({ length: Math.ceil(differences.length / 8) }, (_, i) =>
    signedSums(differences.slice(8 * i, 8 * i + 8)),
  )
  let reached = 1
  for (let sample = 0; sample < samples; sample++) {
    let sum = 0
    let bits = 0
    for (let i = 0; i < tables.length; i++) {
      const table = tables[i]!
      if (i % 4 === 0) bits = nextSigns()
      sum += table[(bits >>> (8 * (i % 4))) & (table.length - 1)]!
    }
    if (Math.abs(sum) >= seen) reached++
  }
  return reached / (samples + 1)
}

/** The words of signs, 32 in each, for tests of so many pairs, from the first on; kept where they are few enough. */
function createSigns(): (count: number) => () => number {
  const kept = new Map<number, Uint32Array>()
  return count => {
    const words = Math.ceil(count / 32)
    const source = draws(0, 'sign-flips')
    if (words * samples > mostKept) return () => source.uint32()
    const signs = kept.get(words) ?? Uint32Array.from({ length: words * samples }, () => source.uint32())
    kept.set(words, signs)
    let at = 0
    return () => signs[at++]!
  }
}
