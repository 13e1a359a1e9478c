import type { Draws } from '../base/random.ts'

/**
 * A number of Beta(alpha, alpha), as X / (X + Y) of two of Gamma(alpha). In logarithms, because for a small alpha both may be
 * smaller than any number but 0.
 */
export function betaOf(alpha: number, source: Draws): number {
  const [x, y] = [logGammaOf(alpha, source), logGammaOf(alpha, source)]
  return 1 / (1 + Math.exp(y - x))
}

/**
 * The logarithm of a number of Gamma(alpha): Marsaglia and Tsang, "A simple method for generating gamma variables", 2000. Below 1,
 * Gamma(alpha) = Gamma(alpha + 1) · U^(1/alpha).
 */
function logGammaOf(alpha: number, source: Draws): number {
  if (alpha < 1) return logGammaOf(alpha + 1, source) + Math.log(1 - source.uniform()) / alpha
  const d = alpha - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = source.normal()
    const v = (1 + c * x) ** 3
    if (v <= 0) continue
    if (Math.log(1 - source.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v)
  }
}
