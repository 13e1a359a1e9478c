import { entropyBits } from '../information.ts'

/**
 * I(row; column) in bits of a table of weights, which need not sum to 1: H(row) + H(column) − H(row, column). 0 for a table of
 * nothing.
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
