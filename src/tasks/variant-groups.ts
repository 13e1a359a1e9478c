import type { TrainEvent } from '../run/events.ts'
import type { Variant } from './variants.ts'

/**
 * Computes variants in groups, each by one program: those of each layer. What an engine needs to prepare a program grows faster
 * than the program.
 *
 * @param compute - of a group; its second argument reports the progress
 * @returns what it gave for each group
 */
export async function byVariantGroup<T>(
  variants: readonly Variant[],
  onEvent: (event: TrainEvent) => void,
  compute: (group: readonly Variant[], onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T[]> {
  const groups = variantGroups(variants)
  const results: T[] = []
  for (const [i, group] of groups.entries()) {
    const turn = groups.length === 1 ? '' : ` (${i + 1} of ${groups.length} layers)`
    onEvent({ kind: 'progress', what: `preparing the network${turn}`, done: 0, total: 1 })
    const onProgress = (done: number, total: number) =>
      onEvent({ kind: 'progress', what: `routing images${turn}`, done, total })
    results.push(await compute(group, onProgress))
  }
  return results
}

/** One group without variants where there is no place. */
function variantGroups(variants: readonly Variant[]): Variant[][] {
  const places = new Set(variants.flatMap(variant => ('place' in variant ? [variant.place] : [])))
  if (places.size === 0) return [[]]
  return [...places].map(place => variants.filter(variant => 'place' in variant && variant.place === place))
}
