import type { RoutingOverride } from '../../moe/index.ts'
import type { DetectorOverride, DetectorPlace } from '../../tasks/detection/detector-of.ts'

/** A detector with other experts at work at one place, the other places as trained. */
export interface DetectorVariant {
  readonly kind: 'single' | 'without' | 'k' | 'equal'
  /** For messages, e.g. `expert 2 alone`. */
  readonly name: string
  /** Undefined where that is how the network was trained. */
  readonly override: DetectorOverride | undefined
}

/**
 * All variants of a mixture of E experts of which K are chosen: each expert alone, without each (none where E is 1), K = 1 to
 * E, and all with equal weight.
 */
export function detectorVariants(
  place: DetectorPlace,
  { experts, k }: { readonly experts: number; readonly k: number },
): DetectorVariant[] {
  const at = (override: RoutingOverride): DetectorOverride => new Map([[place, override]])
  const each = Array.from({ length: experts }, (_, expert) => expert)
  return [
    ...each.map(expert => ({
      kind: 'single' as const,
      name: `expert ${expert} alone`,
      override: at({ kind: 'single', expert }),
    })),
    ...(experts === 1 ? [] : each).map(expert => ({
      kind: 'without' as const,
      name: `without expert ${expert}`,
      override: at({ kind: 'gate', without: expert, k: Math.min(k, experts - 1) }),
    })),
    ...each.map(expert => ({
      kind: 'k' as const,
      name: `K = ${expert + 1}`,
      override: expert + 1 === k ? undefined : at({ kind: 'gate', k: expert + 1 }),
    })),
    { kind: 'equal', name: 'equal weights', override: at({ kind: 'equal' }) },
  ]
}
