import { draws } from '../base/random.ts'

/** A statistic with its values by chance. */
export interface Tested {
  readonly value: number
  /** Mean over permutations. */
  readonly chance: number
  /** Their 95th percentile. */
  readonly chance95: number
  /** (1 + permutations that reach the value) ÷ (1 + permutations). */
  readonly p: number
  readonly permutations: number
}

export interface StratifiedTest {
  /** Units are exchanged only with units of the same stratum; [units], from 0. */
  readonly strata: Int32Array
  /** At least once. */
  readonly permutations: number
  readonly seed: number
}

/** Statistics that differ by less, relative to their size, are the same sum in another order. */
const rounding = 1e-9

/**
 * A permutation test of several statistics at once: how often do they reach their values when the units of a stratum
 * exchange their weights? The hypothesis that is tested is that within a stratum it does not matter which unit has which
 * weights. p = (1 + b) / (1 + n) is never 0 and, for exchangeable units, exact (Phipson and Smyth 2010).
 *
 * @param statistics - given for each unit the unit whose weights it has now, the statistics, always as many
 * @returns a generator that yields after each permutation how many are done
 */
export function* permutationTest(
  { strata, permutations, seed }: StratifiedTest,
  statistics: (order: Int32Array) => readonly number[],
): Generator<number, Tested[]> {
  const members = membersOf(strata)
  const order = Int32Array.from(strata.keys())
  const values = statistics(order)
  const permuted = values.map(() => new Float64Array(permutations))
  for (let i = 0; i < permutations; i++) {
    const source = draws(seed, 'stratified permutation test', i)
    for (const own of members) {
      const drawn = source.permutation(own.length)
      for (let j = 0; j < own.length; j++) order[own[j]!] = own[drawn[j]!]!
    }
    for (const [s, value] of statistics(order).entries()) permuted[s]![i] = value
    yield i + 1
  }
  return values.map((value, s) => {
    const own = permuted[s]!.sort()
    const reached = own.filter(other => other >= value - rounding * Math.max(1, Math.abs(value))).length
    return {
      value,
      chance: own.reduce((a, b) => a + b, 0) / permutations,
      chance95: own[Math.max(0, Math.ceil(0.95 * permutations) - 1)] ?? 0,
      p: (1 + reached) / (1 + permutations),
      permutations,
    }
  })
}

/** The p of the tests of all cells of a table, row by row of so many columns. */
export function rowsOf(cells: readonly Tested[], columns: number): number[][] {
  return Array.from({ length: cells.length / columns }, (_, row) =>
    cells.slice(row * columns, (row + 1) * columns).map(({ p }) => p),
  )
}

/** The units of each stratum that has more than one. */
function membersOf(strata: Int32Array): readonly Int32Array[] {
  const members = new Map<number, number[]>()
  for (const [unit, stratum] of strata.entries()) {
    const own = members.get(stratum)
    if (own === undefined) members.set(stratum, [unit])
    else own.push(unit)
  }
  return [...members.values()].filter(own => own.length > 1).map(own => Int32Array.from(own))
}
