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
  const mine = columns(own)
  const theirs = columns(other)
  const matched = matchedExperts(mine, theirs)
  const values = matched.flatMap(({ similarity }) => (similarity === null ? [] : [similarity]))
  const byChance = Array.from({ length: permutations }, (_, i) => {
    const order = draws(seed, 'agreement', i).permutation(rows.length)
    const shuffled = theirs.map(column => Array.from(order, at => column[at]!))
    return mean(matchedExperts(mine, shuffled).flatMap(({ similarity }) => similarity ?? [])) ?? 0
  }).sort((a, b) => a - b)
  return {
    against,
    pairs: matched,
    mean: mean(values),
    chance: mean(byChance),
    chance95: byChance[Math.max(0, Math.ceil(0.95 * permutations) - 1)] ?? null,
  }
}

function complete(row: readonly (number | null)[] | undefined): boolean {
  return row !== undefined && row.length > 0 && row.every(value => value !== null)
}

function matchedExperts(
  mine: readonly number[][],
  theirs: readonly number[][],
): { expert: number; other: number; similarity: number | null }[] {
  const similarity = mine.map(a => theirs.map(b => correlation(a, b)))
  return bestMatching(similarity.map(row => row.map(value => value ?? 0))).map(([expert, other]) => ({
    expert,
    other,
    similarity: similarity[expert]![other]!,
  }))
}

/** Pearson's; null where one of the two does not vary. */
function correlation(a: readonly number[], b: readonly number[]): number | null {
  const centred = (values: readonly number[]): number[] => {
    const average = mean(values) ?? 0
    return values.map(value => value - average)
  }
  const [x, y] = [centred(a), centred(b)]
  const dot = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((total, value, i) => total + value * q[i]!, 0)
  const scale = Math.sqrt(dot(x, x) * dot(y, y))
  return scale < 1e-12 ? null : dot(x, y) / scale
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length
}
