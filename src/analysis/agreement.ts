import { draws } from '../base/random.ts'
import type { Affinity, LayerFindings } from './findings.ts'
import { bestMatching } from './matching.ts'

/**
 * Whether two runs divide the work alike. Experts have no names, so those of one run are matched to those of the other: two
 * experts are alike when the classes give weight to both (correlation of their columns of mean weights over classes), and
 * the matching is the one with the largest sum. Even unrelated experts match somewhat, since the best of E! matchings
 * is taken: the same with the classes of one run permuted says how much.
 *
 * @param own - mean weight by class of this run's experts, null rows for classes without images
 * @param other - of the other run's, the same classes in the same order
 */
export function agreementOf(
  own: Affinity['weight'],
  other: Affinity['weight'],
  {
    against,
    seed,
    permutations,
  }: { readonly against: string; readonly seed: number; readonly permutations: number },
): LayerFindings['agreement'] {
  const rows = Array.from(own.keys()).filter(c => complete(own[c]) && complete(other[c]))
  const columns = (matrix: Affinity['weight']): number[][] =>
    Array.from({ length: matrix[0]?.length ?? 0 }, (_, e) => rows.map(c => matrix[c]![e] ?? 0))
  const mine = columns(own).map(standardised)
  const theirs = columns(other).map(standardised)
  const matched = matchedExperts(mine, theirs)
  const values = matched.flatMap(({ similarity }) => (similarity === null ? [] : [similarity]))
  const byChance = Array.from({ length: permutations }, (_, i) => {
    const order = draws(seed, 'agreement', i).permutation(rows.length)
    const shuffled = theirs.map(column => column && Array.from(order, at => column[at]!))
    return mean(matchedExperts(mine, shuffled).flatMap(({ similarity }) => similarity ?? []))
  })
    .flatMap(value => value ?? [])
    .sort((a, b) => a - b)
  const found = mean(values)
  // The same sum in another order may differ in its last digits: that is a tie.
  const reached = byChance.filter(value => found !== null && value >= found - 1e-9).length
  return {
    against,
    pairs: matched,
    mean: found,
    chance: mean(byChance),
    chance95: byChance[Math.max(0, Math.ceil(0.95 * byChance.length) - 1)] ?? null,
    p: found === null ? null : (1 + reached) / (1 + byChance.length),
    permutations: byChance.length,
  }
}

function complete(row: readonly (number | null)[] | undefined): boolean {
  return row !== undefined && row.length > 0 && row.every(value => value !== null)
}

/** A column with mean 0 and length 1, so that the correlation of two is their product; undefined where it does not vary. */
type Standardised = readonly number[] | undefined

function standardised(column: readonly number[]): Standardised {
  const average = mean(column) ?? 0
  const centred = column.map(value => value - average)
  const length = Math.sqrt(dot(centred, centred))
  return length < 1e-9 ? undefined : centred.map(value => value / length)
}

function matchedExperts(
  mine: readonly Standardised[],
  theirs: readonly Standardised[],
): { expert: number; other: number; similarity: number | null }[] {
  const similarity = mine.map(a => theirs.map(b => (a === undefined || b === undefined ? null : dot(a, b))))
  return bestMatching(similarity.map(row => row.map(value => value ?? 0))).map(([expert, other]) => ({
    expert,
    other,
    similarity: similarity[expert]![other]!,
  }))
}

function dot(a: readonly number[], b: readonly number[]): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!
  return total
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length
}
