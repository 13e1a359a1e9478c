import type { RunDetails, StepCurves } from '../../src/watch/protocol.ts'

/** Shares over steps as a chart has them. */
export interface Shares {
  readonly steps: readonly number[]
  readonly shares: readonly (readonly (number | null)[])[]
}

/**
 * A layer's shares: of each step, or, of a run whose log has them for epochs alone, of each epoch of training; each smoothed a little,
 * since the share of one batch says little.
 */
export function sharesOf(
  curves: StepCurves | undefined,
  details: RunDetails | undefined,
  layer: string | undefined,
): Shares {
  const own = curves?.layers.find(({ name }) => name === layer)
  if (curves !== undefined && own?.shares.some(row => row.length > 0)) {
    const known = curves.steps.flatMap((step, i) =>
      own.shares[i]?.some(share => share !== null) ? [{ step, row: own.shares[i] }] : [],
    )
    return { steps: known.map(({ step }) => step), shares: averaged(known.map(({ row }) => row ?? [])) }
  }
  const epochs = (details?.epochs ?? []).flatMap(({ step, split, layers }) => {
    const found = split === 'train' ? layers.find(({ name }) => name === layer) : undefined
    return found === undefined ? [] : [{ step, shares: found.importance }]
  })
  return { steps: epochs.map(({ step }) => step), shares: epochs.map(({ shares }) => shares) }
}

/** Means of a few rows that end with each; more of a long history, whose columns are narrow. */
function averaged(rows: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const window = Math.max(1, Math.min(8, Math.round(rows.length / 60)))
  return rows.map((row, i) => {
    const recent = rows.slice(Math.max(0, i + 1 - window), i + 1)
    return row.map((_, expert) => {
      const values = recent.flatMap(one => one[expert] ?? [])
      return values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length
    })
  })
}
