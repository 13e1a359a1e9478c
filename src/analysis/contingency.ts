/** How strongly the rows and the columns of a table of counts go together. */
export interface Association {
  /** Pearson's χ² = Σ (observed − expected)² / expected. */
  readonly chiSquared: number
  /** Cramér's V = √(χ² / n(m − 1)), m the smaller number of rows and columns that hold anything: 0 to 1. */
  readonly v: number
  /** V without its bias, which is above 0 even for independent rows and columns (Bergsma 2013). */
  readonly corrected: number
}

/**
 * Association of a contingency table of counts; rows and columns of nothing are left out. Null where fewer than two rows or
 * columns are left, for which no association can be measured.
 *
 * With φ² = χ²/n and a table of r × c, Bergsma's V is √(max(0, φ² − (r−1)(c−1)/(n−1)) / min(r̃−1, c̃−1)), where
 * r̃ = r − (r−1)²/(n−1), and c̃ likewise.
 *
 * @param counts - row-major, [rows · columns]
 */
export function associationOf(counts: ArrayLike<number>, columns: number): Association | null {
  const { n, ofRow, ofColumn } = margins(counts, columns)
  const [r, c] = [filled(ofRow), filled(ofColumn)]
  if (r < 2 || c < 2) return null
  const squared = chiSquaredOf(counts, columns)
  const phi = squared / n
  const less = (count: number): number => count - (count - 1) ** 2 / (n - 1)
  const unbiased = Math.max(0, phi - ((r - 1) * (c - 1)) / (n - 1))
  const most = Math.min(less(r), less(c)) - 1
  return {
    chiSquared: squared,
    v: Math.min(1, Math.sqrt(phi / (Math.min(r, c) - 1))),
    corrected: most > 0 ? Math.min(1, Math.sqrt(unbiased / most)) : 0,
  }
}

/** Pearson's χ² of a table of counts; 0 for one of nothing. */
export function chiSquaredOf(counts: ArrayLike<number>, columns: number): number {
  const { n, ofRow, ofColumn } = margins(counts, columns)
  let squared = 0
  for (let at = 0; at < counts.length; at++) {
    const expected = (ofRow[Math.floor(at / columns)]! * ofColumn[at % columns]!) / n
    if (expected > 0) squared += (counts[at]! - expected) ** 2 / expected
  }
  return squared
}

function margins(
  counts: ArrayLike<number>,
  columns: number,
): { readonly n: number; readonly ofRow: Float64Array; readonly ofColumn: Float64Array } {
  const ofRow = new Float64Array(counts.length / columns)
  const ofColumn = new Float64Array(columns)
  let n = 0
  for (let at = 0; at < counts.length; at++) {
    n += counts[at]!
    ofRow[Math.floor(at / columns)]! += counts[at]!
    ofColumn[at % columns]! += counts[at]!
  }
  return { n, ofRow, ofColumn }
}

function filled(sums: Float64Array): number {
  return sums.reduce((count, sum) => count + Number(sum > 0), 0)
}
