import type { Affinity, VariantFindings } from './findings.ts'

/** All that a caption is made from. Rows are classes, columns experts. */
export interface CaptionEvidence {
  readonly expert: number
  /** Share of each expert in all weight, [E]. */
  readonly share: readonly number[]
  /** Share of all images that chose the expert. */
  readonly activation: number
  /** Standard deviation of the expert's weight over images. */
  readonly spread: number
  readonly classes: readonly string[]
  /** Images of each class. */
  readonly images: readonly number[]
  readonly byClass: Affinity
  /** Names, rows and the class each belongs to, where the data has superclasses. */
  readonly superclasses?: {
    readonly names: readonly string[]
    readonly images: readonly number[]
    readonly by: Affinity
    /** The superclass of each class; null for a class without one. */
    readonly of: readonly (number | null)[]
  }
  /** The network as trained, and with this expert alone. */
  readonly trained: VariantFindings
  readonly alone: VariantFindings
}

/** A sentence, or why there is none. */
export type Caption =
  | { readonly caption: string; readonly silence: null }
  | { readonly caption: null; readonly silence: string }

/** What has less than this share of the weight is not used (METHOD.md §6.1). */
const living = 0.01
/** A group of classes is named from this lift on. */
const notable = 1.3
/** Standard errors above chance that count as evidence; among some hundred comparisons chance has 3 now and then. */
const evident = 4
/** Fewer images of a group tell nothing. */
const enough = 10
const mostGroups = 3
/** The class that is named last went to the expert at least this often. */
const often = 0.5
/** How much less an expert alone gets right, to be called weak. */
const weak = 0.1

/**
 * One honest sentence about an expert, in numbers: which groups of classes it gets more of than chance, the class that it
 * gets most of, and in what it is weak when it works alone. A statement that the images do not bear out is left out: a
 * group must lie 4 standard errors above chance, a weakness 4 standard errors below the network.
 *
 * Lift and shares are of weight (`byClass.weight`), "% of" is of images (`byClass.activation`).
 */
export function captionOf(evidence: CaptionEvidence): Caption {
  const { expert, share } = evidence
  const silence = (why: string): Caption => ({ caption: null, silence: why })
  const own = share[expert] ?? 0
  if (own === 0) return silence('never used')
  if (own < living) return silence(`hardly used: ${percent(own)} of the weight`)
  if (share.length === 1) return silence('the only expert')
  const groups = groupsOf(evidence)
  const favourites = groups
    .map((group, index) => ({ ...group, index, lift: group.weight / own }))
    .filter(({ lift, z }) => lift >= notable && z >= evident)
    .sort((a, b) => b.lift - a.lift)
  if (favourites.length === 0) {
    return silence(`a generalist: no group of classes gives it more than ${notable} × chance beyond doubt`)
  }
  const named = favourites.slice(0, mostGroups)
  const images = named.reduce((total, group) => total + group.images, 0)
  const weight = named.reduce((total, group) => total + group.weight * group.images, 0) / images
  const parts = [
    `${named.map(({ name }) => name).join(', ')}: ${(weight / own).toFixed(1)} × chance`,
    ...mostChosen(evidence, new Set(named.map(({ index }) => index))),
    ...weakness(evidence),
  ]
  return { caption: parts.join('; '), silence: null }
}

interface Group {
  readonly name: string
  readonly images: number
  /** Mean weight of the expert over the group's images. */
  readonly weight: number
  /** Standard errors above the mean over all images. */
  readonly z: number
}

/** Superclasses where there are any, else classes; one for each, in order. */
function groupsOf({
  expert,
  share,
  spread,
  classes,
  images,
  byClass,
  superclasses,
}: CaptionEvidence): Group[] {
  const names = superclasses?.names ?? classes
  const counts = superclasses?.images ?? images
  const rows = (superclasses?.by ?? byClass).weight
  return names.map((name, g) => {
    const count = counts[g] ?? 0
    const weight = rows[g]?.[expert] ?? 0
    const error = spread / Math.sqrt(Math.max(1, count))
    const z = count < enough || error === 0 ? 0 : (weight - share[expert]!) / error
    return { name: readable(name), images: count, weight, z }
  })
}

/**
 * The class that goes to the expert most often, among the groups that were named, if it does so beyond doubt more often than
 * images at large: where K is E every class does, and that says nothing.
 */
function mostChosen(
  { expert, activation: overall, classes, images, byClass, superclasses }: CaptionEvidence,
  named: ReadonlySet<number>,
): string[] {
  const candidates = classes
    .map((name, c) => ({ name, c, activation: byClass.activation[c]?.[expert] ?? 0 }))
    .filter(({ c, activation }) => {
      const group = superclasses === undefined ? c : superclasses.of[c]
      const error = Math.sqrt((overall * (1 - overall)) / Math.max(1, images[c]!))
      const beyond = error > 0 && (activation - overall) / error >= evident
      return (
        typeof group === 'number' && named.has(group) && images[c]! >= enough && activation >= often && beyond
      )
    })
    .sort((a, b) => b.activation - a.activation)
  const [most] = candidates
  return most === undefined ? [] : [`${percent(most.activation)} of ${readable(most.name)}`]
}

/** The group in which the expert alone falls furthest behind the network. */
function weakness({ classes, images, superclasses, trained, alone }: CaptionEvidence): string[] {
  const names = superclasses?.names ?? classes
  const right = names.map(() => ({ images: 0, trained: 0, alone: 0 }))
  for (const c of classes.keys()) {
    const group = right[superclasses === undefined ? c : (superclasses.of[c] ?? -1)]
    if (group === undefined) continue
    group.images += images[c]!
    group.trained += (trained.perClass[c] ?? 0) * images[c]!
    group.alone += (alone.perClass[c] ?? 0) * images[c]!
  }
  const behind = right
    .map((group, g) => ({ ...group, name: readable(names[g]!), z: deviation(group) }))
    .filter(
      group =>
        group.images >= enough && (group.trained - group.alone) / group.images >= weak && group.z >= evident,
    )
    .sort((a, b) => (b.trained - b.alone) / b.images - (a.trained - a.alone) / a.images)
  const [most] = behind
  if (most === undefined) return []
  const alike = `${percent(most.alone / most.images)} right alone, ${percent(most.trained / most.images)} together`
  return [`weak in ${most.name} (${alike})`]
}

/** Standard errors between two counts of right answers among as many images each. */
function deviation(group: {
  readonly images: number
  readonly trained: number
  readonly alone: number
}): number {
  const { images, trained, alone } = group
  const p = (trained + alone) / (2 * images)
  const error = Math.sqrt((2 * p * (1 - p)) / images)
  return error > 0 ? (trained - alone) / images / error : 0
}

function percent(fraction: number): string {
  return fraction < 0.1 ? `${(100 * fraction).toFixed(1)} %` : `${Math.round(100 * fraction)} %`
}

/** `fruit_and_vegetables` as one would write it. */
function readable(name: string): string {
  return name.replaceAll('_', ' ')
}
