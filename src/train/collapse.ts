import type { LayerStats } from '../run/events.ts'

/** A layer with experts that have nearly no part in the work. */
export interface Collapse {
  readonly layer: string
  /** Numbers of these experts. */
  readonly starved: readonly number[]
  readonly message: string
}

/**
 * Layers in which experts have (nearly) no part in the work any more.
 *
 * @param limit - an expert with at most this share of the importance counts as starved
 */
export function collapses(layers: readonly LayerStats[], limit: number): Collapse[] {
  return layers.flatMap(({ name, importance }) => {
    const starved = importance.flatMap((share, i) => (share <= limit ? [i] : []))
    if (starved.length === 0) return []
    const message =
      `${starved.length} of ${importance.length} experts ${starved.length === 1 ? 'has' : 'have'} at most ${(100 * limit).toFixed(1)} % of the importance ` +
      `(expert ${starved.join(', ')}); if that stays, give the constraint more weight or try another one`
    return [{ layer: name, starved, message }]
  })
}
