import type { RoutingOverride } from '../moe/index.ts'

/**
 * Where a mixture of experts is: at a position of the backbone, behind a gate of a detector's heads (`shared`, `classification`,
 * `regression`), or in a network of the user's own at the scope of that name.
 */
export type MixturePlace = number | string

/** How mixtures route instead of as trained, by their place. */
export type PlacedOverrides = ReadonlyMap<MixturePlace, RoutingOverride>

/** How mixtures route instead of as trained: all of them alike, or by their place. */
export type RoutingOverrides = RoutingOverride | PlacedOverrides

/** A mixture of experts of a configured network. */
export interface Mixture {
  readonly place: MixturePlace
  readonly experts: number
  /** How many experts compute an input. */
  readonly k: number
  /** The constraint's name. */
  readonly constraint: string
  /** Of mixtures in a backbone: `resblock`, `conv`, …; null in a head. */
  readonly style: string | null
}

/**
 * The network with other experts selected in one of its mixtures, the others as trained. What it gets right then is what the
 * experts can do and the gate knows.
 */
export type Variant =
  /** As trained. */
  | { readonly kind: 'trained' }
  /** One expert computes every input. */
  | { readonly kind: 'single'; readonly place: MixturePlace; readonly expert: number }
  /** The gate chooses among the others; as many as K, or as there are. */
  | { readonly kind: 'without'; readonly place: MixturePlace; readonly expert: number }
  /** Another K. */
  | { readonly kind: 'k'; readonly place: MixturePlace; readonly k: number }
  /** All experts weigh 1 / E. */
  | { readonly kind: 'equal'; readonly place: MixturePlace }

/**
 * All variants of a mixture of E experts: each single expert, without each (none where E is 1, since a layer needs its only
 * expert), K = 1 to E, and all with equal weight.
 */
export function variantsOf({ place, experts }: Pick<Mixture, 'place' | 'experts'>): Variant[] {
  const each = Array.from({ length: experts }, (_, expert) => expert)
  return [
    ...each.map(expert => ({ kind: 'single', place, expert }) as const),
    ...(experts === 1 ? [] : each.map(expert => ({ kind: 'without', place, expert }) as const)),
    ...each.map(expert => ({ kind: 'k', place, k: expert + 1 }) as const),
    { kind: 'equal', place },
  ]
}

/** How a variant routes; nothing for the network as it was trained. */
export function overridesOf(variant: Variant, mixtures: readonly Mixture[]): PlacedOverrides {
  if (variant.kind === 'trained') return new Map()
  const { place } = variant
  const mixture = mixtures.find(other => other.place === place)
  switch (variant.kind) {
    case 'single':
      return new Map([[place, { kind: 'single', expert: variant.expert }]])
    case 'without': {
      const k = Math.min(mixture?.k ?? 1, (mixture?.experts ?? 2) - 1)
      return new Map([[place, { kind: 'gate', without: variant.expert, k }]])
    }
    case 'k':
      return new Map([[place, { kind: 'gate', k: variant.k }]])
    case 'equal':
      return new Map([[place, { kind: 'equal' }]])
  }
}

/** A name for messages: `single expert 2`. */
export function variantName(variant: Variant): string {
  switch (variant.kind) {
    case 'trained':
      return 'as trained'
    case 'single':
      return `single expert ${variant.expert}`
    case 'without':
      return `without expert ${variant.expert}`
    case 'k':
      return `K = ${variant.k}`
    case 'equal':
      return 'equal weights'
  }
}
