import type { ModelConfig } from '../config/config.ts'
import type { RoutingOverride } from '../moe/index.ts'

/**
 * The network with other experts at work in one of its layers, the other layers as trained. What it gets right then is what
 * the experts can and the gate knows.
 */
export type Variant =
  /** As trained. */
  | { readonly kind: 'trained' }
  /** One expert computes every image alone. */
  | { readonly kind: 'single'; readonly position: number; readonly expert: number }
  /** The gate chooses among the others; of as many as K, or as there are. */
  | { readonly kind: 'without'; readonly position: number; readonly expert: number }
  /** Another K. */
  | { readonly kind: 'k'; readonly position: number; readonly k: number }
  /** All experts weigh 1 / E. */
  | { readonly kind: 'equal'; readonly position: number }

/**
 * All variants of a network: as trained, and for each mixture of E experts 3E of them and one (2E + 1 where E is 1, since a
 * layer cannot do without its only expert).
 */
export function variantsOf({ moe }: ModelConfig): Variant[] {
  return [
    { kind: 'trained' },
    ...moe.flatMap(({ position, experts }): Variant[] => {
      const each = Array.from({ length: experts }, (_, expert) => expert)
      return [
        ...each.map(expert => ({ kind: 'single', position, expert }) as const),
        ...(experts === 1 ? [] : each.map(expert => ({ kind: 'without', position, expert }) as const)),
        ...each.map(expert => ({ kind: 'k', position, k: expert + 1 }) as const),
        { kind: 'equal', position },
      ]
    }),
  ]
}

/**
 * The variants in groups that are computed by one program each: as trained, then those of each layer after the trained network
 * again. What an engine needs to prepare a program grows faster than the program.
 */
export function groupsOfVariants(variants: readonly Variant[]): Variant[][] {
  const trained: Variant = { kind: 'trained' }
  const positions = new Set(variants.flatMap(variant => ('position' in variant ? [variant.position] : [])))
  if (positions.size === 0) return [[trained]]
  return [...positions].map(position => [
    trained,
    ...variants.filter(variant => 'position' in variant && variant.position === position),
  ])
}

/** How the layers of a variant route, by position; none for the network as it was trained. */
export function overridesOf(variant: Variant, { moe }: ModelConfig): Map<number, RoutingOverride> {
  if (variant.kind === 'trained') return new Map()
  const { position } = variant
  const layer = moe.find(other => other.position === position)
  switch (variant.kind) {
    case 'single':
      return new Map([[position, { kind: 'single', expert: variant.expert }]])
    case 'without': {
      const k = Math.min(layer?.k ?? 1, (layer?.experts ?? 2) - 1)
      return new Map([[position, { kind: 'gate', without: variant.expert, k }]])
    }
    case 'k':
      return new Map([[position, { kind: 'gate', k: variant.k }]])
    case 'equal':
      return new Map([[position, { kind: 'equal' }]])
  }
}

/** A name for messages and tests, e.g. `layer at 4: expert 2 alone`. */
export function variantName(variant: Variant): string {
  switch (variant.kind) {
    case 'trained':
      return 'as trained'
    case 'single':
      return `layer at ${variant.position}: expert ${variant.expert} alone`
    case 'without':
      return `layer at ${variant.position}: without expert ${variant.expert}`
    case 'k':
      return `layer at ${variant.position}: K = ${variant.k}`
    case 'equal':
      return `layer at ${variant.position}: equal weights`
  }
}
