import type { RoutedLayer } from '../tasks/routing.ts'
import type { Dependence } from './findings.ts'

/**
 * I(row; column) in bits of a table of weights, which need not sum to 1: H(row) + H(column) − H(row, column). 0 for a table of
 * nothing.
 *
 * With groups as rows and experts as columns, each cell the summed weights of the group's items, it says how much the group of
 * an item tells about its expert: an item that is half one expert's and half another's counts half for each. A finite number of
 * items always shows some information, even where routing ignores the group (Miller 1955 has the bias, (C−1)(E−1) / 2N nats);
 * permutations say how much.
 *
 * @param table - row-major, [rows · columns], none below 0
 */
export function tableInformation(table: Float64Array, columns: number): number {
  const ofRow = new Float64Array(table.length / columns)
  const ofColumn = new Float64Array(columns)
  for (let at = 0; at < table.length; at++) {
    ofRow[Math.floor(at / columns)]! += table[at]!
    ofColumn[at % columns]! += table[at]!
  }
  return Math.max(0, entropyBits(ofRow) + entropyBits(ofColumn) - entropyBits(table))
}

/** Each cell of a table ÷ the sum of its column; 0 in a column of nothing. */
export function partsOfColumns(table: Float64Array, columns: number): number[] {
  const sums = new Float64Array(columns)
  for (const [at, value] of table.entries()) sums[at % columns]! += value
  return Array.from(table, (value, at) => (sums[at % columns]! > 0 ? value / sums[at % columns]! : 0))
}

/**
 * I(row; column | stratum) in bits: the mean of each stratum's information, weighed by how much is in it.
 *
 * @param tables - one for each stratum, as of {@link tableInformation}
 */
export function conditionalInformation(tables: readonly Float64Array[], columns: number): number {
  const amounts = tables.map(table => table.reduce((sum, value) => sum + value, 0))
  const total = amounts.reduce((sum, amount) => sum + amount, 0)
  return tables.reduce(
    (bits, table, s) =>
      amounts[s] === 0 ? bits : bits + (amounts[s]! / total) * tableInformation(table, columns),
    0,
  )
}

/** Information ÷ H(expert), of rows of weights. Null where one expert has all of it. */
export function shareOfExperts(bits: number, weights: Float32Array, experts: number): number | null {
  const own = entropyBits(meanWeights(weights, experts))
  // Below this an entropy is rounding.
  return own > 1e-9 ? Math.min(1, bits / own) : null
}

/**
 * How much the routing depends on what is routed at all: I(input; expert) = H(mean of weights) − mean of H(weights). Balanced
 * experts alone prove nothing: a gate that gives every image the same equal weights is in perfect balance and says
 * nothing about any image. I(group; expert) is at most this, where the group is a function of the input.
 */
export function dependenceOf({ experts, weights }: Pick<RoutedLayer, 'experts' | 'weights'>): Dependence {
  const inputs = weights.length / experts
  let perInput = 0
  for (let n = 0; n < inputs; n++)
    perInput += entropyBits(weights.subarray(n * experts, (n + 1) * experts)) / inputs
  const ofMean = entropyBits(meanWeights(weights, experts))
  return { perInput, ofMean, bits: Math.max(0, ofMean - perInput), most: Math.log2(experts) }
}

/** H(p) = −Σ p log2 p, with p made to sum to 1. */
export function entropyBits(p: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < p.length; i++) total += p[i]!
  let bits = 0
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) bits -= (p[i]! / total) * Math.log2(p[i]! / total)
  return bits
}

function meanWeights(weights: ArrayLike<number>, experts: number): Float64Array {
  const mean = new Float64Array(experts)
  for (let at = 0; at < weights.length; at++) mean[at % experts]! += (weights[at]! * experts) / weights.length
  return mean
}
