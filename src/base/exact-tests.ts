/**
 * Tests behind statements in reports. Two results on the same images are compared by the images on which they differ
 * (McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
 * 12), with the exact binomial distribution instead of χ² (Agresti 2013, "Categorical Data Analysis", §11.1).
 */

/** Significance level of statements. */
export const significanceLevel = 0.05

/** P(Z ≥ z) of a standard normal Z. */
export function normalTail(z: number): number {
  if (Number.isNaN(z)) return Number.NaN
  if (z < 0) return 1 - normalTail(-z)
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
  if (z < 3) {
    // Φ(z) − ½ = φ(z) · (z + z³/3 + z⁵/3·5 + …), Abramowitz and Stegun 26.2.11.
    let term = z
    let sum = z
    for (let odd = 3; term > 1e-17 * sum; odd += 2) {
      term *= (z * z) / odd
      sum += term
    }
    return 0.5 - density * sum
  }
  // φ(z) / (z + 1/(z + 2/(z + 3/(z + …)))), Abramowitz and Stegun 26.2.14.
  let fraction = z
  for (let i = 80; i >= 1; i--) fraction = z + i / fraction
  return density / fraction
}

/** The z with P(Z ≥ z) = `tail`, for a tail from 0 to ½; infinite for 0. */
export function normalQuantile(tail: number): number {
  if (tail <= 0) return Number.POSITIVE_INFINITY
  let [low, high] = [0, 40]
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2
    if (normalTail(middle) > tail) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** P(X ≥ k) of a binomial X of n trials with probability p, by its sum. */
export function binomialTail(k: number, n: number, p: number): number {
  if (k <= 0) return 1
  if (k > n || p <= 0) return 0
  if (p >= 1) return 1
  // Sum from the mode towards the shorter side, to avoid cancellation where the tail is small.
  if (k <= n * p) return Math.max(0, 1 - binomialTail(n - k + 1, n, 1 - p))
  let term = Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p))
  let sum = term
  for (let i = k; i < n && term > 1e-17 * sum; i++) {
    term *= ((n - i) / (i + 1)) * (p / (1 - p))
    sum += term
  }
  return Math.min(1, sum)
}

/** ln of n over k. */
function logChoose(n: number, k: number): number {
  let sum = 0
  for (let i = 1; i <= Math.min(k, n - k); i++) sum += Math.log((n - i + 1) / i)
  return sum
}

/** Images on which two results differ: right in the first alone, and right in the second alone. */
export interface Discordant {
  readonly first: number
  readonly second: number
}

/**
 * McNemar's test, exact and two-sided: if both results were equally good, each image on which they differ would be as
 * likely to favour the one as the other, so p = 2 · P(X ≥ max(b, c)), X binomial of b + c trials with ½; at most 1.
 */
export function mcnemar({ first, second }: Discordant): number {
  return Math.min(1, 2 * binomialTail(Math.max(first, second), first + second, 0.5))
}

/** A difference of two fractions of the same images, with an interval. */
export interface PairedDifference {
  readonly difference: number
  readonly low: number
  readonly high: number
}

/**
 * First − second with its interval, by Wald's formula after adding ½ to each of the four cells (Agresti and Min 2005, "Simple
 * improved confidence intervals for comparing matched proportions", Statistics in Medicine 24), which keeps its coverage
 * where few images differ.
 *
 * @param count - images altogether, at least 1
 * @param level - one minus the coverage
 */
export function pairedDifference(
  { first, second }: Discordant,
  count: number,
  level = significanceLevel,
): PairedDifference {
  const n = count + 2
  const middle = (first - second) / n
  const error = Math.sqrt(Math.max(0, first + second + 1 - n * middle * middle)) / n
  const reach = normalQuantile(level / 2) * error
  return {
    difference: (first - second) / count,
    low: Math.max(-1, middle - reach),
    high: Math.min(1, middle + reach),
  }
}

/** The largest of several fractions of the same images, compared with its closest rival. */
export interface Lead extends PairedDifference {
  /** Numbers of the candidates; the difference is first − second. */
  readonly first: number
  readonly second: number
  /** Corrected for the choice among the candidates. */
  readonly p: number
}

/**
 * Whether the candidate with the largest fraction is significantly the largest.
 *
 * It is compared with each of the other m by McNemar's test; the result is the largest of these p values, times m. So a false statement has
 * at most the probability of the level: let t be truly largest, or tied for it. The statement can only be false if
 * some other candidate beats t or t beats one that is its equal, which is one of m two-sided tests, each made at level ÷ m
 * (Bonferroni). The interval is of the first and the rival with that p, of coverage 1 − 0.05 ÷ m.
 *
 * @param rights - images that each candidate has right
 * @param both - images that two candidates have right
 * @param count - images altogether
 * @returns null for fewer than two candidates, and without images
 */
export function leadOf(
  rights: readonly number[],
  both: (a: number, b: number) => number,
  count: number,
): Lead | null {
  const others = rights.length - 1
  if (others < 1 || count === 0) return null
  const most = rights.reduce((best, right, i) => (right > rights[best]! ? i : best), 0)
  const rivals = Array.from(rights.keys())
    .filter(i => i !== most)
    .map(second => {
      const shared = both(most, second)
      const discordant = { first: rights[most]! - shared, second: rights[second]! - shared }
      return { second, discordant, p: mcnemar(discordant) }
    })
  const closest = rivals.reduce((worst, one) => (one.p > worst.p ? one : worst))
  return {
    first: most,
    second: closest.second,
    ...pairedDifference(closest.discordant, count, significanceLevel / others),
    p: Math.min(1, others * closest.p),
  }
}
